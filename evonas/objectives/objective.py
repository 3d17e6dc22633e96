"""What an objective is: one number of a candidate, with a direction and a unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evonas.proxies import Bounds, Candidate, Measured
from evonas.snn.statistics import Statistic
from genomes.registry import Registry


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
