"""What every registered search space keeps to."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from genomes.architecture import InputSpec
from genomes.errors import GenomeError
from genomes.registry import load_modules
from genomes.serial import build_space
from genomes.space import SCALES, SPACES, Space

load_modules("genomes.spaces")
NAMES = SPACES.names()
SPECS = [InputSpec((3, 16, 16), 10), InputSpec((2, 32, 32), 3)]


@pytest.fixture(params=[(name, spec) for name in NAMES for spec in SPECS], ids=str)
def space(request: pytest.FixtureRequest) -> Space[Any]:
    name, spec = request.param
    return build_space(name, input_spec=spec, options={})


def genomes(space: Space[Any], n: int = 8) -> list[Any]:
    return [space.sample(rng=np.random.default_rng(seed)) for seed in range(n)]


def test_there_are_spaces() -> None:
    assert NAMES
    assert "evonas" in NAMES


def test_it_carries_the_name_it_is_registered_under_and_its_input(space: Space[Any]) -> None:
    assert space.name in NAMES
    assert space.input in SPECS
    assert build_space(space.name, input_spec=space.input, options={}) == space


def test_every_sample_is_contained_and_decodes(space: Space[Any]) -> None:
    for genome in genomes(space):
        space.check(genome)
        architecture = space.decode(genome)
        assert architecture.input == space.input
        assert space.architecture_id(genome) == architecture.id
        assert architecture.spiking


def test_samples_differ(space: Space[Any]) -> None:
    assert len({space.architecture_id(genome) for genome in genomes(space)}) == 8


def test_variation_stays_inside(space: Space[Any]) -> None:
    found = genomes(space)
    for seed, (first, second) in enumerate(pairwise(found)):
        for child in (
            space.mutate(first, rng=np.random.default_rng(seed)),
            space.crossover(first, second, rng=np.random.default_rng(seed)),
        ):
            space.check(child)
            space.decode(child)


def test_variation_depends_on_the_stream_alone(space: Space[Any]) -> None:
    first, second = genomes(space, 2)
    for _ in range(2):
        mutants = [space.mutate(first, rng=np.random.default_rng(5)) for _ in range(2)]
        children = [space.crossover(first, second, rng=np.random.default_rng(5)) for _ in range(2)]
        assert mutants[0] == mutants[1]
        assert children[0] == children[1]


def test_json_brings_back_the_genome(space: Space[Any]) -> None:
    for genome in genomes(space):
        text = json.dumps(space.to_dict(genome), allow_nan=False)
        assert space.from_dict(json.loads(text)) == genome


def test_every_gene_has_a_scale_a_name_of_its_own_and_an_alternative(space: Space[Any]) -> None:
    for genome in genomes(space):
        genes = space.genes(genome)
        assert genes
        assert {gene.scale for gene in genes} <= set(SCALES)
        assert len({gene.name for gene in genes}) == len(genes)
        for gene in genes:
            assert gene.alternatives
            assert gene.value not in gene.alternatives


def test_every_gene_changes_the_id(space: Space[Any]) -> None:
    genome = genomes(space, 1)[0]
    own = space.architecture_id(genome)
    for gene in space.genes(genome):
        for value in gene.alternatives:
            assert space.architecture_id(gene.change(value, np.random.default_rng(0))) != own, gene.name


def test_the_summary_is_lines_of_words(space: Space[Any]) -> None:
    lines = space.summary(genomes(space, 1)[0])
    assert lines
    assert all(line and "\n" not in line for line in lines)


@pytest.mark.parametrize("values", [{}, {"unheard of": 1}])
def test_what_is_no_genome_is_refused(space: Space[Any], values: dict[str, Any]) -> None:
    with pytest.raises(GenomeError):
        space.from_dict(values)
