from __future__ import annotations

import csv
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genomes import library
from genomes.architecture import InputSpec
from genomes.cell_space import CellGenome, CellSpace
from genomes.cells import PAIRS, Cell, Edge, cell_id, cleaned, from_code, from_con_mat
from genomes.errors import DisconnectedError, GenomeFormatError, IllegalGeneError, UnknownNameError
from genomes.operations import AveragePool, Convolution
from genomes.serial import build_space

CIFAR10 = InputSpec((3, 32, 32), 10)
CIFAR100 = InputSpec((3, 32, 32), 100)
TINY_IMAGENET = InputSpec((3, 64, 64), 200)
NAMES = ("snasnet_forward", "snasnet_backward", "spikenas_bench", "spikernel")


def built(name: str, spec: InputSpec = CIFAR10, **options: Any) -> CellSpace:
    space = build_space(name, input_spec=spec, options=options)
    assert isinstance(space, CellSpace)
    return space


def samples(space: CellSpace, n: int) -> list[CellGenome]:
    return [space.sample(rng=np.random.default_rng(seed)) for seed in range(n)]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


# what follows from the input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (CIFAR10, ((256,), (1024,), 10, 1, 4)),
        (CIFAR100, ((128,), (1024,), 5, 1, 2)),
        (TINY_IMAGENET, ((128,), (4096,), 5, 2, 2)),
        (InputSpec((1, 4, 4), 10), ((256,), (1024,), 10, 1, 2)),
    ],
)
def test_what_is_not_given_follows_from_the_input(spec: InputSpec, expected: tuple[Any, ...]) -> None:
    space = built("snasnet_backward", spec)
    assert (space.channels, space.hidden, space.voters, space.stem_stride, space.pool) == expected
    architecture = space.decode(samples(space, 1)[0])
    assert architecture.n_voters == space.voters * spec.n_classes
    assert architecture.n_features == space.hidden[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": [0]}, "space.channels: expected 1 or more"),
        ({"hidden": [64, -1]}, "space.hidden: expected 1 or more"),
        ({"voters": -1}, "space.voters: expected 1 or more, got -1"),
        ({"stem_stride": -2}, "space.stem_stride: expected 1 or more, got -2"),
        ({"pool": 17}, "space.pool: what is pooled is 16 pixels .* got windows of 17; expected 1 to 16"),
        ({"pool": 2, "stem_stride": 32}, "space.pool: what is pooled is 0 pixels"),
    ],
)
def test_options_out_of_range_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(IllegalGeneError, match=message) as error:
        built("snasnet_forward", **options)
    assert "\n" not in str(error.value)


def test_kernel_sizes_without_an_edge_operation_are_refused() -> None:
    for sizes in ([], [2], [3, 13]):
        with pytest.raises(IllegalGeneError, match="expected one or more of 1, 3, 5"):
            built("spikernel", kernel_sizes=sizes)


@pytest.mark.parametrize("sizes", [[3], [1, 3], [3, 5], [1, 3, 5, 7]])
def test_the_convolutions_of_a_cell_have_the_sizes_of_the_set(sizes: list[int]) -> None:
    space = built("spikernel", kernel_sizes=sizes, channels=[8], hidden=[16])
    used = set()
    for genome in samples(space, 20):
        used |= {edge.operation for edge in genome.cell.edges}
    assert used == {"identity", *(f"conv{size}" for size in sizes)}


def test_networks_below_ten_million_parameters_are_among_those_of_spikernel() -> None:
    space = built("spikernel")
    counts = [space.decode(genome).n_parameters for genome in samples(space, 40)]
    assert sum(n < 10e6 for n in counts) > 30
    assert min(counts) < 1e6


# published numbers --------------------------------------------------------------------------------------------------


def test_parameters_agree_with_the_reference_code_to_the_unit(oracles: Path) -> None:
    rows = table(oracles / "snasnet_parameters.csv")
    assert len(rows) == 124
    for row in rows:
        spec = CIFAR10 if row["dataset"] == "cifar10" else CIFAR100
        space = built(f"snasnet_{row['celltype']}", spec, pool=int(row["second_avgpooling"]))
        cell = from_con_mat(row["con_mat"])
        assert cleaned(cell) == cell
        assert space.decode(space.genome(cell)).n_parameters == int(row["n_parameters"]), row
        assert space.n_parameters_uncut(cell) == int(row["n_parameters"]), row


@pytest.mark.parametrize(
    ("name", "con_mat", "millions"),
    [("snasnet_cifar10", "0303 0030 2002 0200", 19.5), ("snasnet_cifar100", "0302 0030 3003 0000", 20.6)],
)
def test_the_published_cells_are_in_the_library(name: str, con_mat: str, millions: float) -> None:
    genome, space = library.load(name)
    assert space.genome(from_con_mat(con_mat)) == genome
    assert round(space.decode(genome).n_parameters / 1e6, 1) == millions


def test_a_published_notation_is_read_by_its_space() -> None:
    bench, backward = built("spikenas_bench"), built("snasnet_backward")
    assert bench.from_text("333400") == bench.genome(from_code("003000"))
    text = "0302 0030 3003 0000"
    assert backward.from_text(text) == backward.genome(from_con_mat(text))


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("spikenas_bench", "20030", GenomeFormatError, "expected six digits"),
        ("spikenas_bench", "020030", DisconnectedError, "the output, is not reached"),
        ("snasnet_forward", "003000", GenomeFormatError, "expected four rows of four codes"),
        ("snasnet_forward", "0302 0030 3003 0000", IllegalGeneError, "offers no feedback"),
        ("spikernel", "003000", GenomeFormatError, "space 'spikernel' has no notation"),
    ],
)
def test_what_is_not_written_so_or_not_of_the_space_is_refused(
    name: str, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as refused:
        built(name).from_text(text)
    assert type(refused.value) is error


def test_benchmark_rows_have_their_parameters_or_are_refused(spikenas_bench: Path) -> None:
    space = built("spikenas_bench")
    rows = table(spikenas_bench)
    assert len(rows) > 3900
    n_refused = 0
    for row in rows:
        cell = from_code(row["cell"])
        assert space.n_parameters_uncut(cell) == int(row["params"]), row["cell"]
        if row["live_cell"]:
            genome = space.genome(cell)
            assert genome.cell == from_code(row["live_cell"]), row["cell"]
            space.check(genome)
        else:
            n_refused += 1
            with pytest.raises(IllegalGeneError, match="node 3, the output, is not reached from node 0"):
                space.genome(cell)
    assert n_refused == 91


def test_the_order_of_the_benchmark_code_is_the_one_in_which_the_neurons_of_reached_nodes_fire(
    spikenas_bench: Path,
) -> None:
    """The table lists firing rates of cell 1 by target node (01 02 12 03 13 23), -1 where an edge has no neurons."""
    by_target = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    n_silent = 0
    for row in table(spikenas_bench):
        if not row["live_cell"]:
            continue
        rates = dict(zip(by_target, map(float, row["firing_rates"].split(";")[:6]), strict=True))
        cell = from_code(row["cell"])
        reached = {0}
        for node in (1, 2, 3):
            reached |= {node for edge in cell.edges if edge.target == node and edge.source in reached}
        fed = {0, *(edge.target for edge in cell.edges)}
        for pair in PAIRS:
            edge = cell.between(pair)
            assert (rates[pair] >= 0) == (edge is not None and edge.operation != "identity"), row["cell"]
            if rates[pair] >= 0 and pair[0] in reached:
                assert rates[pair] > 0, row["cell"]
            if rates[pair] >= 0 and pair[0] not in fed:
                assert rates[pair] == 0, row["cell"]
                n_silent += 1
    assert n_silent > 100


def test_dead_edges_count_before_they_are_cut_and_not_after() -> None:
    space = built("spikenas_bench")
    whole, live = from_code("333400"), from_code("003000")
    assert space.genome(whole) == space.genome(live)
    extra = 3 * sum(9 * c * c + 2 * c for c in (128, 256))
    assert space.n_parameters_uncut(whole) - space.n_parameters_uncut(live) == extra
    assert space.decode(space.genome(whole)).n_parameters == space.n_parameters_uncut(live)


# the network --------------------------------------------------------------------------------------------------------


def test_the_skeleton_is_the_published_one() -> None:
    architecture = built("snasnet_forward").decode(CellGenome(Cell((Edge(0, 3, "conv3"),)), 256, 1024))
    assert [str(synapse.operation) for synapse in architecture.synapses] == [
        "3x3 convolution",  # stem
        "3x3 convolution",  # cell
        "batch norm",
        "3x3 convolution",  # to twice the channels
        "average pool 2x2 stride 2",
        "3x3 convolution",  # cell
        "batch norm",
        "average pool 4x4 stride 4",
        "dropout 0.5",
        "linear to 1024",
    ]
    assert [(s.source, s.target) for s in architecture.synapses] == [(i, i + 1) for i in range(10)]
    shapes = [node.shape for node in architecture.nodes]
    assert shapes[1:6] == [(256, 32, 32)] * 3 + [(512, 32, 32), (512, 16, 16)]
    assert shapes[6:] == [(512, 16, 16)] * 2 + [(512, 4, 4)] * 2 + [(1024, 1, 1)]
    assert architecture.voters == 10
    assert architecture.spiking == (1, 3, 5, 7, 10)
    for i in architecture.spiking:
        neuron = architecture.nodes[i].neuron
        assert neuron is not None
        assert (neuron.model, neuron.v_threshold, neuron.tau, neuron.reset) == ("lif", 1.0, 4 / 3, "hard")


def test_every_convolution_of_a_cell_has_neurons_of_its_own() -> None:
    space = built("snasnet_forward")
    for con_mat, n_convolutions in (
        ("0003 0000 0000 0000", 1),
        ("0333 0033 0003 0000", 6),
        ("0143 0034 0003 0000", 3),
    ):
        architecture = space.decode(space.genome(from_con_mat(con_mat)))
        assert len(architecture.spiking) == 2 * n_convolutions + 3  # one behind each cell, one hidden layer
        assert (
            sum(isinstance(s.operation, Convolution) for s in architecture.synapses) == 2 * n_convolutions + 2
        )


def test_edges_of_average_pooling_are_real_valued() -> None:
    space = built("snasnet_forward")
    architecture = space.decode(space.genome(from_con_mat("0304 0003 0000 0000")))
    pooled = [s.target for s in architecture.synapses if s.operation == AveragePool(3, 1)]
    assert len(pooled) == 2
    assert not any(architecture.binary[node] for node in pooled)


def test_thresholds_of_the_benchmark_stand_on_the_edges_alone() -> None:
    space = built("spikenas_bench")
    architecture = space.decode(space.genome(from_code("200040")))
    neurons = [architecture.nodes[i].neuron for i in architecture.spiking]
    assert sorted(n.v_threshold for n in neurons if n) == [0.5, 0.5, 1.0, 1.0, 1.0, 1.5, 1.5]


# genomes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_samples_mutants_and_children_have_no_dead_edges_and_are_in_the_space(name: str) -> None:
    space = built(name)
    population = samples(space, 40)
    for seed, (first, second) in enumerate(pairwise(population)):
        rng = np.random.default_rng(seed)
        for genome in (first, space.mutate(first, rng=rng), space.crossover(first, second, rng=rng)):
            assert cleaned(genome.cell) == genome.cell
            space.check(genome)


def test_every_forward_cell_is_sampled_with_the_same_chance() -> None:
    space = built("snasnet_forward")
    rng = np.random.default_rng(0)
    n_edges = np.bincount([len(space.sample(rng=rng).cell.edges) for _ in range(4000)], minlength=7) / 4000
    cells = {cell for cell in map(cleaned, every_code(space)) if cell.between((0, 3))}
    expected = np.bincount([len(cell.edges) for cell in cells], minlength=7) / len(cells)
    np.testing.assert_allclose(n_edges, expected, atol=0.03)


def every_code(space: CellSpace) -> list[Cell]:
    return [Cell(tuple(filter(None, edges))) for edges in product(*map(space.choices, PAIRS))]


@pytest.mark.parametrize("name", NAMES)
def test_no_mutant_is_the_architecture_it_came_from(name: str) -> None:
    space = built(name)
    for seed, genome in enumerate(samples(space, 60)):
        mutant = space.mutate(genome, rng=np.random.default_rng(seed))
        assert space.architecture_id(mutant) != space.architecture_id(genome)


@pytest.mark.parametrize("name", NAMES)
def test_a_child_of_equal_parents_is_their_equal(name: str) -> None:
    space = built(name)
    for seed, genome in enumerate(samples(space, 10)):
        assert space.crossover(genome, genome, rng=np.random.default_rng(seed)) == genome


@pytest.mark.parametrize("name", NAMES)
def test_a_child_has_each_edge_from_one_of_its_parents(name: str) -> None:
    space = built(name)
    first, second = samples(space, 2)
    for seed in range(20):
        child = space.crossover(first, second, rng=np.random.default_rng(seed))
        assert {*child.cell.edges} <= {*first.cell.edges, *second.cell.edges}


@pytest.mark.parametrize("name", NAMES)
def test_every_alternative_of_every_gene_is_an_architecture_of_its_own(name: str) -> None:
    space = built(name)
    for genome in samples(space, 12):
        own = space.architecture_id(genome)
        for gene in space.genes(genome):
            changed = [gene.change(value, np.random.default_rng(0)) for value in gene.alternatives]
            for other in changed:
                space.check(other)
            ids = [own, *map(space.architecture_id, changed)]
            assert len(set(ids)) == len(ids), gene.name


def test_nodes_come_and_go() -> None:
    space = built("snasnet_backward")
    bare = space.genome(from_con_mat("0003 0000 0000 0000"))
    genes = {gene.name: gene for gene in space.genes(bare)}
    assert sorted(genes) == ["edge 0-3", "node 1", "node 2"]
    drawn = set()
    for seed in range(30):
        grown = genes["node 1"].change("present", np.random.default_rng(seed))
        assert grown.cell.nodes == {0, 1, 3}
        drawn.add(grown.cell)
        (twin,) = [gene for gene in space.genes(grown) if gene.name == "node 1"]
        assert twin.change("absent", np.random.default_rng(seed)) == bare
    assert len(drawn) > 5


def test_the_edge_from_input_to_output_is_never_missing_and_never_feedback() -> None:
    space = built("snasnet_backward")
    for genome in samples(space, 10):
        (gene,) = [gene for gene in space.genes(genome) if gene.name == "edge 0-3"]
        assert {gene.value, *gene.alternatives} <= {"identity", "conv1", "conv3", "average_pool"}


def test_widths_are_genes_where_there_are_several() -> None:
    space = built("spikernel", channels=[8, 16], hidden=[32])
    genome = samples(space, 1)[0]
    (macro,) = [gene for gene in space.genes(genome) if gene.scale == "macro"]
    assert macro.name == "channels"
    assert {macro.value, *macro.alternatives} == {8, 16}
    assert macro.change(macro.alternatives[0], np.random.default_rng(0)).channels == macro.alternatives[0]


@pytest.mark.parametrize(
    ("name", "edges", "message"),
    [
        ("snasnet_forward", [(0, 3, "conv5")], "edge 0>3: got conv5, this space offers identity, conv1"),
        ("snasnet_forward", [(0, 1, "conv1"), (1, 3, "conv1")], "this space demands the edge 0>3"),
        (
            "snasnet_forward",
            [(0, 3, "conv1"), (0, 1, "conv1"), (2, 1, "conv1"), (2, 3, "conv1")],
            "no feedback",
        ),
        (
            "snasnet_backward",
            [(3, 0, "conv1")],
            "edge 3>0 conv1: this space offers no feedback between these",
        ),
        (
            "snasnet_backward",
            [(0, 3, "conv1"), (0, 1, "conv1")],
            "edge 0>1 conv1 lies on no way from node 0 to",
        ),
        (
            "spikenas_bench",
            [(0, 1, "conv3")],
            "the output, is not reached from node 0, the input, by 0>1 conv3",
        ),
        ("spikernel", [], "the output, is not reached from node 0, the input, by no edges"),
    ],
)
def test_what_the_space_does_not_contain_is_refused(name: str, edges: list[Any], message: str) -> None:
    space = built(name)
    genome = CellGenome(Cell(tuple(Edge(*edge) for edge in edges)), space.channels[0], space.hidden[0])
    with pytest.raises(IllegalGeneError, match=message) as error:
        space.check(genome)
    assert "\n" not in str(error.value)


def test_a_width_that_the_space_does_not_offer_is_refused() -> None:
    space = built("snasnet_forward")
    with pytest.raises(IllegalGeneError, match="channels: got 64, this space offers 256"):
        space.check(CellGenome(Cell((Edge(0, 3, "conv3"),)), 64, 1024))


def test_a_saved_cell_with_an_unknown_operation_is_refused_with_the_nearest() -> None:
    space = built("snasnet_forward")
    values = space.to_dict(space.genome(from_con_mat("0003 0000 0000 0000")))
    values["cell"]["edges"][0]["operation"] = "conv_3"
    with pytest.raises(UnknownNameError, match="unknown edge operation 'conv_3'; did you mean 'conv3'"):
        space.from_dict(values)


def test_a_genome_reads_as_its_widths_and_edges() -> None:
    genome, space = library.load("snasnet_cifar100")
    assert space.summary(genome) == [
        "128 and 256 channels, 1024 hidden neurons",
        "0>1 conv3",
        "2>0 conv3, one time step late",
        "0>3 conv1",
        "1>2 conv3",
        "2>3 conv3",
    ]


# ids ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_forward_cells_are_4397_architectures_which_the_ids_of_the_cells_tell_apart() -> None:
    space = built("snasnet_forward", channels=[16])
    cells = {cell for cell in map(cleaned, every_code(space)) if space.is_legal(cell)}
    assert len(cells) == 7556
    ids = {(cell_id(cell), space.draw(space.genome(cell)).id) for cell in cells}
    assert len(ids) == len({a for a, _ in ids}) == len({b for _, b in ids}) == 4397


def test_cells_with_feedback_have_equal_ids_exactly_if_their_networks_have() -> None:
    space = built("snasnet_backward", channels=[16])
    genomes = [genome for seed in range(6) for genome in neighbours(space, seed)]
    ids = {(cell_id(genome.cell), space.draw(genome).id) for genome in genomes}
    assert len(genomes) > 200
    assert len(ids) == len({a for a, _ in ids}) == len({b for _, b in ids}) < len({*genomes})


def test_a_value_that_goes_into_the_output_and_back_is_told_from_one_computed_twice() -> None:
    space = built("snasnet_backward", channels=[16])
    once = from_con_mat("0004 0000 1000 0010")
    twice = from_con_mat("0044 1000 0100 0000")
    assert cell_id(once) != cell_id(twice)
    assert space.architecture_id(space.genome(once)) != space.architecture_id(space.genome(twice))


def neighbours(space: CellSpace, seed: int) -> list[CellGenome]:
    """A sample and all genomes that differ from it in one edge, equal architectures included."""
    genome = space.sample(rng=np.random.default_rng(seed))
    changed = [cleaned(genome.cell.with_edge(pair, edge)) for pair in PAIRS for edge in space.choices(pair)]
    return [CellGenome(cell, genome.channels, genome.hidden) for cell in changed if space.is_legal(cell)]
