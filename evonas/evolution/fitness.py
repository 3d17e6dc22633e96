"""Objectives as numbers with direction, unit and scale, and the vector of them that selection compares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from deap import base
from numpy.typing import ArrayLike, NDArray

from evonas.errors import ConfigError


@dataclass(frozen=True)
class ObjectiveSpec:
    """One objective.

    Attributes:
        name: key of its value in `Evaluation.objectives`.
        direction: ``"max"`` or ``"min"``.
        unit: for people, e.g. ``"nJ"``.
        scale: ``"linear"`` or ``"log10"``; crowding distance, hypervolume and knee work in this scale.
        bounds: (low, high) in natural units; they normalise the hypervolume and never change within a run.

    Raises:
        ConfigError: unknown direction or scale, or bounds that span nothing (or are not positive under
            log10).
    """

    name: str
    direction: str
    unit: str
    scale: str
    bounds: tuple[float, float]

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise ConfigError(
                f"objective '{self.name}': direction must be 'max' or 'min', got {self.direction!r}"
            )
        if self.scale not in ("linear", "log10"):
            raise ConfigError(
                f"objective '{self.name}': scale must be 'linear' or 'log10', got {self.scale!r}"
            )
        low, high = self.bounds
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(
                f"objective '{self.name}': bounds must be finite with low < high, got {self.bounds}"
            )
        if self.scale == "log10" and low <= 0:
            raise ConfigError(
                f"objective '{self.name}': bounds must be positive in log10 scale, got {self.bounds}"
            )

    @property
    def weight(self) -> float:
        """+1.0 when larger is better, -1.0 when smaller is. Every sign in this package comes from here."""
        return 1.0 if self.direction == "max" else -1.0

    def to_fitness(self, value: float) -> float:
        """`value` (natural unit) in the objective's scale, its sign unchanged.

        Raises:
            ValueError: the result is not finite: the value is NaN or infinite, or not positive under log10.
        """
        if not math.isfinite(value):
            raise ValueError(f"objective '{self.name}' is {value}; expected a finite number")
        if self.scale == "linear":
            return float(value)
        if value <= 0:
            raise ValueError(f"objective '{self.name}' is {value}; its log10 scale needs a positive number")
        return math.log10(value)


class Fitness(base.Fitness):
    """A vector in scaled units for DEAP's sorts: larger `wvalues` are better.

    The weights belong to the instance, so that no class is made at run time (DEAP's `creator` replaces its
    classes on unpickling). An empty fitness is one whose objectives are unknown; it is never given to DEAP.
    """

    def __init__(self, values: Sequence[float] = (), *, weights: tuple[float, ...]) -> None:
        self.weights = weights
        self.crowding_dist = 0.0
        super().__init__(values)

    def __deepcopy__(self, memo: dict[int, object]) -> Fitness:
        copy = Fitness(weights=self.weights)
        copy.wvalues = self.wvalues
        return copy


def fitness(objectives: Mapping[str, float], *, specs: Sequence[ObjectiveSpec]) -> Fitness:
    """The fitness of `objectives` (natural units), in the order of `specs`; empty if one is missing."""
    weights = tuple(spec.weight for spec in specs)
    if any(spec.name not in objectives for spec in specs):
        return Fitness(weights=weights)
    return Fitness([spec.to_fitness(objectives[spec.name]) for spec in specs], weights=weights)


def losses(values: ArrayLike, *, specs: Sequence[ObjectiveSpec]) -> NDArray[np.float64]:
    """`values` (N, M; natural units) as losses (N, M): scaled, 0.0 at the better bound and 1.0 at the worse.

    Values outside the bounds give losses below 0 or above 1.

    Raises:
        ValueError: a value without a finite fitness, or not M columns.
    """
    natural = np.asarray(values, dtype=np.float64)
    if natural.size == 0:
        natural = natural.reshape(0, len(specs))
    if natural.ndim != 2 or natural.shape[1] != len(specs):
        raise ValueError(f"values: expected shape (N, {len(specs)}), got {natural.shape}")
    columns = []
    for spec, column in zip(specs, natural.T, strict=True):
        low, high = (spec.to_fitness(bound) for bound in spec.bounds)
        scaled = np.array([spec.to_fitness(value) for value in column.tolist()], dtype=np.float64)
        best, worst = (high, low) if spec.weight > 0 else (low, high)
        columns.append((scaled - best) / (worst - best))
    return np.stack(columns, axis=1)
