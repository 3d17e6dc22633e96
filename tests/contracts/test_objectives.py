"""What every registered objective keeps to."""

from __future__ import annotations

import dataclasses
import math
from functools import cache

import numpy as np
import pytest
import torch

from evonas.evolution.fitness import ObjectiveSpec
from evonas.objectives import OBJECTIVES
from evonas.proxies import PROXIES, Candidate, Stimulation
from evonas.runs.config import Evolution
from genomes import library
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution

NAMES = OBJECTIVES.names()
SPEC = InputSpec((1, 8, 8), 10)
T = 4


def chain(v_threshold: float) -> Architecture:
    """Three layers of integrate-and-fire neurons with the given threshold."""
    nodes = [Draft("input"), *[Draft("add", Neuron("if", v_threshold, None, "hard"))] * 3]
    synapses = [Synapse(i, i + 1, Convolution(Kernel(3), channels=4)) for i in range(3)]
    return canonical(input_spec=SPEC, nodes=nodes, synapses=synapses, outputs=[3])


def candidate(architecture: Architecture) -> Candidate:
    x = np.random.default_rng(0).standard_normal((1, 8, *SPEC.shape), dtype=np.float32)
    statistics = [statistic for name in NAMES for statistic in OBJECTIVES.get(name).statistics]
    return Candidate(
        architecture,
        inputs=torch.from_numpy(x),
        labels=torch.arange(8) % 4,
        time_steps=T,
        seed=0,
        statistics=statistics,
    )


# Of those for recorded events, which differ in attention and shape of input alone, one.
GENOMES = [name for name in library.names("evonas") if not name.startswith("asa") or name == "asa_full"]


def values(found: Candidate) -> dict[str, float]:
    return {name: OBJECTIVES.get(name).value(found).value for name in NAMES}


@cache
def on_library(genome: str, again: int = 0) -> dict[str, float]:
    return values(candidate(decode(library.load(genome)[0], input_spec=SPEC)))


def test_there_are_objectives() -> None:
    assert NAMES
    assert {"rdm", "parameters", "energy_nj"} <= set(NAMES)


def test_every_proxy_is_an_objective_to_maximise() -> None:
    assert set(PROXIES.names()) <= set(NAMES)
    assert {OBJECTIVES.get(name).direction for name in PROXIES.names()} == {"max"}


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_it_has_direction_scale_and_bounds_that_span_something(name: str, static: bool) -> None:
    objective = OBJECTIVES.get(name)
    assert objective.name == name
    sample = [decode(library.load(genome)[0], input_spec=SPEC) for genome in GENOMES]
    spec = ObjectiveSpec(
        name=name,
        direction=objective.direction,
        unit=objective.unit,
        scale=objective.scale,
        bounds=objective.bounds(sample, Stimulation(time_steps=T, batch=8, static=static)),
    )  # refuses an unknown direction or scale and bounds that are not finite or not low < high
    assert spec.bounds[0] < spec.bounds[1]


def test_units_and_directions_are_those_of_the_documentation() -> None:
    told = {name: (OBJECTIVES.get(name).direction, OBJECTIVES.get(name).unit) for name in NAMES}
    assert told["energy_nj"] == ("min", "nJ")
    assert told["parameters"] == ("min", "")
    assert told["rdm"] == ("max", "")
    assert told["memory_mb"] == ("min", "MB")
    assert told["firing_rate"] == ("min", "")


def test_every_limit_among_the_settings_is_that_of_an_objective_to_be_minimised() -> None:
    maxima = [f.name for f in dataclasses.fields(Evolution) if f.name.startswith("max_")]
    limits = dataclasses.replace(Evolution(), **dict.fromkeys(maxima, 7)).limits
    assert set(limits) >= {"parameters", "energy_nj", "memory_mb"}
    assert set(limits.values()) == {7.0}
    assert {OBJECTIVES.get(name).direction for name in limits} == {"min"}
    assert Evolution().limits == {}


@pytest.mark.parametrize("genome", GENOMES)
@pytest.mark.parametrize("name", NAMES)
def test_it_gives_a_finite_number_within_the_bounds_of_the_sample(name: str, genome: str) -> None:
    sample = [decode(library.load(other)[0], input_spec=SPEC) for other in GENOMES]
    low, high = OBJECTIVES.get(name).bounds(sample, Stimulation(time_steps=T, batch=8, static=True))
    assert low <= on_library(genome)[name] <= high


@pytest.mark.parametrize("genome", GENOMES)
def test_the_same_candidate_twice_gives_identical_numbers(genome: str) -> None:
    assert on_library(genome, 0) == on_library(genome, 1)


def test_silent_layers_give_finite_numbers() -> None:
    found = candidate(chain(1e30))
    assert all(math.isfinite(value) for value in values(found).values())
    assert OBJECTIVES.get("rdm").value(found).diagnostics["silent_layers"] == 3.0


def test_saturated_layers_give_finite_numbers() -> None:
    found = candidate(chain(0.5))
    with torch.no_grad():
        for key, parameter in found.network.named_parameters():
            if key.endswith("norm.bias"):
                parameter.fill_(50.0)
    assert all(math.isfinite(value) for value in values(found).values())
    assert OBJECTIVES.get("rdm").value(found).diagnostics["saturated_fraction"] == 1.0
