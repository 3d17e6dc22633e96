from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from genomes.genome import Genome
from genomes.library import load
from genomes.space import Gene
from genomes.spaces.evonas import EvonasSpace
from genomes.variation import mutate_genes


def changed_genes(space: EvonasSpace, before: Genome, after: Genome) -> set[str]:
    values = [{gene.name: gene.value for gene in space.genes(genome)} for genome in (before, after)]
    return {
        name for name in values[0].keys() | values[1].keys() if values[0].get(name) != values[1].get(name)
    }


def test_the_same_stream_gives_the_same_mutant(space: EvonasSpace) -> None:
    genome = space.sample(rng=np.random.default_rng(0))
    twins = [mutate_genes(space, genome, rng=np.random.default_rng(3)) for _ in range(2)]
    assert twins[0] == twins[1] != genome


class Row:
    """A space whose genomes are rows of digits, one gene each; the first half is micro, the second macro."""

    def genes(self, genome: tuple[int, ...]) -> list[Gene[tuple[int, ...]]]:
        return [
            Gene(
                "micro" if i < 4 else "macro",
                str(i),
                digit,
                tuple(d for d in range(10) if d != digit),
                self.set(genome, i),
            )
            for i, digit in enumerate(genome)
        ]

    @staticmethod
    def set(genome: tuple[int, ...], i: int) -> Callable[[int, np.random.Generator], tuple[int, ...]]:
        return lambda digit, rng: (*genome[:i], digit, *genome[i + 1 :])


def test_with_a_mean_of_one_exactly_one_gene_is_changed() -> None:
    row: Any = Row()
    start = (0,) * 8
    places = []
    for seed in range(200):
        mutant = mutate_genes(row, start, rng=np.random.default_rng(seed), mean_changes=1.0)
        (place,) = [i for i, digit in enumerate(mutant) if digit]
        places.append(place)
    assert set(places) == set(range(8))


def test_changes_build_on_each_other() -> None:
    row: Any = Row()
    mutants = [
        mutate_genes(row, (0,) * 8, rng=np.random.default_rng(seed), mean_changes=4.0) for seed in range(50)
    ]
    n_changed = [sum(map(bool, mutant)) for mutant in mutants]
    assert max(n_changed) > 3


def test_more_changes_are_made_where_more_are_asked_for(space: EvonasSpace) -> None:
    genome = space.sample(rng=np.random.default_rng(1))

    def mean(changes: float) -> float:
        mutants = [
            mutate_genes(space, genome, rng=np.random.default_rng(seed), mean_changes=changes)
            for seed in range(40)
        ]
        return float(np.mean([len(changed_genes(space, genome, mutant)) for mutant in mutants]))

    assert mean(6.0) > 1.5 * mean(1.0)


def test_each_scale_is_changed_as_often_however_many_genes_it_has(space: EvonasSpace) -> None:
    genome = space.sample(rng=np.random.default_rng(2))
    n_genes = Counter(gene.scale for gene in space.genes(genome))
    assert n_genes["micro"] > 3 * n_genes["meso"]
    motifs = [slot.motif for slot in genome.slots()]
    n_meso = 0
    for seed in range(300):
        mutant = mutate_genes(space, genome, rng=np.random.default_rng(seed), mean_changes=1.0)
        others = [slot.motif for slot in mutant.slots()]
        n_meso += len(others) == len(motifs) and others != motifs
    assert 70 <= n_meso <= 130


def test_a_new_motif_keeps_the_parts_that_it_has_a_place_for(space: EvonasSpace) -> None:
    genome: Genome = load("spiking_vgg")[0]
    (gene,) = [gene for gene in space.genes(genome) if gene.name == "slot 1 motif"]
    before = next(genome.slots())
    grown = next(gene.change("mutual_inhibition", np.random.default_rng(0)).slots())
    assert grown.neurons[:2] == before.neurons
    assert grown.kernels[:2] == before.kernels
    assert len(grown.neurons) == 4
    assert len(grown.kernels) == 8


def test_a_model_that_starts_to_leak_gets_a_time_constant_and_one_that_stops_loses_it(
    space: EvonasSpace,
) -> None:
    genome = space.sample(rng=np.random.default_rng(3))
    seen = set()
    for gene in space.genes(genome):
        if gene.name != "stem model":
            continue
        for model in gene.alternatives:
            other: Genome = gene.change(model, np.random.default_rng(0))
            names = {g.name for g in space.genes(other)}
            assert ("stem tau" in names) == (model != "if") == (other.stem.neuron.tau is not None)
            seen.add(model)
    assert len(seen) == 3


def test_a_second_predecessor_brings_a_merge_rule_and_losing_it_takes_the_rule_away(
    space: EvonasSpace,
) -> None:
    genome: Genome = load("feedback_loop")[0]
    genes = {gene.name: gene for gene in space.genes(genome)}
    joined: Genome = genes["edge 0 to 2"].change(True, np.random.default_rng(0))
    assert list(joined.slots())[1].predecessors == (0, 1)
    assert list(joined.slots())[1].merge is not None
    again = {gene.name: gene for gene in space.genes(joined)}["edge 0 to 2"]
    assert again.change(False, np.random.default_rng(0)) == genome


def test_the_only_predecessor_cannot_be_taken_away(space: EvonasSpace) -> None:
    genome: Genome = load("spiking_vgg")[0]
    assert "edge 0 to 1" not in {gene.name for gene in space.genes(genome)}


def test_an_edge_or_feedback_beyond_the_limit_is_not_offered(space: EvonasSpace) -> None:
    genome: Genome = load("feedback_loop")[0]  # two feedback edges, the most that the space has
    offered = {gene.name: gene.value for gene in space.genes(genome) if gene.name.startswith("feedback")}
    assert offered == {"feedback 2 to 1": True, "feedback 3 to 1": True}


def test_where_nothing_varies_the_genome_stays_as_it_is() -> None:
    class Nothing:
        def genes(self, genome: str) -> list[Gene[str]]:
            return []

    assert mutate_genes(Nothing(), "genome", rng=np.random.default_rng(0)) == "genome"  # type: ignore[arg-type]
