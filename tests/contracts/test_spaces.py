"""What every registered search space keeps to."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from evonas.snn.network import SpikingNetwork
from genomes.architecture import InputSpec
from genomes.errors import GenomeError
from genomes.genome import MERGES
from genomes.registry import load_modules
from genomes.serial import build_space
from genomes.space import SCALES, SPACES, Space

load_modules("genomes.spaces")
NAMES = SPACES.names()
SPECS = [InputSpec((3, 16, 16), 10), InputSpec((2, 32, 32), 3)]

SMALL: dict[str, list[tuple[dict[str, Any], int]]] = {
    "danet": [
        ({"widths": [4, 8], "units": [1, 2]}, 0),
        ({"widths": [4, 8], "kinds": ["depthwise", "vgg"], "connections": ["concatenate", "ms", "sew"]}, 0),
    ],
    # Genomes that merge, the second by two rules and with attention.
    "evonas": [
        ({"base_width": 8, "max_stages": 2, "max_slots": 1}, 73),
        (
            {
                "base_width": 8,
                "max_stages": 4,
                "max_slots": 1,
                "kernel_sizes": [1, 3],
                "merges": list(MERGES),
                "attention": ["asa", "asa_important", "asa_rest", "half"],
            },
            76,
        ),
    ],
    "mse_nas": [({"channels": 4}, 1), ({"channels": 4, "kernels": [1, 3, 7]}, 1)],
    "snasnet_backward": [({"channels": [4], "hidden": [8]}, 0)],
    "snasnet_forward": [({"channels": [4], "hidden": [8]}, 0)],
    "spikenas_bench": [({"channels": [4], "hidden": [8]}, 0)],
    "spikernel": [
        ({"channels": [4, 8], "hidden": [8, 16]}, 0),
        ({"channels": [4, 8], "hidden": [8, 16], "kernel_sizes": [3, 7]}, 0),
    ],
}
"""By space: options under which many networks can be built, and the seed of a genome; others have their defaults.

Neurons that read few channels at few places can do the same under two resets; the genomes have none such.
"""

VARIANTS = [(name, options, seed) for name in NAMES for options, seed in SMALL.get(name, [({}, 0)])]


@pytest.fixture(
    params=[
        *((name, spec, {}) for name in NAMES for spec in SPECS),
        *((name, SPECS[0], options) for name, options, _ in VARIANTS if options),
    ],
    ids=str,
)
def space(request: pytest.FixtureRequest) -> Space[Any]:
    name, spec, options = request.param
    return build_space(name, input_spec=spec, options=options)


def genomes(space: Space[Any], n: int = 8) -> list[Any]:
    return [space.sample(rng=np.random.default_rng(seed)) for seed in range(n)]


def test_there_are_spaces() -> None:
    assert NAMES
    assert "evonas" in NAMES


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_it_carries_the_name_it_is_registered_under_and_its_input(name: str, spec: InputSpec) -> None:
    space = build_space(name, input_spec=spec, options={})
    assert (space.name, space.input) == (name, spec)
    assert build_space(name, input_spec=spec, options={}) == space


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


def built(space: Space[Any], genome: Any) -> tuple[list[tuple[int, ...]], list[str]]:
    """What can be seen of a built network, however its parts are numbered: parameter shapes, spikes on noise."""
    network = SpikingNetwork(space.decode(genome), seed=0).eval()
    noise = np.random.default_rng(0).standard_normal((1, 8, *space.input.shape), dtype=np.float32)
    spikes: list[str] = []

    def observe(node: int, output: torch.Tensor) -> None:
        raw = output.contiguous().to(torch.uint8).numpy().tobytes()
        spikes.append(f"{tuple(output.shape)} {hashlib.sha256(raw).hexdigest()}")

    with torch.no_grad():
        network(torch.from_numpy(noise), time_steps=6, calibrate=True, observe=observe)
    return sorted(tuple(p.shape) for p in network.parameters()), sorted(spikes)


@pytest.mark.parametrize(("name", "options", "seed"), VARIANTS, ids=str)
def test_every_gene_changes_the_built_network(name: str, options: dict[str, Any], seed: int) -> None:
    space = build_space(name, input_spec=SPECS[0], options=options)
    genome = space.sample(rng=np.random.default_rng(seed))
    own = built(space, genome)
    assert built(space, genome) == own
    # One alternative of each gene; all of them would take a minute.
    first = {
        gene.name: gene.change(gene.alternatives[0], np.random.default_rng(0)) for gene in space.genes(genome)
    }
    assert not [name for name, other in first.items() if built(space, other) == own]
