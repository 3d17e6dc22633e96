"""How redundant the activity of a network is: its membrane potentials, and where and when its layers fire.

Yao et al., "Inherent Redundancy in Spiking Neural Networks", ICCV 2023, arXiv 2308.08227, argue from the distribution
of membrane potentials and from firing maps that channels and time steps that share weights fire alike. Here, on the
first `N_EXAMPLES` test examples, that is put into numbers. A potential u is the one before the reset, in units of its
neuron's threshold at rest (what the adaptation of "alif" adds to the threshold is left out). Pearson correlations:

- channel_correlation: of the spike counts of two channels of a layer, over its pixels and the examples; the mean over
  all pairs, then over layers. Channels that fire at the same places have 1.
- step_correlation: of a neuron's spike at one time step and at the next, over examples and steps; the mean over
  neurons. Neurons that repeat themselves have 1.

A channel or neuron that never varies has no correlation and is left out, and so are layers without space (1 x 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from evonas.data import Dataset
from evonas.errors import RunError
from evonas.measurements.examples import first_examples
from evonas.measurements.measurement import MEASUREMENTS
from evonas.runs.results import Run
from evonas.snn.network import SpikingNetwork
from evonas.snn.neurons import SpikingNeuron, State

N_EXAMPLES = 100

EDGES = np.linspace(-3.0, 3.0, 121)
"""Of the bins of the histogram, in thresholds; what lies beyond is counted in the outermost bins."""

_UNREACHABLE = 1e30


@dataclass(frozen=True, eq=False)
class Layer:
    """The activity of one layer of neurons, each number over all its neurons, examples and time steps."""

    n: int
    """Neurons x examples x time steps."""
    total: float
    """The sum of the potentials."""
    squares: float
    """The sum of their squares."""
    n_near: int
    """How many lie above half the threshold."""
    histogram: np.ndarray
    """How many lie in each bin of `EDGES` (120,)."""
    spikes: Tensor
    """Spikes of each neuron for each example (B, C, H, W)."""
    step_correlations: Tensor
    """Of the neurons that have one (n,), float64."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What a figure of a network's activity shows."""

    shares: np.ndarray
    """The share of the potentials of all layers in each bin of `EDGES` (120,)."""
    firing_map: np.ndarray
    """Spikes per neuron and step at each pixel of one layer (H, W), over its channels and the examples."""


def membrane(run: Run, architecture_id: str, dataset: Dataset) -> dict[str, float]:
    """Mean, standard deviation and share above half the threshold of the potentials, firing rate, correlations.

    The first four are over all neurons of the network.
    """
    layers = observed(run, architecture_id, dataset)
    n = sum(layer.n for layer in layers)
    mean = sum(layer.total for layer in layers) / n
    variance = sum(layer.squares for layer in layers) / n - mean**2
    between_channels = [channel_correlation(layer.spikes) for layer in layers]
    between_steps = torch.cat([layer.step_correlations for layer in layers])
    return {
        "potential_mean": mean,
        "potential_sd": math.sqrt(max(variance, 0.0)),
        "near_threshold": sum(layer.n_near for layer in layers) / n,
        "firing_rate_test": sum(float(layer.spikes.sum(dtype=torch.float64)) for layer in layers) / n,
        "channel_correlation": _mean([value for value in between_channels if not math.isnan(value)]),
        "step_correlation": float(between_steps.mean()),
    }


def picture(run: Run, architecture_id: str, dataset: Dataset, *, layer: int) -> Picture:
    """The potentials of a network, and where layer number `layer` of its neurons fires, from 0 in order of execution.

    Raises:
        RunError: no such layer; the run has no such architecture.
    """
    layers = observed(run, architecture_id, dataset)
    if not 0 <= layer < len(layers):
        raise RunError(f"layer: {architecture_id} has layers of neurons 0 to {len(layers) - 1}, got {layer}")
    histogram = np.sum([found.histogram for found in layers], axis=0)
    chosen = layers[layer]
    per_pixel = chosen.spikes.double().sum((0, 1))
    return Picture(
        shares=histogram / histogram.sum(),
        firing_map=(per_pixel * per_pixel.numel() / chosen.n).numpy(),
    )


def observed(run: Run, architecture_id: str, dataset: Dataset) -> list[Layer]:
    """The layers of neurons of a network, in order of execution, on the first test examples."""
    network = run.network(architecture_id)
    assert isinstance(network, SpikingNetwork)
    time_steps = run.record.config.evaluation.time_steps
    examples = first_examples(dataset.test, spec=dataset.spec, n=N_EXAMPLES, batch=N_EXAMPLES)
    layers: dict[int, Layer] = {}

    def observe(node: int, current: Tensor) -> None:
        sequence = current.expand(time_steps, *current.shape[1:])
        layers[node] = activity(network.neuron(node), sequence)

    with torch.no_grad():
        for inputs, _ in examples.in_order():  # there is one batch
            network(inputs, time_steps=time_steps, observe_current=observe)
    return [layers[node] for node in network.architecture.spiking]


def activity(neurons: SpikingNeuron, current: Tensor) -> Layer:
    """What neurons do under `current` (T, B, C, H, W), from rest."""
    n_near, total, squares = 0, 0.0, 0.0
    histogram = np.zeros(len(EDGES) - 1, dtype=np.int64)
    counts = torch.zeros_like(current[0])
    both = torch.zeros_like(current[0, 0])
    first = last = both
    before: Tensor | None = None
    for potential, spikes in potentials(neurons, current):
        u = potential.double() / neurons.neuron.v_threshold
        total += float(u.sum())
        squares += float(u.square().sum())
        n_near += int((u > 0.5).sum())
        histogram += np.histogram(u.clamp(EDGES[0], EDGES[-1]).numpy(), bins=EDGES)[0]
        counts += spikes
        if before is None:
            first = spikes.sum(0)
        else:
            both = both + (before * spikes).sum(0)
        before, last = spikes, spikes.sum(0)
    n_pairs = (len(current) - 1) * current.shape[1]
    return Layer(
        n=current.numel(),
        total=total,
        squares=squares,
        n_near=n_near,
        histogram=histogram,
        spikes=counts,
        step_correlations=_of_binary(
            both, earlier=counts.sum(0) - last, later=counts.sum(0) - first, n=n_pairs
        ),
    )


def potentials(neurons: SpikingNeuron, current: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The potential before the reset and the spikes, each (B, ...), at every step of `current` (T, B, ...), from rest.

    The dynamics hand out the potential after the reset alone, as the first part of the state; with a threshold out of
    reach there is no reset.
    """
    unreachable = replace(neurons.neuron, v_threshold=_UNREACHABLE)
    parameters = dict(neurons.named_parameters())
    state: State | None = None
    for x in current:
        _, (potential, *_) = neurons.dynamics.simulate(
            x[None], state, neuron=unreachable, surrogate=neurons.surrogate, parameters=parameters
        )
        spikes, state = neurons.step(x, state)
        yield potential, spikes


def channel_correlation(spikes: Tensor) -> float:
    """The mean correlation between two channels of `spikes` (B, C, H, W), counts; NaN where no pair has one."""
    if spikes[0, 0].numel() == 1:
        return math.nan
    patterns = spikes.double().transpose(0, 1).flatten(1)
    patterns = patterns - patterns.mean(1, keepdim=True)
    norms = patterns.norm(dim=1)
    directions = patterns[norms > 0] / norms[norms > 0, None]
    n = len(directions)
    # The squared length of the sum of unit vectors is n and twice the sum of the cosines of all pairs.
    return (float(directions.sum(0).square().sum()) - n) / (n * (n - 1)) if n > 1 else math.nan


def _of_binary(both: Tensor, *, earlier: Tensor, later: Tensor, n: int) -> Tensor:
    """The correlations of pairs of binary variables from how often each, and both, are 1 in `n` pairs of values.

    Only of those that both vary.
    """
    varies = (earlier > 0) & (earlier < n) & (later > 0) & (later < n)
    x, y, xy = (count[varies].double() / n for count in (earlier, later, both))
    return (xy - x * y) / (x * (1 - x) * y * (1 - y)).sqrt()


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else math.nan


MEASUREMENTS.register("membrane", membrane)
