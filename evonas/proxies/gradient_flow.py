"""How the gradient fares on its way back through a network at its first weights.

Each convolution delivers a current: its output after batch norm (and sign rectifier), so of unit variance whatever the
size of its weights. What is compared across depth is the Euclidean norm of dL/d(current), taken over all time steps,
samples and elements, for

    L = sum over samples of <logits, direction>,    directions drawn once from N(0, 1).

A current has one consumer, the node that it drives, so this is the whole gradient: that of a shortcut around the
convolutions in front is in it. The score is -|log10(norm at the first current / norm at the last)|: 0 where the
gradient reaches the front as it left the readout, below 0 where it vanishes or explodes on the way. Equal norms at all
depths are the dynamical isometry of Saxe et al. (ICLR 2014, arXiv 1312.6120), which densely additive connections claim
for deep spiking networks (DANet, arXiv 2311.05171). The derivative of a spike is the network's surrogate.

For batch norms see `evonas.proxies.backward`. Left out are the encoding of the input (a still image's current is shared
by all time steps, and its gradient is a sum over them) and convolutions without batch norm (their gradient follows the
size of the weights).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evonas.proxies.backward import MOST_SAMPLES, copied, directed, listen
from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS
from genomes.architecture import Architecture
from genomes.operations import Convolution

SOURCE = "after DANet, arXiv 2311.05171"

MOST_DECADES = 6.0
"""Where damping stops to count: beyond a factor of a million single precision loses the smaller of two gradients."""


def gradient_norms(
    network: SpikingNetwork, inputs: Tensor, *, time_steps: int, rng: np.random.Generator
) -> dict[int, float]:
    """The norm of dL/d(current) by index of the convolution synapse, in topological order from input to readout.

    `inputs` is (1 or T, B, C, H, W); `rng` draws the directions. The network is left as it is, statistics included. A
    norm is 0 where no gradient arrives and infinite or NaN where it overflows.
    """
    architecture = network.architecture
    norms = {
        index: 0.0
        for index, synapse in enumerate(architecture.synapses)
        if isinstance(synapse.operation, Convolution) and not architecture.static[synapse.source]
    }
    if not norms:
        return norms
    heard = copied(network)
    currents = listen(heard, list(norms))
    with torch.enable_grad():
        logits = heard(inputs, time_steps=time_steps, calibrate=True)
        gradients = torch.autograd.grad(
            directed(logits, rng=rng), [current for _, current in currents], allow_unused=True
        )
    for (index, _), gradient in zip(currents, gradients, strict=True):
        if gradient is not None:  # inside a cycle the currents of the pass that gathers statistics have none
            norms[index] = math.hypot(
                norms[index], float(torch.linalg.vector_norm(gradient, dtype=torch.float64))
            )
    return norms


def decades(norms: Sequence[float]) -> float:
    """log10 of the first norm over the last: below 0 where the gradient vanishes on its way back, above where it grows.

    Within +-`MOST_DECADES`; 0 for fewer than two norms. Where none leaves the readout, or a norm is not a number, it
    counts as vanished.
    """
    if len(norms) < 2:
        return 0.0
    first, last = norms[0], norms[-1]
    if first == 0.0 or last == 0.0 or math.isnan(first) or not math.isfinite(last):
        return -MOST_DECADES
    return max(-MOST_DECADES, min(MOST_DECADES, math.log10(first) - math.log10(last)))


def _value(candidate: Candidate) -> Measured:
    norms = gradient_norms(
        candidate.network,
        candidate.inputs[:, :MOST_SAMPLES],
        time_steps=candidate.time_steps,
        rng=generator(candidate.seed, "gradient directions"),
    )
    ratio = decades(list(norms.values()))
    diagnostics = candidate.health()
    return Measured(-abs(ratio), diagnostics | {"gradient_decades": ratio})


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return -MOST_DECADES, 0.0


PROXIES.register("gradient_flow", Proxy("gradient_flow", SOURCE, _bounds, (COUNTS,), _value))
