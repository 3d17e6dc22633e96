"""Memory against a count by hand."""

from __future__ import annotations

import pytest
import torch

from evonas.objectives import OBJECTIVES
from evonas.proxies import Candidate, Stimulation
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution

SPEC = InputSpec((1, 4, 4), 3)
MEMORY = OBJECTIVES.get("memory_mb")


def layer(channels: int) -> Architecture:
    return canonical(
        input_spec=SPEC,
        nodes=[Draft("input"), Draft("add", Neuron("if", 1.0, None, "hard"))],
        synapses=[Synapse(0, 1, Convolution(Kernel(3), channels=channels))],
        outputs=[1],
    )


def test_it_is_four_bytes_for_each_parameter_and_each_membrane_potential() -> None:
    found = Candidate(layer(2), inputs=torch.zeros(1, 2, *SPEC.shape), time_steps=2, seed=0, statistics=())
    weights, norm, readout, neurons = 9 * 2, 2 * 2, 3 * (2 + 1), 2 * 4 * 4
    assert MEMORY.value(found).value == pytest.approx(4 * (weights + norm + readout + neurons) / 1e6)


def test_it_is_in_megabytes_to_be_minimised_and_needs_no_network() -> None:
    assert (MEMORY.direction, MEMORY.unit, MEMORY.statistics) == ("min", "MB", ())


def test_the_bounds_leave_a_margin_around_the_sample() -> None:
    sample = [layer(2), layer(5)]
    low, high = MEMORY.bounds(sample, Stimulation(time_steps=2, batch=8, static=True))
    assert low == pytest.approx(sample[0].memory_bytes / 1e7)
    assert high == pytest.approx(sample[1].memory_bytes / 1e5)
