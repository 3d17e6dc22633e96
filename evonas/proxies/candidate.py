"""What a proxy or objective may look at: an architecture, its network, and one calibrated pass over a fixed batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from evonas.errors import ConfigError
from evonas.snn.forward_pass import Observer
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS, Statistic, health
from genomes.architecture import Architecture


@dataclass(frozen=True)
class Measured:
    """A number and what was seen beside it, by name."""

    value: float
    diagnostics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Stimulation:
    """What every network of a run is shown: `batch` samples for `time_steps` steps, `static` if they are still."""

    time_steps: int
    batch: int
    static: bool


Found = TypeVar("Found")

MARGIN = 10.0
"""How far beyond a random sample of the space the bounds lie: evolution leaves the sample, and what it finds beyond the
bounds would not count in the hypervolume."""

Bounds = Callable[[Sequence[Architecture], Stimulation], tuple[float, float]]
"""From sampled architectures and what they are shown to the range (low, high) that the hypervolume counts."""


@dataclass(frozen=True)
class Proxy:
    """A training-free estimate of how well a network will do: higher is better.

    `statistics` is what `value` reads off the forward pass; `scale` is "linear" or "log10", as for an objective.
    """

    name: str
    source: str
    bounds: Bounds
    statistics: tuple[Statistic, ...]
    value: Callable[[Candidate], Measured]
    scale: str = "linear"


class Candidate:
    """An architecture under evaluation. Nothing is built before it is asked for, and nothing is computed twice.

    `inputs` is (1, B, C, H, W) for images and (T, B, C, H, W) for event frames; `labels` (B,) are there for the
    proxies that say that they use them. Weights come from `seed`; batch-norm statistics from the very pass that is
    scored (see `SpikingNetwork.forward`, calibrate); there is no dropout and no state from before.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        inputs: Tensor,
        time_steps: int,
        seed: int,
        statistics: Collection[Statistic],
        labels: Tensor | None = None,
    ) -> None:
        self.architecture = architecture
        self.inputs = inputs
        self._labels = labels
        self.time_steps = time_steps
        self.seed = seed
        self._statistics = tuple(dict.fromkeys(statistics))
        self._once: dict[Callable[[Candidate], Any], Any] = {}

    @property
    def labels(self) -> Tensor:
        """The class of each sample (B,), int64.

        Raises:
            ConfigError: the batch came without.
        """
        if self._labels is None:
            raise ConfigError("labels: this proxy needs the class of every sample, and the batch has none")
        return self._labels

    @cached_property
    def network(self) -> SpikingNetwork:
        """The network with its first weights."""
        return SpikingNetwork(self.architecture, seed=self.seed).eval()

    @cached_property
    def _measurements(self) -> dict[Statistic, dict[int, Any]]:
        found: dict[Statistic, dict[int, Any]] = {statistic: {} for statistic in self._statistics}
        spiking = set(self.architecture.spiking)

        def observer(statistics: Collection[Statistic]) -> Observer:
            def observe(node: int, sequence: Tensor) -> None:
                wanted = [s for s in statistics if node in spiking or not s.spiking_only]
                reduced = {reduce: reduce(sequence) for reduce in {s.reduced for s in wanted}}
                for statistic in wanted:
                    found[statistic][node] = statistic.read(reduced[statistic.reduced])

            return observe

        of_current = [statistic for statistic in self._statistics if statistic.of_current]
        with torch.no_grad():
            self.network(
                self.inputs,
                time_steps=self.time_steps,
                calibrate=True,
                observe=observer([s for s in self._statistics if not s.of_current]),
                observe_current=observer(of_current) if of_current else None,
            )
        return found

    def measured(self, statistic: Statistic) -> dict[int, Any]:
        """One of the declared statistics, by node."""
        return self._measurements[statistic]

    def health(self) -> dict[str, float]:
        """How its neurons fire in that pass (see `evonas.snn.statistics.health`); `COUNTS` must be declared."""
        return health(self.measured(COUNTS), self.architecture.spiking)

    def once(self, measure: Callable[[Candidate], Found]) -> Found:
        """What `measure` finds about this candidate, computed the first time it is asked for."""
        if measure not in self._once:
            self._once[measure] = measure(self)
        found: Found = self._once[measure]
        return found
