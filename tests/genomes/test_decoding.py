"""Small genomes and the architectures that they mean, drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.decoding import decode
from genomes.errors import IllegalGeneError
from genomes.genome import Genome, Merge, Slot, Stage, Stem
from genomes.macro import without_slot
from genomes.meso import MOTIFS
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Identity, MaxPool, Operation, Resize, SpatialAttention

SPEC = InputSpec((1, 8, 8), 10)
IF = Neuron("if", 1.0, None, "hard")
LIF = Neuron("lif", 0.5, 2.0, "soft")
ALIF = Neuron("alif", 0.25, 3.0, "hard")
STEM = Stem(IF, Kernel(5), 1)


def chain_slot(
    *predecessors: int, merge: Merge | None = None, neurons: tuple[Neuron, ...] = (LIF, LIF)
) -> Slot:
    """A slot of feed-forward excitation, 3 x 3 then 1 x 1."""
    return Slot("feedforward_excitation", neurons, (Kernel(3), Kernel(1)), predecessors, merge)


def conv(channels: int, size: int = 1, sign: int = 0, stride: int = 1) -> Convolution:
    return Convolution(Kernel(size), channels=channels, sign=sign, stride=stride)


def drawn(
    nodes: list[Draft],
    edges: Sequence[tuple[int, int, Operation] | tuple[int, int, Operation, int]],
    outputs: list[int],
    spec: InputSpec = SPEC,
) -> Architecture:
    synapses = [Synapse(*edge) for edge in edges]
    return canonical(input_spec=spec, nodes=[Draft("input"), *nodes], synapses=synapses, outputs=outputs)


def test_a_stem_and_one_slot() -> None:
    found = decode(Genome(STEM, (Stage(8, (chain_slot(0),)),)), input_spec=SPEC)
    edges = [(0, 1, conv(8, 5)), (1, 2, conv(8, 3, 1)), (2, 3, conv(8, 1, 1))]
    assert found == drawn([Draft("add", IF), Draft("add", LIF), Draft("add", LIF)], edges, [3])
    assert [node.shape for node in found.nodes] == [(1, 8, 8), (8, 8, 8), (8, 8, 8), (8, 8, 8)]
    assert found.n_parameters == (25 * 8 + 16) + (8 * 9 * 8 + 16) + (8 * 8 + 16) + (8 + 1) * 10
    assert found.macs_per_step == 64 * (25 * 8 + 8 * 9 * 8 + 8 * 8)
    assert found.depth == 3
    assert found.n_neurons == 3 * 8 * 64


def test_a_stride_in_the_stem_halves_every_layer() -> None:
    genome = Genome(replace(STEM, stride=2), (Stage(8, (chain_slot(0),)), Stage(16, (chain_slot(1),))))
    found = decode(genome, input_spec=InputSpec((1, 7, 9), 10))
    assert [node.shape for node in found.nodes if node.neuron] == [
        *[(8, 4, 5)] * 3,
        *[(16, 2, 2)] * 2,
    ]


def test_adding_sends_each_predecessor_through_an_adapter_into_one_more_layer() -> None:
    slots = (chain_slot(0), chain_slot(0, 1, merge=Merge("add", ALIF)))
    found = decode(Genome(STEM, (Stage(8, slots),)), input_spec=SPEC)
    nodes = [Draft("add", IF), *[Draft("add", LIF)] * 2, Draft("add", ALIF), *[Draft("add", LIF)] * 2]
    edges = [(0, 1, conv(8, 5)), (1, 2, conv(8, 3, 1)), (2, 3, conv(8, 1, 1))]
    edges += [(1, 4, conv(8)), (3, 4, conv(8)), (4, 5, conv(8, 3, 1)), (5, 6, conv(8, 1, 1))]
    assert found == drawn(nodes, [*edges], [6])
    assert found.depth == 6


def test_concatenating_stacks_the_spikes_of_the_predecessors() -> None:
    slots = (chain_slot(0), chain_slot(0, 1, merge=Merge("concatenate")))
    found = decode(Genome(STEM, (Stage(8, slots),)), input_spec=SPEC)
    nodes = [Draft("add", IF), *[Draft("add", LIF)] * 2, Draft("concatenate"), *[Draft("add", LIF)] * 2]
    edges = [(0, 1, conv(8, 5)), (1, 2, conv(8, 3, 1)), (2, 3, conv(8, 1, 1))]
    passed: list[tuple[int, int, Operation]] = [(1, 4, Identity()), (3, 4, Identity())]
    edges_after = [(4, 5, conv(8, 3, 1)), (5, 6, conv(8, 1, 1))]
    assert found == drawn(nodes, [*edges, *passed, *edges_after], [6])
    (stack,) = [i for i, node in enumerate(found.nodes) if node.merge == "concatenate"]
    assert found.nodes[stack].shape == (16, 8, 8)
    assert found.binary[stack]


def test_a_dense_sum_adds_the_spikes_of_equally_wide_predecessors_as_they_are() -> None:
    slots = (chain_slot(0), chain_slot(0, 1, merge=Merge("dense_add")))
    found = decode(Genome(STEM, (Stage(8, slots),)), input_spec=SPEC)
    nodes = [Draft("add", IF), *[Draft("add", LIF)] * 2, Draft("add"), *[Draft("add", LIF)] * 2]
    edges = [(0, 1, conv(8, 5)), (1, 2, conv(8, 3, 1)), (2, 3, conv(8, 1, 1))]
    passed: list[tuple[int, int, Operation]] = [(1, 4, Identity()), (3, 4, Identity())]
    edges_after = [(4, 5, conv(8, 3, 1)), (5, 6, conv(8, 1, 1))]
    assert found == drawn(nodes, [*edges, *passed, *edges_after], [6])
    (total,) = [i for i, node in enumerate(found.nodes) if i and not node.neuron]
    assert [found.synapses[s].operation for s in found.incoming[total]] == [Identity(), Identity()]
    assert not found.binary[total]
    assert found.depth == 5  # one less than with "add", which has neurons on the sum


def test_a_dense_sum_brings_predecessors_of_other_widths_to_that_of_the_slot() -> None:
    stages = (
        Stage(8, (chain_slot(0),)),
        Stage(12, (chain_slot(1), chain_slot(0, 1, 2, merge=Merge("dense_add")))),
    )
    found = decode(Genome(STEM, stages), input_spec=SPEC)
    sums = [
        sorted(str(found.synapses[s].operation) for s in found.incoming[i])
        for i, node in enumerate(found.nodes)
        if i and not node.neuron and node.merge == "add" and len(found.incoming[i]) > 1
    ]
    # Stem and slot 1 have 8 channels and are pooled before; slot 2 has the 12 of the reader.
    assert sums == [["1x1 convolution", "1x1 convolution", "identity"]]
    adapters = [s for s in found.synapses if s.operation == conv(12)]
    assert [found.nodes[s.source].shape for s in adapters] == [(8, 4, 4)] * 2
    assert [found.nodes[s.target].shape for s in adapters] == [(12, 4, 4)] * 2


def test_attention_lies_between_the_summed_current_of_each_population_and_its_neurons() -> None:
    kernels = (Kernel(3), Kernel(5), Kernel(7))
    slot = Slot("feedforward_inhibition", (LIF, ALIF), kernels, (0,), attention="asa")
    found = decode(Genome(STEM, (Stage(8, (slot,)),)), input_spec=SPEC)
    nodes = [Draft("add", IF), Draft("add"), Draft("add"), Draft("add", LIF), Draft("add", ALIF)]
    edges: list[tuple[int, int, Operation]] = [
        (0, 1, conv(8, 5)),
        (1, 2, conv(8, 3, 1)),
        (1, 3, conv(2, 5, 1)),
        (5, 2, conv(8, 7, -1)),
        (2, 4, SpatialAttention("asa")),
        (3, 5, SpatialAttention("asa")),
    ]
    assert found == drawn(nodes, edges, [4])
    plain = decode(Genome(STEM, (Stage(8, (replace(slot, attention=None),)),)), input_spec=SPEC)
    assert found.n_parameters == plain.n_parameters + 2 * 41
    assert found.depth == plain.depth


def test_feedback_into_a_slot_with_attention_is_part_of_the_current_that_is_attended() -> None:
    slots = (replace(chain_slot(0), attention="half"), chain_slot(0))
    found = decode(Genome(STEM, (Stage(8, slots),), feedback=((2, 1),)), input_spec=SPEC)
    (late,) = [s for s in found.synapses if s.delay]
    (attention,) = [s.operation for s in found.synapses if s.source == late.target]
    assert attention == SpatialAttention("half")


def test_attention_on_a_feedback_cycle_is_refused() -> None:
    slots = (replace(chain_slot(0), attention="asa"), chain_slot(1))
    with pytest.raises(IllegalGeneError, match="needs all time steps at once"):
        decode(Genome(STEM, (Stage(8, slots),), feedback=((2, 1),)), input_spec=SPEC)


def test_the_merge_rules_mean_different_networks() -> None:
    ids = {
        decode(Genome(STEM, (Stage(8, (chain_slot(0), chain_slot(0, 1, merge=merge))),)), input_spec=SPEC).id
        for merge in (Merge("concatenate"), Merge("dense_add"), Merge("add", LIF), Merge("add", ALIF))
    }
    assert len(ids) == 4


def test_a_predecessor_in_an_earlier_stage_is_pooled_to_the_resolution_of_the_reader() -> None:
    stages = (
        Stage(8, (chain_slot(0),)),
        Stage(8, (chain_slot(1),)),
        Stage(12, (chain_slot(0, 1, 2, merge=Merge("concatenate")),)),
    )
    found = decode(Genome(STEM, stages), input_spec=SPEC)
    sizes = sorted(
        (s.operation.size, found.nodes[s.source].shape)
        for s in found.synapses
        if isinstance(s.operation, MaxPool)
    )
    # Slot 2 reads slot 1 at half its resolution; slot 3 reads stem and slot 1 at a quarter and slot 2 at half.
    assert sizes == [(2, (8, 4, 4)), (2, (8, 8, 8)), (4, (8, 8, 8)), (4, (8, 8, 8))]
    (stack,) = [node for node in found.nodes if node.merge == "concatenate"]
    assert stack.shape == (24, 2, 2)
    assert found.nodes[found.outputs[0]].shape == (12, 2, 2)


def test_a_source_that_two_slots_read_is_pooled_once() -> None:
    stages = (
        Stage(8, (chain_slot(0),)),
        Stage(8, (chain_slot(1), chain_slot(1, 2, merge=Merge("concatenate")))),
    )
    found = decode(Genome(STEM, stages), input_spec=SPEC)
    assert sum(isinstance(s.operation, MaxPool) for s in found.synapses) == 1


def test_feedback_within_a_stage_is_an_adapter_one_step_late_into_the_first_population() -> None:
    slots = (chain_slot(0, neurons=(ALIF, LIF)), chain_slot(1))
    found = decode(Genome(STEM, (Stage(8, slots),), feedback=((2, 1),)), input_spec=SPEC)
    nodes = [Draft("add", IF), Draft("add", ALIF), *[Draft("add", LIF)] * 3]
    edges = [(0, 1, conv(8, 5)), (1, 2, conv(8, 3, 1)), (2, 3, conv(8, 1, 1))]
    edges += [(3, 4, conv(8, 3, 1)), (4, 5, conv(8, 1, 1))]
    assert found == drawn(nodes, [*edges, (5, 2, conv(8), 1)], [5])
    assert found.schedule == ((0,), (1,), (2, 3, 4, 5))
    assert found.depth == 5


def test_feedback_across_stages_is_enlarged_to_the_resolution_of_its_target() -> None:
    stages = (Stage(8, (chain_slot(0),)), Stage(12, (chain_slot(1),)))
    found = decode(Genome(STEM, stages, feedback=((2, 1),)), input_spec=SPEC)
    nodes = [*[Draft("add", n) for n in (IF, LIF, LIF)], Draft("add"), *[Draft("add", LIF)] * 2, Draft("add")]
    edges: list[tuple[int, int, Operation]] = [
        (0, 1, conv(8, 5)),
        (1, 2, conv(8, 3, 1)),
        (2, 3, conv(8, 1, 1)),
    ]
    edges += [(3, 4, MaxPool(2))]
    edges += [(4, 5, conv(12, 3, 1)), (5, 6, conv(12, 1, 1)), (6, 7, conv(8))]
    assert found == drawn(nodes, [*edges, (7, 2, Resize(8, 8), 1)], [6])
    late = [s for s in found.synapses if s.delay]
    assert [found.nodes[s.source].shape for s in late] == [(8, 4, 4)]
    assert not found.binary[late[0].source]


def test_feedback_into_a_motif_of_shares_is_as_wide_as_its_first_population() -> None:
    lateral = Slot("lateral_inhibition", (LIF, LIF, IF), (Kernel(3),) * 4, (0,))
    found = decode(Genome(STEM, (Stage(8, (lateral, chain_slot(1))),), feedback=((2, 1),)), input_spec=SPEC)
    (late,) = [s for s in found.synapses if s.delay]
    assert found.nodes[late.target].shape == (4, 8, 8)
    assert late.operation == conv(4)


def test_a_motif_is_drawn_with_its_signs_delays_and_shares() -> None:
    kernels = (Kernel(3), Kernel(5), Kernel(7))
    inhibition = Slot("feedback_inhibition", (LIF, ALIF), kernels, (0,))
    found = decode(Genome(STEM, (Stage(8, (inhibition,)),)), input_spec=SPEC)
    nodes = [Draft("add", IF), Draft("add", LIF), Draft("add", ALIF)]
    edges = [(0, 1, conv(8, 5)), (1, 2, conv(8, 3, 1)), (2, 3, conv(2, 5, 1))]
    assert found == drawn(nodes, [*edges, (3, 2, conv(8, 7, -1), 1)], [2])


@pytest.mark.parametrize("name", MOTIFS.names())
def test_the_kernels_go_to_the_edges_in_the_order_of_the_motif(name: str) -> None:
    motif = MOTIFS.get(name)
    sizes = [2 * i + 1 for i in range(len(motif.edges))]
    slot = Slot(name, (LIF,) * len(motif.nodes), tuple(Kernel(size) for size in sizes), (0,))
    found = decode(Genome(STEM, (Stage(8, (slot,)),)), input_spec=SPEC)
    drawn_edges = sorted(
        (s.operation.kernel.size, s.operation.sign, s.delay)
        for s in found.synapses
        if isinstance(s.operation, Convolution) and s.operation.sign
    )
    assert drawn_edges == [(size, e.sign, e.delay) for size, e in zip(sizes, motif.edges, strict=True)]


def test_the_readout_reads_every_slot_that_no_slot_reads() -> None:
    stages = (Stage(8, (chain_slot(0), chain_slot(0))), Stage(12, (chain_slot(1),)))
    found = decode(Genome(STEM, stages), input_spec=SPEC)
    assert sorted(found.nodes[i].shape for i in found.outputs) == [(8, 8, 8), (12, 4, 4)]
    assert found.n_features == 20


def test_a_stack_of_two_populations_is_read_out_as_one() -> None:
    lateral = Slot("lateral_inhibition", (LIF, LIF, IF), (Kernel(3),) * 4, (0,))
    found = decode(Genome(STEM, (Stage(8, (lateral,)),)), input_spec=SPEC)
    (output,) = found.outputs
    assert found.nodes[output].merge == "concatenate"
    assert (found.nodes[output].neuron, found.n_features) == (None, 8)


def test_feedback_alone_does_not_keep_a_slot_from_the_readout() -> None:
    genome = Genome(STEM, (Stage(8, (chain_slot(0), chain_slot(0))),), feedback=((2, 1),))
    assert decode(genome, input_spec=SPEC).n_features == 16


def test_an_input_too_small_for_the_stages_is_refused() -> None:
    stages = tuple(Stage(8, (chain_slot(k),)) for k in range(3))
    with pytest.raises(IllegalGeneError):
        decode(Genome(STEM, stages), input_spec=InputSpec((1, 3, 3), 10))


def test_one_of_two_equal_slots_can_be_taken_away() -> None:
    twin = chain_slot(0)
    genome = Genome(STEM, (Stage(8, (twin, twin)),))
    assert without_slot(genome, 2) == Genome(STEM, (Stage(8, (twin,)),))


def test_slots_of_several_populations_are_added_through_adapters_and_keep_their_order_apart() -> None:
    def rivals(*sizes: int) -> Slot:
        kernels = tuple(Kernel(size) for size in sizes)
        return Slot("lateral_inhibition", (LIF, LIF, LIF), kernels, (0,))

    def network(second: Slot) -> Architecture:
        added = chain_slot(1, 2, merge=Merge("dense_add"))
        return decode(Genome(STEM, (Stage(8, (rivals(3, 5, 3, 3), second, added)),)), input_spec=SPEC)

    found = network(rivals(3, 7, 3, 3))
    adapters = [s.operation for s in found.synapses if s.operation == Convolution(Kernel(1), channels=8)]
    assert len(adapters) == 2
    assert network(rivals(7, 3, 3, 3)).id != found.id
