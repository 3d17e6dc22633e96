"""How well a network does when its inputs or its spikes are disturbed, without having been trained for that.

The first `N_EXAMPLES` test examples are shown undisturbed and under three levels of three disturbances:

- gaussian: normal noise added to the normalised inputs, in units of their standard deviation;
- salt_pepper: a share of the pixels takes, in all channels at once and with equal chance, the lowest or the highest
  value that each channel has in that image or frame;
- dropped: every spike of every layer of neurons is lost on its way with that probability, to all its targets at once
  and independently of others. The neuron that fired is reset all the same, and nothing is rescaled.

An image is disturbed once and shown so at every time step; of event recordings each frame is disturbed by itself.
The draws are those of the run's seed; the levels of one disturbance share them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean

import numpy as np
import torch
from torch import Tensor, nn

from evonas.data import Dataset
from evonas.measurements.examples import first_examples
from evonas.measurements.measurement import MEASUREMENTS
from evonas.rng import generator
from evonas.runs.results import Run
from evonas.snn.neurons import Simulate, SpikingNeuron, State
from evonas.snn.surrogates import Surrogate
from evonas.training.evaluation import TimedNetwork, accuracy
from genomes.micro import Neuron

N_EXAMPLES = 2_000
BATCH = 100
"""Test examples at a time; the draws depend on it."""

LEVELS: dict[str, tuple[float, float, float]] = {
    "gaussian": (0.25, 0.5, 1.0),
    "salt_pepper": (0.02, 0.05, 0.1),
    "dropped": (0.1, 0.2, 0.4),
}


def column(disturbance: str, level: float) -> str:
    """The column of one level, which is written in hundredths.

    >>> column("gaussian", 0.5)
    'gaussian_050'
    """
    return f"{disturbance}_{round(100 * level):03d}"


def noise(run: Run, architecture_id: str, dataset: Dataset) -> dict[str, float]:
    """Test accuracy undisturbed (`clean`) and at each level, by disturbance the `_loss`, and `noise_loss`, their mean.

    The loss is the mean accuracy over the levels less the clean one: below 0 where the disturbance does harm.
    """
    config = run.record.config
    network = run.network(architecture_id)
    examples = first_examples(dataset.test, spec=dataset.spec, n=N_EXAMPLES, batch=BATCH)

    def measured(network: TimedNetwork) -> float:
        return accuracy(network, examples, time_steps=config.evaluation.time_steps)

    found = {"clean": measured(network)}
    for name, levels in LEVELS.items():
        under = {
            column(name, level): measured(
                DISTURBANCES[name](network, level=level, rng=generator(config.evolution.seed, "noise", name))
            )
            for level in levels
        }
        found |= {**under, f"{name}_loss": fmean(under.values()) - found["clean"]}
    return {**found, "noise_loss": fmean(found[f"{name}_loss"] for name in LEVELS)}


def gaussian(network: nn.Module, *, level: float, rng: np.random.Generator) -> TimedNetwork:
    """The network behind inputs with normal noise of standard deviation `level`."""

    def disturbed(x: Tensor, *, time_steps: int) -> Tensor:
        drawn = torch.from_numpy(rng.standard_normal(tuple(x.shape), dtype=np.float32))
        logits: Tensor = network(x + level * drawn, time_steps=time_steps)
        return logits

    return disturbed


def salt_pepper(network: nn.Module, *, level: float, rng: np.random.Generator) -> TimedNetwork:
    """The network behind inputs of which a share `level` of the pixels is at the lowest or highest value."""

    def disturbed(x: Tensor, *, time_steps: int) -> Tensor:
        n_frames, batch, _, height, width = x.shape
        drawn = torch.from_numpy(rng.random((n_frames, batch, 1, height, width), dtype=np.float32))
        lowest, highest = x.amin((3, 4), keepdim=True), x.amax((3, 4), keepdim=True)
        peppered = torch.where(drawn < level / 2, lowest, x)
        both = torch.where(drawn >= 1 - level / 2, highest, peppered)
        logits: Tensor = network(both, time_steps=time_steps)
        return logits

    return disturbed


def dropped(network: nn.Module, *, level: float, rng: np.random.Generator) -> TimedNetwork:
    """A copy of the network that loses each spike with probability `level`."""
    lossy = copy.deepcopy(network)
    for module in lossy.modules():
        if isinstance(module, SpikingNeuron):
            # Not by a hook on the module: on a feedback cycle its steps are called, not the module.
            simulate = _losing(module.dynamics.simulate, level=level, rng=rng)
            module.dynamics = replace(module.dynamics, simulate=simulate)
    return lossy


def _losing(inner: Simulate, *, level: float, rng: np.random.Generator) -> Simulate:
    """The dynamics with each spike lost with probability `level` after it has left the neuron."""

    def simulate(
        current: Tensor,
        state: State | None,
        *,
        neuron: Neuron,
        surrogate: Surrogate,
        parameters: Mapping[str, Tensor],
        overwrite: bool = False,
    ) -> tuple[Tensor, State]:
        spikes, state = inner(
            current,
            state,
            neuron=neuron,
            surrogate=surrogate,
            parameters=parameters,
            overwrite=overwrite,
        )
        drawn = torch.from_numpy(rng.random(tuple(spikes.shape), dtype=np.float32))
        return spikes * (drawn >= level), state

    return simulate


DISTURBANCES: dict[str, Callable[..., TimedNetwork]] = {
    "gaussian": gaussian,
    "salt_pepper": salt_pepper,
    "dropped": dropped,
}

MEASUREMENTS.register("noise", noise)
