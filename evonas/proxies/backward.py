"""A pass back through the surrogate gradient: what the first weights, their currents and the input get to hear.

The derivative of a spike is the network's surrogate. Batch norms use the statistics of the samples that are shown, as
in `Candidate`, and the gradient runs through them; inside a feedback cycle those of all steps together, held fixed.
Every pass runs on a copy: the network that it is asked of stays as it is, statistics included.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evonas.proxies.candidate import Candidate
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork

MOST_SAMPLES = 16
"""Samples of the scoring batch that are used: the pass back holds every layer's activity in memory."""


def copied(network: SpikingNetwork) -> SpikingNetwork:
    """A copy of the network, out of training, that may be changed."""
    return copy.deepcopy(network).eval()


def listen(network: SpikingNetwork, synapses: Sequence[int]) -> list[tuple[int, Tensor]]:
    """A list that each run of `network` fills with what the given synapses deliver: (index, (N, C, H, W)) a call.

    N is time and batch together; a synapse on a feedback cycle is called once a time step.
    """
    heard: list[tuple[int, Tensor]] = []

    def listen_to(index: int) -> None:
        def keep(module: nn.Module, arguments: object, current: Tensor) -> None:
            # Without gradients sums and spikes are written over currents.
            heard.append((index, current if torch.is_grad_enabled() else current.clone()))

        network.synapses[index].register_forward_hook(keep)

    for index in synapses:
        listen_to(index)
    return heard


def directed(logits: Tensor, *, rng: np.random.Generator) -> Tensor:
    """The sum over samples of <logits, direction>, directions (B, n_classes) drawn from N(0, 1): needs no labels."""
    directions = torch.from_numpy(rng.standard_normal(tuple(logits.shape), dtype=np.float32)).to(logits)
    return (logits * directions).sum()


def weight_gradients(
    candidate: Candidate, *, labelled: bool, samples: slice = slice(MOST_SAMPLES)
) -> dict[str, tuple[Tensor, Tensor]]:
    """Each layer's weights and the gradient of the loss for them, by name; batch norms, biases and neurons left out.

    The loss is the mean over `samples` of the cross-entropy of the true labels, or without them of <logits, direction>.
    A gradient is zero where none arrives.

    Raises:
        ConfigError: `labelled`, and the batch has no labels.
    """
    network = copied(candidate.network)
    weights = {name: parameter for name, parameter in network.named_parameters() if parameter.dim() > 1}
    with torch.enable_grad():
        logits = network(candidate.inputs[:, samples], time_steps=candidate.time_steps, calibrate=True)
        if labelled:
            loss = F.cross_entropy(logits, candidate.labels[samples].to(logits.device))
        else:
            first = samples.start or 0
            rng = generator(candidate.seed, "loss directions", first)
            loss = directed(logits, rng=rng) / len(logits)
        gradients = torch.autograd.grad(
            loss, list(weights.values()), allow_unused=True, materialize_grads=True
        )
    return {
        name: (weight.detach(), gradient)
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
    }


def input_gradient(candidate: Candidate) -> Tensor:
    """The gradient of the sum of the first `MOST_SAMPLES` samples' logits for their inputs (1 or T, B, C, H, W)."""
    x = candidate.inputs[:, :MOST_SAMPLES].detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = copied(candidate.network)(x, time_steps=candidate.time_steps, calibrate=True)
        (gradient,) = torch.autograd.grad(logits.sum(), x)
    return gradient
