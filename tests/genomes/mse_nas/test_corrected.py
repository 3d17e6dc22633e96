from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from evonas.snn.network import SpikingNetwork
from evonas.snn.synapses import ConvolutionSynapse
from genomes.architecture import Architecture, InputSpec
from genomes.errors import IllegalGeneError
from genomes.graph import reachable
from genomes.meso import Motif
from genomes.mse_nas.corrected import MotifLayer, MseNasGenome, n_kernels
from genomes.mse_nas.motifs import CORRECTED, NAMES, PREDECESSORS, RELEASED, convolutions
from genomes.mse_nas.released import ReleasedGenome
from genomes.operations import Convolution, Identity
from genomes.spaces.mse_nas import MseNasSpace

T = 4
IMAGES = InputSpec((3, 16, 16), 10)
# Four layers, of which the last three reduce: one cell, at the resolution of the input.
ONE_CELL = MseNasSpace(IMAGES, layers=4, channels=4)
SIZES = tuple(range(3, 27, 2))
ONE_CELL_RELEASED = replace(ONE_CELL, as_released=True, mid=5)


def corrected(motif: str, predecessors: int) -> Architecture:
    """The architecture of one cell with this motif and 3x3 kernels."""
    layer = MotifLayer(motif, (3,) * n_kernels(motif, predecessors))
    return ONE_CELL.decode(MseNasGenome(predecessors, (layer,)))


def released(motif: str, predecessors: int) -> Architecture:
    """The same as released."""
    numbers = (*([NAMES.index(motif), *[0] * 19] * 4), predecessors)
    return ONE_CELL_RELEASED.decode(ReleasedGenome(numbers))


def spikes(network: SpikingNetwork) -> dict[int, torch.Tensor]:
    """What each spiking node does when two images are shown."""
    images = torch.from_numpy(
        np.random.default_rng(0).standard_normal((1, 2, *IMAGES.shape), dtype=np.float32)
    )
    seen: dict[int, torch.Tensor] = {}
    with torch.no_grad():
        network(images, time_steps=T, observe=lambda node, output: seen.update({node: output}))
    return {node: seen[node] for node in network.architecture.spiking}


def calibrated(architecture: Architecture) -> SpikingNetwork:
    network = SpikingNetwork(architecture, seed=0).eval()
    images = torch.from_numpy(
        np.random.default_rng(1).standard_normal((1, 8, *IMAGES.shape), dtype=np.float32)
    )
    with torch.no_grad():
        network(images, time_steps=T, calibrate=True)
    return network


def silence(network: SpikingNetwork, synapse: int) -> None:
    module = network.synapses[synapse]
    assert isinstance(module, ConvolutionSynapse)
    with torch.no_grad():
        module.norm.weight.zero_()
        module.norm.bias.zero_()


def currents(architecture: Architecture, node: int) -> list[Any]:
    """The operations that bring current to a node, those behind nodes that hand on included."""
    found: list[Any] = []
    for synapse in (architecture.synapses[s] for s in architecture.incoming[node]):
        handed = isinstance(synapse.operation, Identity) and not architecture.nodes[synapse.source].neuron
        found += currents(architecture, synapse.source) if handed else [synapse.operation]
    return found


def marked(architecture: Architecture) -> dict[int, int]:
    """The signed synapses of a cell whose kernels are of different sizes, by size."""
    operations = [(i, s.operation) for i, s in enumerate(architecture.synapses)]
    return {op.kernel.size: i for i, op in operations if isinstance(op, Convolution) and op.sign}


def current(architecture: Architecture, node: int) -> int:
    """The node whose current drives the neurons `node`: they themselves where nothing else reads that current."""
    into = [architecture.synapses[s] for s in architecture.incoming[node]]
    alone = len(into) == 1 and isinstance(into[0].operation, Identity) and architecture.nodes[node].neuron
    return into[0].source if alone else node


def upstream(architecture: Architecture, node: int) -> set[int]:
    """The node and all that drives it."""
    edges = [(s.target, s.source) for s in architecture.synapses]
    return set(reachable([node], edges))


def inhibited_only(architecture: Architecture) -> list[int]:
    """The spiking nodes of one population to which convolutions bring inhibition and nothing else."""
    found = []
    for node in architecture.spiking:
        signs = {op.sign for op in currents(architecture, node) if isinstance(op, Convolution)}
        if signs == {-1}:
            found.append(node)
    return found


def test_the_released_interneuron_of_feedforward_inhibition_never_fires() -> None:
    architecture = released("feedforward_inhibition", 3)
    (dead,) = inhibited_only(architecture)
    fired = spikes(calibrated(architecture))
    assert [node for node in fired if not fired[node].any()] == [dead]


def test_the_second_population_of_released_mutual_inhibition_never_fires() -> None:
    # Both populations leave the cell stacked, into neurons 4 + 4 channels wide.
    network = calibrated(released("mutual_inhibition", 3))
    (stack,) = [fired for fired in spikes(network).values() if fired.shape[2:] == (8, 16, 16)]
    assert int(stack.any(dim=(0, 1, 3, 4)).sum()) == 4


@pytest.mark.parametrize("motif", NAMES[1:])
@pytest.mark.parametrize("predecessors", PREDECESSORS)
def test_every_corrected_population_fires(motif: str, predecessors: int) -> None:
    architecture = corrected(motif, predecessors)
    assert not inhibited_only(architecture)
    assert all(fired.any() for fired in spikes(calibrated(architecture)).values())


@pytest.mark.parametrize("motif", ["feedback_inhibition", "mutual_inhibition"])
@pytest.mark.parametrize("predecessors", PREDECESSORS)
def test_released_feedback_is_one_more_path_forward(motif: str, predecessors: int) -> None:
    architecture = released(motif, predecessors)
    assert not architecture.has_feedback
    assert all(len(group) == 1 for group in architecture.schedule)


def test_released_feedback_excites_and_never_reaches_its_own_source() -> None:
    architecture = ONE_CELL.form.skeleton.draw(
        {0: (RELEASED["feedback_inhibition", 3], SIZES[:6])}, n_predecessors=3, as_released=True
    )
    to_b, to_d, feedback = (marked(architecture)[size] for size in SIZES[3:6])
    operation, joined = architecture.synapses[feedback].operation, architecture.synapses[feedback].target
    assert isinstance(operation, Convolution)
    assert operation.sign == 1
    # A is read before by B and after by D; what feeds it back is B.
    before, after = (current(architecture, architecture.synapses[s].source) for s in (to_b, to_d))
    assert after == joined
    assert before in {architecture.synapses[s].source for s in architecture.incoming[joined]}
    source = architecture.synapses[feedback].source
    assert current(architecture, source) == current(architecture, architecture.synapses[to_b].target)
    network = calibrated(architecture)
    fired = spikes(network)
    silence(network, feedback)
    silenced = spikes(network)
    own = upstream(architecture, source)
    assert all(torch.equal(fired[node], silenced[node]) for node in fired if node in own)
    assert any(not torch.equal(fired[node][0], silenced[node][0]) for node in fired)


def wirings() -> list[Any]:
    """Every table of the space, and of the release those without feedback."""
    plain = [(key, RELEASED[key]) for key in RELEASED if not any(e.delay for e in RELEASED[key].edges)]
    return [
        pytest.param(n, motif, as_released, id=f"{name}-{n}-{'released' if as_released else 'corrected'}")
        for as_released, table in ((False, list(CORRECTED.items())), (True, plain))
        for (name, n), motif in table
    ]


@pytest.mark.parametrize(("predecessors", "table", "as_released"), wirings())
def test_a_cell_is_wired_like_its_table(predecessors: int, table: Motif, as_released: bool) -> None:
    # A size of its own marks the synapse of each edge.
    kernels = SIZES[: len(convolutions(table))]
    architecture = ONE_CELL.form.skeleton.draw(
        {0: (table, kernels)}, n_predecessors=predecessors, as_released=as_released
    )
    found = marked(architecture)
    drawn: dict[int, int] = {}
    for edge, size in zip([e for e in table.edges if e.sign], kernels, strict=True):
        synapse = architecture.synapses[found.pop(size)]
        assert isinstance(synapse.operation, Convolution)
        assert (synapse.operation.sign, synapse.delay) == (edge.sign, edge.delay)
        for population, node in ((edge.source, synapse.source), (edge.target, synapse.target)):
            node = current(architecture, node)
            assert drawn.setdefault(population, node) == node
    assert not found
    assert len(set(drawn.values())) == len(drawn)
    handed = {
        (s.source, s.target)
        for s in architecture.synapses
        if isinstance(s.operation, Identity) and s.target in drawn.values() and s.source in drawn.values()
    }
    assert handed == {(drawn[e.source], drawn[e.target]) for e in table.edges if not e.sign and not e.absent}


@pytest.mark.parametrize("motif", ["feedback_inhibition", "mutual_inhibition"])
@pytest.mark.parametrize("predecessors", PREDECESSORS)
def test_corrected_feedback_inhibits_and_returns_one_step_late(motif: str, predecessors: int) -> None:
    architecture = corrected(motif, predecessors)
    late = [
        i
        for i, s in enumerate(architecture.synapses)
        if s.delay and isinstance(s.operation, Convolution) and s.operation.sign == -1
    ]
    assert len(late) == 1
    network = calibrated(architecture)
    before = spikes(network)
    silence(network, late[0])
    after = spikes(network)
    target = architecture.synapses[late[0]].target
    assert torch.equal(before[target][0], after[target][0])
    assert after[target][1:].sum() > before[target][1:].sum()


@pytest.mark.parametrize("predecessors", PREDECESSORS)
def test_a_population_has_one_layer_of_neurons_and_as_released_one_for_each_reader(predecessors: int) -> None:
    # Stem, inputs, populations A and B, three reductions of which the last drives the readout.
    alone = 1 + predecessors + 2 + 3
    assert len(corrected("feedforward_excitation", predecessors).spiking) == alone
    # A reader each: adapters, convolutions of the motif, reductions, readout.
    convolutions = predecessors + 1
    assert (
        len(released("feedforward_excitation", predecessors).spiking) == predecessors + convolutions + 3 + 1
    )


def test_layers_of_neurons_that_read_one_current_fire_alike() -> None:
    architecture = released("feedforward_excitation", 2)
    read = {
        node: architecture.synapses[architecture.incoming[node][0]].source
        for node in architecture.spiking
        if len(architecture.incoming[node]) == 1
    }
    fired = spikes(calibrated(architecture))
    twins = [(a, b) for a in read for b in read if a < b and read[a] == read[b]]
    assert twins
    assert all(torch.equal(fired[a], fired[b]) for a, b in twins)
    shared = corrected("feedforward_excitation", 2)
    assert shared.n_parameters == architecture.n_parameters


@pytest.mark.parametrize(("stem", "layers"), [("static", [0, 2, 5]), ("event", [0, 2, 4])])
def test_only_layers_with_a_motif_have_genes(stem: str, layers: list[int]) -> None:
    space = MseNasSpace(IMAGES, stem=stem)
    genome = space.sample(rng=np.random.default_rng(0))
    names = [gene.name for gene in space.genes(genome)]
    assert sorted({int(name.split()[1]) for name in names if name.startswith("layer")}) == layers
    assert [line for line in space.summary(genome)[1:] if "reduction" in line] == [
        f"layer {k}: reduction" for k in range(6) if k not in layers
    ]


def test_frames_of_two_channels_get_the_stem_for_events() -> None:
    frames = InputSpec((2, 32, 32), 11)
    assert MseNasSpace(frames).form.skeleton == MseNasSpace(frames, stem="event").form.skeleton
    assert MseNasSpace(IMAGES).form.skeleton == MseNasSpace(IMAGES, stem="static").form.skeleton


def test_another_number_of_predecessors_keeps_the_kernels_that_have_a_place() -> None:
    space = MseNasSpace(IMAGES, layers=4)
    genome = MseNasGenome(3, (MotifLayer("feedforward_excitation", (3, 5, 3, 5)),))
    (gene,) = [gene for gene in space.genes(genome) if gene.name == "predecessors"]
    fewer = gene.change(2, np.random.default_rng(0))
    assert fewer == MseNasGenome(2, (MotifLayer("feedforward_excitation", (3, 5, 3)),))
    (back,) = [gene for gene in space.genes(fewer) if gene.name == "predecessors"]
    assert {back.change(3, np.random.default_rng(seed)).layers[0].kernels for seed in range(9)} == {
        (3, 5, 3, 3),
        (3, 5, 3, 5),
    }


def test_every_gene_of_every_motif_changes_the_id() -> None:
    space = MseNasSpace(IMAGES, layers=4, channels=4)
    for predecessors in PREDECESSORS:
        for motif in NAMES[1:]:
            layer = MotifLayer(motif, (3,) * n_kernels(motif, predecessors))
            genome = MseNasGenome(predecessors, (layer,))
            own = space.architecture_id(genome)
            genes = space.genes(genome)
            assert len(genes) == 2 + len(layer.kernels)
            for gene in genes:
                for value in gene.alternatives:
                    assert space.architecture_id(gene.change(value, np.random.default_rng(0))) != own, (
                        gene.name
                    )


@pytest.mark.parametrize("predecessors", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_first_layer_has_as_many_architectures_as_the_space_says(predecessors: int) -> None:
    cells = [
        MotifLayer(motif, sizes)
        for motif in NAMES[1:]
        for sizes in itertools.product((3, 5), repeat=n_kernels(motif, predecessors))
    ]
    found = {ONE_CELL.draw(MseNasGenome(predecessors, (cell,))).id for cell in cells}
    assert len(found) == {2: 228, 3: 784}[predecessors]
    assert f"{len(found)} x " in (MseNasSpace.__doc__ or "")


def test_a_child_of_equal_parents_is_their_equal_and_takes_from_both() -> None:
    space = MseNasSpace(IMAGES)
    first, second = (space.sample(rng=np.random.default_rng(seed)) for seed in (0, 1))
    assert space.crossover(first, first, rng=np.random.default_rng(0)) == first
    children = [space.crossover(first, second, rng=np.random.default_rng(seed)) for seed in range(20)]
    assert {child.predecessors for child in children} == {first.predecessors}
    for i in range(3):
        found = {child.layers[i].motif for child in children}
        assert found == {first.layers[i].motif, second.layers[i].motif}


def test_motifs_and_kernels_can_be_chosen() -> None:
    space = MseNasSpace(IMAGES, motifs=("lateral_inhibition",), kernels=(1, 7))
    genome = space.sample(rng=np.random.default_rng(0))
    assert {layer.motif for layer in genome.layers} == {"lateral_inhibition"}
    assert {size for layer in genome.layers for size in layer.kernels} == {1, 7}
    assert {gene.scale for gene in space.genes(genome)} == {"macro", "micro"}
    other = MseNasSpace(IMAGES, motifs=("mutual_inhibition",)).sample(rng=np.random.default_rng(0))
    with pytest.raises(IllegalGeneError, match="layer 0 motif"):
        space.check(other)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stem": "colour"}, "space.stem: got colour, this space offers auto, event, static"),
        ({"mid": 5}, "space.mid: has no meaning without as_released"),
        ({"as_released": True, "kernels": (3,)}, "space.kernels: has no meaning with as_released"),
        ({"as_released": True, "mid": 6}, "space.mid: expected the number of a motif, 0 to 5, got 6"),
        ({"motifs": ("zero_map",)}, "unknown motif 'zero_map'"),
        ({"motifs": ("lateral_inhibitoin",)}, "did you mean 'lateral_inhibition'"),
        ({"motifs": ()}, "space.motifs: expected at least one motif"),
        ({"kernels": (4,)}, "space.kernels: expected odd sizes"),
        ({"channels": 5}, "space.channels: expected an even number"),
        ({"layers": 2}, "space.layers: expected a depth that leaves a layer for a motif, got 2"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(IllegalGeneError, match=reason):
        MseNasSpace(IMAGES, **options)


def test_a_genome_with_the_wrong_number_of_kernels_is_refused() -> None:
    with pytest.raises(IllegalGeneError, match="has 4 convolutions, got 3 kernels"):
        MseNasGenome(3, (MotifLayer("feedforward_excitation", (3, 3, 3)),))
    with pytest.raises(IllegalGeneError, match="predecessors: got 4"):
        MseNasGenome(4, ())


@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize("spec", [IMAGES, InputSpec((2, 16, 16), 11)], ids=["static", "event"])
def test_a_small_network_trains(spec: InputSpec, as_released: bool) -> None:
    space = MseNasSpace(spec, channels=4, as_released=as_released)
    architecture = space.decode(space.sample(rng=np.random.default_rng(3)))
    network = SpikingNetwork(architecture, seed=0).train()
    assert sum(p.numel() for p in network.parameters()) == architecture.n_parameters
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 4, *spec.shape), dtype=np.float32))
    y = torch.arange(4) % spec.n_classes
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(4):
        loss = F.cross_entropy(network(x, time_steps=2), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("as_released", [False, True])
@pytest.mark.parametrize(
    "spec", [InputSpec((3, 32, 32), 10), InputSpec((2, 32, 32), 11)], ids=["static", "event"]
)
def test_a_network_of_paper_size_builds_and_answers(spec: InputSpec, as_released: bool) -> None:
    space = MseNasSpace(spec, as_released=as_released)
    architecture = space.decode(space.sample(rng=np.random.default_rng(0)))
    assert architecture.n_parameters > 5_000_000
    network = SpikingNetwork(architecture, seed=0).eval()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, *spec.shape), dtype=np.float32))
    with torch.no_grad():
        logits = network(x, time_steps=4, calibrate=True)
    assert logits.shape == (1, spec.n_classes)
    assert torch.isfinite(logits).all()
    assert logits.std() > 0
