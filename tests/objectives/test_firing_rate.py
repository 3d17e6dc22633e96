"""The firing rate against a count of spikes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.objectives import OBJECTIVES
from evonas.proxies import Candidate
from genomes import library
from genomes.architecture import InputSpec
from genomes.decoding import decode

SPEC = InputSpec((1, 8, 8), 10)
FIRING_RATE = OBJECTIVES.get("firing_rate")


@pytest.mark.parametrize("genome", ["spiking_vgg", "feedback_loop"])
def test_it_is_spikes_per_neuron_and_step_over_the_whole_network(genome: str) -> None:
    architecture = decode(library.load(genome)[0], input_spec=SPEC)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 6, *SPEC.shape), dtype=np.float32))
    found = Candidate(architecture, inputs=x, time_steps=4, seed=0, statistics=FIRING_RATE.statistics)
    value = FIRING_RATE.value(found).value
    n_spikes: dict[int, float] = {}

    def observe(node: int, spikes: Tensor) -> None:
        if node in architecture.spiking:
            n_spikes[node] = float(spikes.sum(dtype=torch.float64))

    with torch.no_grad():
        found.network(x, time_steps=4, observe=observe)
    sizes = {node: int(np.prod(architecture.nodes[node].shape)) for node in architecture.spiking}
    assert value == pytest.approx(sum(n_spikes.values()) / (4 * 6 * sum(sizes.values())))
    # Layers of different size count by their neurons: the plain mean over layers is another number.
    assert value != pytest.approx(np.mean([n_spikes[i] / (4 * 6 * sizes[i]) for i in sizes]), rel=1e-3)


def test_it_is_to_be_minimised_on_a_linear_scale_since_it_can_be_zero() -> None:
    assert (FIRING_RATE.direction, FIRING_RATE.scale) == ("min", "linear")
