"""Networks as large as those of papers, built and evaluated; those of cells and of MSE-NAS stand with their spaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from evonas.snn.network import SpikingNetwork
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.genome import MERGES, Genome
from genomes.operations import Convolution, SpatialAttention
from genomes.space import Space
from genomes.spaces.evonas import EvonasSpace

T = 4


def check_evaluated(architecture: Architecture) -> None:
    """Build the network, show it one image of noise for T steps: it answers, and every layer of neurons fires."""
    network = SpikingNetwork(architecture, seed=0).eval()
    assert sum(p.numel() for p in network.parameters()) == architecture.n_parameters
    drawn = np.random.default_rng(0).standard_normal((1, 1, *architecture.input.shape), dtype=np.float32)
    rates: dict[int, float] = {}

    def observe(node: int, spikes: torch.Tensor) -> None:
        assert spikes.shape == (T, 1, *architecture.nodes[node].shape)
        rates[node] = float(spikes.mean())

    with torch.no_grad():
        logits = network(torch.from_numpy(drawn), time_steps=T, calibrate=True, observe=observe)
    assert logits.shape == (1, architecture.input.n_classes)
    assert logits.isfinite().all()
    assert logits.std() > 0
    assert all(0 < rates[node] < 1 for node in architecture.spiking)


@pytest.mark.slow
def test_resnet152_with_dense_sums_is_built_and_evaluated_on_an_image_of_imagenet_size() -> None:
    genome, space = library.load("danet_resnet152")
    architecture = space.decode(genome)
    assert architecture.input == InputSpec((3, 224, 224), 1000)
    # Three convolutions in each of 50 units, the stem, and one adapter in each of four stages; neurons before every
    # convolution of a unit and before the readout.
    operations = [synapse.operation for synapse in architecture.synapses]
    assert sum(isinstance(operation, Convolution) for operation in operations) == 3 * 50 + 1 + 4
    assert len(architecture.spiking) == architecture.depth == 3 * 50 + 1
    check_evaluated(architecture)


def both(genome: Genome) -> bool:
    """Whether a genome has attention and a dense sum."""
    rules = {slot.merge.rule for slot in genome.slots() if slot.merge}
    return "dense_add" in rules and any(slot.attention for slot in genome.slots())


@pytest.mark.slow
def test_a_wide_network_with_attention_and_a_dense_sum_is_built_and_evaluated() -> None:
    space: Space[Any] = EvonasSpace(
        InputSpec((3, 32, 32), 10), base_width=64, merges=MERGES, attention=("asa",)
    )
    samples = (space.sample(rng=np.random.default_rng(seed)) for seed in range(200))
    architecture = space.decode(next(filter(both, samples)))
    assert any(isinstance(synapse.operation, SpatialAttention) for synapse in architecture.synapses)
    assert architecture.n_parameters > 1_000_000
    check_evaluated(architecture)
