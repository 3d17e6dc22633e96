"""What is kept of a layer's spikes: counts for energy and health, one Gram product for representational similarity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Statistic:
    """A summary of one node's output (T, B, C, H, W), taken while the network runs, so that spikes need not be kept.

    `spiking_only` leaves out nodes that merely pool or stack the spikes of others.
    """

    measure: Callable[[Tensor], Any]
    spiking_only: bool


@dataclass(frozen=True)
class Counts:
    """`per_pixel` (H, W): spikes per inference of one sample, summed over time and channels. The others are shares:
    of firing (spikes per neuron and step), of neurons that never fire, of neurons that fire at every step."""

    per_pixel: Tensor
    firing_rate: float
    dead: float
    saturated: float
    n_neurons: int


@dataclass(frozen=True)
class Gram:
    """Inner products of the samples' patterns: `products` (B, B), `sums` (B,), `n` features a pattern; float64.

    Patterns are held in whole numbers, which keeps products exact; `unit` is what a 1 in them stands for.
    """

    products: Tensor
    sums: Tensor
    n: int
    unit: float = 1.0


def _counts(spikes: Tensor) -> Counts:
    n_steps, batch = spikes.shape[:2]
    per_neuron = spikes.flatten(0, 1).sum(0)
    n = per_neuron.numel()
    return Counts(
        per_pixel=per_neuron.sum(0).double() / batch,
        firing_rate=float(per_neuron.sum(dtype=torch.float64)) / (n * n_steps * batch),
        dead=int((per_neuron == 0).sum()) / n,
        saturated=int((per_neuron == n_steps * batch).sum()) / n,
        n_neurons=n,
    )


def _flat(frames: Tensor) -> Tensor:
    """(B, C, H, W) as (B, features), without a copy where the channels lie innermost."""
    if frames.is_contiguous(memory_format=torch.channels_last):
        frames = frames.permute(0, 2, 3, 1)
    return frames.flatten(1)


def _gram(patterns: Tensor) -> Gram:
    """The Gram of (t, B, C, H, W): time steps are further features, so the products of the steps add up.

    Products of spikes are whole numbers below 2^24 and therefore exact in single precision.
    """
    steps = [_flat(step) for step in patterns]
    products = torch.stack([step @ step.T for step in steps]).sum(0, dtype=torch.float64)
    sums = torch.stack([step.sum(1) for step in steps]).sum(0, dtype=torch.float64)
    return Gram(products, sums, n=sum(step.shape[1] for step in steps))


def _rate_gram(spikes: Tensor) -> Gram:
    # Products of counts outgrow single precision where those of spikes do not.
    return replace(_gram(spikes.sum(0, keepdim=True).double()), unit=1.0 / len(spikes))


COUNTS = Statistic(_counts, spiking_only=False)
TRAIN_GRAM = Statistic(_gram, spiking_only=True)
"""Patterns are whole spike trains."""
RATE_GRAM = Statistic(_rate_gram, spiking_only=True)
"""Patterns are firing rates."""
