"""Zen-score: how far a small change of a random input moves the features, were there no batch norm on the way.

    log E |f(x) - f(x + a e)|_1  +  sum over batch norms of log sqrt(mean over channels of their variance)

with x and e from N(0, 1), a = 0.01, and weights from N(0, 1) (Lin et al., ICCV 2021, arXiv 2102.01063).
Neither data nor labels are used.

Here f is what the readout reads, firing rates averaged over time and space, since the published maps before that mean
are not spikes everywhere; the batch norms keep the statistics of x while x + a e passes. Weights stay He-normal: since
a batch norm takes their scale out again, each weight tensor adds log sqrt(fan-in / 2), by which its variance would be
larger with weights from N(0, 1). `MOST_SAMPLES` inputs are drawn, frames of events among them at each step anew. Where
no spike moves, as in a silent network, the expected difference counts as `LEAST`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from evonas.proxies.backward import MOST_SAMPLES, copied
from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS
from evonas.snn.synapses import EPSILON, BatchNorm
from genomes.architecture import Architecture

SOURCE = "Lin et al., ICCV 2021, arXiv 2102.01063"

STEP = 0.01
"""a of the paper."""

LEAST = 1e-6
"""Below one spike of a single neuron in the mean of a layer of 10,000 neurons, 10 steps and 10 samples."""


def zen_score(network: SpikingNetwork, *, n_frames: int, time_steps: int, rng: np.random.Generator) -> float:
    """The score for inputs of `n_frames` frames, 1 for still images; the network is left as it is."""
    network = copied(network)
    device = network.readout.weight.device
    features: list[Tensor] = []

    def keep(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        features.append(arguments[0])

    network.readout.register_forward_pre_hook(keep)
    shape = (n_frames, MOST_SAMPLES, *network.architecture.input.shape)
    x, change = (torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)).to(device) for _ in range(2))
    with torch.no_grad():
        network(x, time_steps=time_steps, calibrate=True)
        network(x + STEP * change, time_steps=time_steps)
    before, after = features
    moved = float((after - before).abs().sum(1).mean())
    return math.log(max(moved, LEAST)) + log_scale(network)


def log_scale(network: SpikingNetwork) -> float:
    """By how much batch norms have scaled down, and first weights are smaller than from N(0, 1), as a natural log."""
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    deviations = sum(0.5 * math.log(float(norm.running_var.mean()) + EPSILON) for norm in norms)
    weights = [parameter for parameter in network.synapses.parameters() if parameter.dim() > 1]
    return deviations + sum(0.5 * math.log(weight[0].numel() / 2.0) for weight in weights)


def _value(candidate: Candidate) -> Measured:
    found = zen_score(
        candidate.network,
        n_frames=len(candidate.inputs),
        time_steps=candidate.time_steps,
        rng=generator(candidate.seed, "zen inputs"),
    )
    return Measured(found, candidate.health())


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    # A kernel of 7 x 7 on the widest layer is the largest fan-in; two weight tensors a synapse are the most.
    fan_in = 49 * MARGIN * max(node.shape[0] for found in sample for node in found.nodes)
    return math.log(LEAST), 2 * max(len(found.synapses) for found in sample) * math.log(fan_in)


PROXIES.register("zen", Proxy("zen", SOURCE, _bounds, (COUNTS,), _value))
