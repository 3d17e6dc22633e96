from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genomes import library
from genomes.architecture import InputSpec
from genomes.errors import GenomeError
from genomes.micro import Neuron
from genomes.spaces.danet import DanetSpace, UnitGenome, UnitStage

SPEC = InputSpec((3, 16, 16), 10)
SPACE = DanetSpace(SPEC)
LIF = Neuron("lif", 0.5, 2.0, "hard")
GENOME = UnitGenome("small", (UnitStage(16, 2), UnitStage(32, 1)), "residual", "ms", LIF)


@pytest.mark.parametrize(("depth", "n_parameters"), [(50, 25_557_032), (101, 44_549_160), (152, 60_192_808)])
def test_the_classical_networks_have_their_classical_number_of_parameters(
    depth: int, n_parameters: int
) -> None:
    # Torchvision's; a neuron with constants of its own has none, as a ReLU has none.
    genome, space = library.load(f"danet_resnet{depth}")
    assert space.input == InputSpec((3, 224, 224), 1000)
    for connection in ("dense_add", "ms", "plain", "sew"):
        assert space.decode(replace(genome, connection=connection)).n_parameters == n_parameters


def test_rules_that_come_to_the_same_are_no_alternatives() -> None:
    def connections(**change: Any) -> set[str]:
        genome = replace(GENOME, **change)
        (gene,) = (gene for gene in SPACE.genes(genome) if gene.name == "connection")
        return set(gene.alternatives)

    assert connections() == {"concatenate", "dense_add", "none", "plain", "sew"}
    assert connections(unit="vgg") == {"concatenate", "none", "plain", "sew"}
    assert "none" not in connections(connection="concatenate", stages=(UnitStage(16, 1),))


@pytest.mark.parametrize("seed", range(6))
def test_every_alternative_of_every_gene_is_in_the_space_and_another_network(seed: int) -> None:
    genome = SPACE.sample(rng=np.random.default_rng(seed))
    for gene in SPACE.genes(genome):
        for value in gene.alternatives:
            other = gene.change(value, np.random.default_rng(0))
            SPACE.check(other)
            assert SPACE.architecture_id(other) != SPACE.architecture_id(genome), gene.name


def test_children_have_the_stages_of_the_first_parent_and_values_of_both() -> None:
    first = GENOME
    second = UnitGenome("small", (UnitStage(24, 3),), "vgg", "sew", replace(LIF, reset="soft"))
    children = [SPACE.crossover(first, second, rng=np.random.default_rng(seed)) for seed in range(30)]
    assert {len(child.stages) for child in children} == {2}
    assert {child.connection for child in children} == {"ms", "sew"}
    assert {child.stages[0].width for child in children} == {16, 24}
    assert {child.neuron for child in children} == {first.neuron, second.neuron}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": ()}, "space.widths: expected at least one value"),
        ({"widths": (0,)}, "space.widths: expected channels above 0, got 0"),
        ({"units": (2, -1)}, "space.units: expected numbers above 0"),
        ({"kinds": ("residuel",)}, "unknown unit 'residuel'; did you mean 'residual'"),
        ({"connections": ("dense",)}, "unknown connection 'dense'"),
        ({"stems": ("large",)}, "unknown stem 'large'"),
        ({"max_stages": 1}, "space.max_stages: expected at least 2, got 1"),
        ({"max_stages": 6}, "6 stages behind stems small leave nothing of 16 x 16"),
        ({"stems": ("imagenet",), "max_stages": 4}, "lower space.max_stages"),
        ({"taus": (1.0,)}, "space.taus: expected time steps above 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GenomeError, match=message):
        DanetSpace(SPEC, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "bottleneck"}, "unit: got bottleneck"),
        ({"connection": "none"}, "connection: got none"),
        ({"stem": "imagenet"}, "stem: got imagenet"),
        ({"stages": (UnitStage(16, 2),)}, "stages: got 1"),
        ({"stages": (UnitStage(16, 2), UnitStage(16, 1))}, "stage 1 width: got 16"),
        ({"stages": (UnitStage(16, 9), UnitStage(32, 1))}, "stage 0 units: got 9"),
        ({"neuron": replace(LIF, v_threshold=0.6)}, "neuron threshold: got 0.6"),
    ],
)
def test_a_genome_outside_the_space_is_refused(change: dict[str, Any], message: str) -> None:
    space = DanetSpace(SPEC, kinds=("residual",), connections=("ms", "sew"))
    space.check(GENOME)
    with pytest.raises(GenomeError, match=message):
        space.check(replace(GENOME, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "block"}, "unknown unit"),
        ({"connection": "resnet"}, "unknown connection"),
        ({"stem": "none"}, "unknown stem"),
        ({"stages": ()}, "at least one stage"),
    ],
)
def test_a_genome_that_means_nothing_cannot_be_made(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GenomeError, match=message):
        replace(GENOME, **change)
    with pytest.raises(GenomeError, match="width and units must be 1 or more, got 8 and 0"):
        UnitStage(8, 0)
