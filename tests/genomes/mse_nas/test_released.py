from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from genomes.architecture import InputSpec
from genomes.errors import IllegalGeneError
from genomes.mse_nas.released import ReleasedGenome
from genomes.operations import Convolution
from genomes.spaces.mse_nas import MseNasSpace

IMAGES = InputSpec((3, 16, 16), 10)
SPACE = MseNasSpace(IMAGES, channels=8, as_released=True, mid=5)


def sampled(space: MseNasSpace, seed: int) -> ReleasedGenome:
    genome: ReleasedGenome = space.sample(rng=np.random.default_rng(seed))
    return genome


def effective(space: MseNasSpace, genome: ReleasedGenome) -> list[str]:
    """The genes whose every alternative changes the architecture."""
    own = space.architecture_id(genome)
    changed = {
        gene.name: [
            space.architecture_id(gene.change(value, np.random.default_rng(0))) != own
            for value in gene.alternatives
        ]
        for gene in space.genes(genome)
    }
    assert all(len(set(found)) == 1 for found in changed.values())
    return [name for name, found in changed.items() if all(found)]


def test_parameters_and_layers_of_neurons_are_those_of_the_release(oracles: Path) -> None:
    rows = list(csv.DictReader((oracles / "mse_nas_parameters.csv").read_text().splitlines()))
    assert len(rows) == 80
    assert {row["genome"][-1] for row in rows} == {"2", "3"}
    for row in rows:
        spec = InputSpec((2 if row["stem"] == "event" else 3, 32, 32), int(row["n_classes"]))
        space = MseNasSpace(
            spec, layers=int(row["layers"]), channels=int(row["C"]), stem=row["stem"], as_released=True, mid=5
        )
        genome = ReleasedGenome(tuple(map(int, row["genome"].split(","))))
        space.check(genome)
        architecture = space.decode(genome)
        found = (architecture.n_parameters, len(architecture.spiking))
        assert found == (int(row["n_parameters"]), int(row["n_lif_modules"])), row


@pytest.mark.parametrize("mid", [3, 5])
def test_samples_and_children_stay_inside_and_decode(mid: int) -> None:
    space = MseNasSpace(IMAGES, channels=8, as_released=True, mid=mid)
    motifs: set[int] = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first, second = sampled(space, seed), sampled(space, seed + 100)
        child = space.crossover(first, second, rng=rng)
        for genome in (first, child, space.mutate(first, rng=rng)):
            space.check(genome)
            space.decode(genome)
            motifs.update(genome.numbers[0:120:20])
        taken = [
            c for a, b, c in zip(first.numbers, second.numbers, child.numbers, strict=True) if c not in (a, b)
        ]
        assert not taken
    assert motifs == set(range(mid + 1))


def test_json_brings_back_the_vector() -> None:
    genome = sampled(SPACE, 0)
    assert len(genome.numbers) == 121
    assert SPACE.from_dict(json.loads(json.dumps(SPACE.to_dict(genome)))) == genome


def test_most_genes_are_inert() -> None:
    # Layers 1, 3 and 4 reduce. Lateral inhibition with three inputs has the most convolutions, 12.
    block = [4, *[0] * 19]
    found = effective(SPACE, ReleasedGenome((*block * 6, 3)))
    assert len(found) == 3 * (1 + 12) + 1
    assert not [name for name in found if name.startswith(("layer 1 ", "layer 3 ", "layer 4 "))]


def test_edges_take_their_gene_by_place_and_all_feedback_takes_the_one_after_the_last() -> None:
    # Feedback inhibition with three inputs: absent edges have a place too, and 11 edges are listed.
    block = [3, *[0] * 19]
    found = effective(SPACE, ReleasedGenome((*block * 6, 3)))
    assert [name for name in found if name.startswith("layer 0 ")] == [
        "layer 0 motif",
        *[f"layer 0 operation {k}" for k in (1, 2, 3, 5, 8, 11)],
    ]


def test_feedback_inhibition_inhibits_nothing_with_three_inputs() -> None:
    block = [3, *[0] * 19]
    architecture = SPACE.decode(ReleasedGenome((*block * 6, 3)))
    signs = [s.operation.sign for s in architecture.synapses if isinstance(s.operation, Convolution)]
    assert min(signs) == 0
    assert not architecture.has_feedback


def test_a_map_of_zeros_keeps_its_adapters() -> None:
    one, other = (ReleasedGenome((*([0, *[0] * 19] * 6), n)) for n in (2, 3))
    for genome, n in ((one, 2), (other, 3)):
        # Layers 0, 2 and 5 hold a map of zeros, fed by n adapters each; three reductions; the readout.
        assert len(SPACE.decode(genome).spiking) == 3 * n + 3 + 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda g: g[:-1], "length of the genome: got 120, this space offers 121"),
        (lambda g: (*g[:-1], 4), "predecessors: got 4, this space offers 2, 3"),
        (lambda g: (6, *g[1:]), "layer 0 motif: got 6"),
        (lambda g: (g[0], 2, *g[2:]), "layer 0 operation 1: got 2, this space offers 0, 1"),
    ],
)
def test_numbers_out_of_bounds_are_refused(change: object, reason: str) -> None:
    assert callable(change)
    with pytest.raises(IllegalGeneError, match=reason):
        SPACE.check(ReleasedGenome(change(sampled(SPACE, 0).numbers)))


def test_the_summary_says_what_is_unread() -> None:
    lines = SPACE.summary(ReleasedGenome((*([4, *[1] * 19] * 6), 2)))
    assert lines[1] == "layer 0: motif 4 (lateral_inhibition), kernels [5, 5, 5, 5, 5, 5, 5, 5]"
    assert lines[2] == "layer 1: reduction, 20 genes unread"
