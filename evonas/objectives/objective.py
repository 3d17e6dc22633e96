"""What an objective is: one number of a candidate, with a direction and a unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evonas.proxies import Candidate, Measured
from evonas.snn.statistics import Statistic
from genomes.architecture import Architecture
from genomes.registry import Registry

MARGIN = 10.0
"""How far beyond a random sample of the space the bounds lie: evolution leaves the sample, and what it finds beyond the
bounds would not count in the hypervolume."""

Bounds = Callable[[Sequence[Architecture], int, bool], tuple[float, float]]
"""(sampled architectures, time steps, static input) to the worst and best value that the hypervolume counts."""


@dataclass(frozen=True)
class Objective:
    """`direction` is "max" or "min"; `scale` is "linear" or "log10", the scale on which differences are judged.

    `statistics` is what `value` reads off the forward pass; with none, no network is built for it. `bounds` gives the
    range (low, high) that the hypervolume covers, from a fixed sample of the space.
    """

    name: str
    direction: str
    unit: str
    scale: str
    statistics: tuple[Statistic, ...]
    value: Callable[[Candidate], Measured]
    bounds: Bounds


OBJECTIVES: Registry[Objective] = Registry("objective")
