"""What is kept of a layer's spikes: counts for energy and health, Gram products for representational similarity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


def unchanged(sequence: Tensor) -> Tensor:
    """The sequence itself."""
    return sequence


@dataclass(frozen=True)
class Statistic:
    """A summary of one node's output (T, B, C, H, W), taken while the network runs, so that spikes need not be kept.

    `read` summarises what `reduced` makes of that sequence; statistics with the same `reduced` share its result.
    `spiking_only` leaves out nodes that merely pool or stack the spikes of others. With `of_current` it is one of the
    current that drives the node's neurons, (1 or T, B, C, H, W).
    """

    read: Callable[[Any], Any]
    spiking_only: bool
    of_current: bool = False
    reduced: Callable[[Tensor], Any] = unchanged

    def measure(self, sequence: Tensor) -> Any:
        """The summary of one sequence."""
        return self.read(self.reduced(sequence))


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


@dataclass(frozen=True)
class StepGrams:
    """Inner products of the samples' patterns at each time step: `products` (T, B, B), `sums` (T, B), `n` neurons.

    Whole numbers in float64.
    """

    products: Tensor
    sums: Tensor
    n: int


@dataclass(frozen=True)
class SpikeCounts:
    """How often each neuron fired for each sample: `of_sample` (B, C, H, W), whole numbers, after `n_steps` steps."""

    of_sample: Tensor
    n_steps: int


def spike_counts(spikes: Tensor) -> SpikeCounts:
    """The spikes (T, B, C, H, W) added up over time."""
    at_least_single = spikes.to(torch.promote_types(spikes.dtype, torch.float32))
    return SpikeCounts(_summed(at_least_single), n_steps=len(spikes))


def _summed(sequence: Tensor) -> Tensor:
    """The sum over time of (t, B, C, H, W), in the memory format of the steps.

    One product with ones; torch takes several times as long to add up the steps.
    """
    n_steps, batch, channels, *space = sequence.shape
    if not sequence.flatten(0, 1).is_contiguous(memory_format=torch.channels_last):
        return sequence.sum(0)
    total = sequence.new_ones(n_steps) @ sequence.permute(0, 1, 3, 4, 2).reshape(n_steps, -1)
    return total.view(batch, *space, channels).permute(0, 3, 1, 2)


def _counts(spikes: SpikeCounts) -> Counts:
    counts, n_steps = spikes.of_sample, spikes.n_steps
    batch, channels, *space = counts.shape
    # One product with ones; summing frames whose channels lie innermost takes torch thirty times as long.
    per_neuron = counts.new_ones(batch) @ _flat(counts)
    n = per_neuron.numel()
    if counts.is_contiguous(memory_format=torch.channels_last):
        per_pixel = per_neuron.view(*space, channels).sum(2)
    else:
        per_pixel = per_neuron.view(channels, *space).sum(0)
    return Counts(
        per_pixel=per_pixel.double() / batch,
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


def _step_grams(patterns: Tensor) -> StepGrams:
    """The Grams of (t, B, C, H, W), one for each step.

    Products of spikes are whole numbers below 2^24 and therefore exact in single precision.
    """
    steps = [_flat(step) for step in patterns]
    products = torch.stack([step @ step.T for step in steps])
    sums = torch.stack([step.sum(1) for step in steps])
    return StepGrams(products.double(), sums.double(), n=steps[0].shape[1])


def _gram(patterns: Tensor) -> Gram:
    """The Gram of (t, B, C, H, W): time steps are further features, so the products of the steps add up."""
    steps = _step_grams(patterns)
    return Gram(steps.products.sum(0), steps.sums.sum(0), n=len(patterns) * steps.n)


def _rate_gram(spikes: SpikeCounts) -> Gram:
    flat = _flat(spikes.of_sample)
    # Products of counts are whole numbers: exact in single precision as long as they stay below 2^24.
    if flat.shape[1] * spikes.n_steps**2 > 2**24:
        flat = flat.double()
    products, sums = (flat @ flat.T).double(), flat.sum(1).double()
    return Gram(products, sums, n=flat.shape[1], unit=1.0 / spikes.n_steps)


def _mean_current(current: Tensor) -> Tensor:
    return _summed(current) / len(current)


def _current_gram(current: Tensor) -> Gram:
    flat = _flat(current)
    return Gram((flat @ flat.T).double(), flat.sum(1).double(), n=flat.shape[1])


COUNTS = Statistic(_counts, spiking_only=False, reduced=spike_counts)
TRAIN_GRAM = Statistic(_gram, spiking_only=True)
"""Patterns are whole spike trains."""
RATE_GRAM = Statistic(_rate_gram, spiking_only=True, reduced=spike_counts)
"""Patterns are firing rates."""
CURRENT_GRAM = Statistic(_current_gram, spiking_only=True, of_current=True, reduced=_mean_current)
"""Patterns are the currents that drive the neurons, averaged over time: real numbers."""
STEP_GRAMS = Statistic(_step_grams, spiking_only=True)
"""Patterns are the spikes of one time step."""


def health(counts: Mapping[int, Counts], spiking: Sequence[int]) -> dict[str, float]:
    """Firing rate and shares of dead and saturated neurons over all spiking layers, each neuron counting once."""
    layers = [counts[i] for i in spiking]
    n = sum(layer.n_neurons for layer in layers)
    return {
        "firing_rate": sum(layer.firing_rate * layer.n_neurons for layer in layers) / n,
        "dead_fraction": sum(layer.dead * layer.n_neurons for layer in layers) / n,
        "saturated_fraction": sum(layer.saturated * layer.n_neurons for layer in layers) / n,
        "silent_layers": float(sum(layer.firing_rate == 0.0 for layer in layers)),
    }
