from dataclasses import replace

import numpy as np
import pytest

from genomes.genome import Genome, Slot
from genomes.library import load
from genomes.macro import (
    last_slot,
    off_cycles,
    settled,
    shortened,
    stage_of,
    with_another_slot,
    with_another_stage,
    with_slot,
    without_last_stage,
    without_slot,
)
from genomes.spaces.evonas import EvonasSpace


@pytest.fixture
def genome() -> Genome:
    return load("spiking_resnet")[0]  # six slots in three stages, each reading the two before it


@pytest.fixture
def slot(space: EvonasSpace) -> Slot:
    return next(space.sample(rng=np.random.default_rng(0)).slots())


def test_slots_are_numbered_through_the_stages(genome: Genome) -> None:
    assert [stage_of(genome, k) for k in range(1, 7)] == [0, 0, 1, 1, 2, 2]
    assert [last_slot(genome, s) for s in range(3)] == [2, 4, 6]


def test_a_new_slot_is_spliced_in_where_the_chain_was(genome: Genome, slot: Slot) -> None:
    grown = with_another_slot(genome, 0, slot)
    reads = [s.predecessors for s in grown.slots()]
    assert reads == [(0,), (0, 1), (2,), (1, 3), (2, 4), (4, 5), (5, 6)]
    assert len(grown.stages[0].slots) == 3


def test_removing_a_slot_undoes_adding_it(slot: Slot) -> None:
    chain: Genome = load("spiking_vgg")[0]
    assert without_slot(with_another_slot(chain, 1, slot), 3) == chain


def test_a_slot_whose_only_source_goes_reads_what_that_one_read() -> None:
    chain: Genome = load("feedback_loop")[
        0
    ]  # slot 2 reads slot 1, slot 3 reads 1 and 2; feedback 2-1 and 3-1
    shorter = without_slot(chain, 1)
    assert [s.predecessors for s in shorter.slots()] == [(0,), (1,)]
    assert shorter.feedback == ()


def test_edges_that_reach_too_far_back_start_at_the_farthest_slot_in_reach(genome: Genome) -> None:
    third = replace(list(genome.slots())[2], predecessors=(0,), merge=None)
    wired = with_slot(genome, 3, third)

    def reads(reach: int) -> list[tuple[int, ...]]:
        found = shortened(wired, lambda number: range(max(0, number - reach), number))
        return [slot.predecessors for slot in found.slots()]

    assert reads(3) == [(0,), (0, 1), (0,), (2, 3), (3, 4), (4, 5)]
    assert reads(2) == [(0,), (0, 1), (1,), (2, 3), (3, 4), (4, 5)]
    assert reads(1) == [(0,), (1,), (2,), (3,), (4,), (5,)]


def test_feedback_keeps_its_ends_when_slots_are_renumbered(slot: Slot) -> None:
    loop: Genome = load("feedback_loop")[0]
    assert with_another_slot(loop, 0, slot).feedback == ((2, 1), (4, 1))
    assert without_slot(loop, 2).feedback == ((2, 1),)


def test_a_stage_goes_with_its_slots_and_the_feedback_from_them(slot: Slot) -> None:
    loop: Genome = load("feedback_loop")[0]
    shorter = without_last_stage(loop)
    assert shorter.n_slots == 2
    assert shorter.feedback == ((2, 1),)
    grown = with_another_stage(shorter, width=32, slot=slot)
    assert [s.predecessors for s in grown.slots()][-1] == (2,)


@pytest.mark.parametrize(
    ("name", "feedback", "free"),
    [
        ("spiking_resnet", (), {1, 2, 3, 4, 5, 6}),
        ("spiking_resnet", ((4, 3),), {1, 2, 5, 6}),
        ("spiking_resnet", ((5, 2),), {1, 6}),
        ("spiking_resnet", ((3, 1), (6, 5)), {4}),
        # The second slot has a loop of its own: of feedback inhibition, of mutual inhibition.
        ("inhibited_chain", (), {1, 3}),
        ("rivals", (), {1}),
    ],
)
def test_a_slot_is_off_cycles_if_no_feedback_leads_back_to_it(
    name: str, feedback: tuple[tuple[int, int], ...], free: set[int]
) -> None:
    assert off_cycles(replace(load(name)[0], feedback=feedback)) == free


def test_feedback_from_a_slot_that_is_not_driven_by_its_target_closes_no_cycle(genome: Genome) -> None:
    first, second = genome.stages[0].slots
    apart = replace(genome.stages[0], slots=(first, replace(second, predecessors=(0,), merge=None)))
    assert off_cycles(replace(genome, stages=(apart,), feedback=((2, 1),))) == {1, 2}


def test_settling_takes_attention_from_cycles_only(genome: Genome) -> None:
    stages = tuple(
        replace(stage, slots=tuple(replace(slot, attention="asa") for slot in stage.slots))
        for stage in genome.stages
    )
    attentive = replace(genome, stages=stages)
    assert settled(attentive) == attentive
    found = settled(replace(attentive, feedback=((4, 3),)))
    assert [slot.attention for slot in found.slots()] == ["asa", "asa", None, None, "asa", "asa"]
    assert settled(replace(genome, feedback=((4, 3),))) == replace(genome, feedback=((4, 3),))
