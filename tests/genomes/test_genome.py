from dataclasses import replace

import pytest

from genomes.errors import IllegalGeneError, UnknownNameError
from genomes.genome import Genome, Merge, Slot
from genomes.library import load
from genomes.micro import Kernel, Neuron

LIF = Neuron("lif", 0.5, 2.0, "hard")


@pytest.fixture
def genome() -> Genome:
    return load("feedback_loop")[0]


def test_a_slot_has_one_neuron_per_population_and_one_kernel_per_edge() -> None:
    with pytest.raises(IllegalGeneError, match="has 2 populations, got 1 neurons"):
        Slot("feedforward_inhibition", (LIF,), (Kernel(3),) * 3, (0,))
    with pytest.raises(IllegalGeneError, match="has 3 edges, got 2 kernels"):
        Slot("feedforward_inhibition", (LIF, LIF), (Kernel(3),) * 2, (0,))


def test_a_merge_rule_is_there_exactly_when_there_is_something_to_merge() -> None:
    with pytest.raises(IllegalGeneError, match="1 predecessors, got merge"):
        Slot("feedforward_inhibition", (LIF, LIF), (Kernel(3),) * 3, (0,), Merge("concatenate"))
    with pytest.raises(IllegalGeneError, match="2 predecessors, got merge None"):
        Slot("feedforward_inhibition", (LIF, LIF), (Kernel(3),) * 3, (0, 1))


def test_adding_needs_a_neuron_and_stacking_has_none() -> None:
    with pytest.raises(IllegalGeneError, match="'add' needs a neuron"):
        Merge("add")
    for rule in ("concatenate", "dense_add"):
        with pytest.raises(IllegalGeneError, match=f"'{rule}' has no neuron"):
            Merge(rule, LIF)


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown attention 'as'; did you mean 'asa'"):
        Slot("feedforward_inhibition", (LIF, LIF), (Kernel(3),) * 3, (0,), attention="as")


def test_a_slot_reads_earlier_slots_only(genome: Genome) -> None:
    first = genome.stages[0]
    broken = replace(first, slots=(replace(first.slots[0], predecessors=(1,)), *first.slots[1:]))
    with pytest.raises(IllegalGeneError, match=r"slot 1 can read 0\.\.0, got \(1,\)"):
        replace(genome, stages=(broken, *genome.stages[1:]))


@pytest.mark.parametrize("edge", [(1, 2), (2, 2), (9, 1)])
def test_feedback_runs_backwards_between_slots_that_exist(genome: Genome, edge: tuple[int, int]) -> None:
    with pytest.raises(IllegalGeneError, match="feedback runs from a later slot to an earlier one"):
        replace(genome, feedback=(edge,))


def test_genomes_are_values(genome: Genome) -> None:
    assert genome == load("feedback_loop")[0]
    assert len({genome, load("feedback_loop")[0], load("rivals")[0]}) == 2
