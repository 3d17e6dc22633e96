"""A small space of digit strings with closed-form objectives, and factories for individuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec, fitness
from evonas.evolution.individual import Individual

GAIN = ObjectiveSpec(name="gain", direction="max", unit="points", scale="linear", bounds=(0.0, 32.0))
COST = ObjectiveSpec(name="cost", direction="min", unit="bytes", scale="log10", bounds=(1.0, 10_000.0))
DEPTH = ObjectiveSpec(name="depth", direction="min", unit="layers", scale="linear", bounds=(0.0, 10.0))


class DigitSpace:
    """Tuples of `length` digits below `base`; the genome is only touched by these methods."""

    name = "digits"

    def __init__(self, *, length: int = 6, base: int = 5) -> None:
        self.length, self.base = length, base

    def sample(self, *, rng: np.random.Generator) -> tuple[int, ...]:
        return tuple(int(digit) for digit in rng.integers(self.base, size=self.length))

    def mutate(self, genome: tuple[int, ...], *, rng: np.random.Generator) -> tuple[int, ...]:
        place = int(rng.integers(self.length))
        digit = (genome[place] + 1 + int(rng.integers(self.base - 1))) % self.base
        return (*genome[:place], digit, *genome[place + 1 :])

    def crossover(
        self, a: tuple[int, ...], b: tuple[int, ...], *, rng: np.random.Generator
    ) -> tuple[int, ...]:
        mask = rng.random(self.length) < 0.5
        return tuple(x if first else y for x, y, first in zip(a, b, mask, strict=True))

    def architecture_id(self, genome: tuple[int, ...]) -> str:
        return "".join(map(str, genome))

    def to_dict(self, genome: tuple[int, ...]) -> dict[str, Any]:
        return {"digits": list(genome)}

    def from_dict(self, data: dict[str, Any]) -> tuple[int, ...]:
        return tuple(data["digits"])


def score(genome: Sequence[int]) -> dict[str, float]:
    """Two objectives that conflict: the sum of the digits, and a cost that grows faster with later digits."""
    return {
        "gain": float(sum(genome)) + 0.1 * genome[0],
        "cost": 1.0 + sum(d * (i + 1.5) for i, d in enumerate(genome)),
        "depth": float(sum(d > 0 for d in genome)),
    }


@pytest.fixture(scope="session")
def gain() -> ObjectiveSpec:
    return GAIN


@pytest.fixture(scope="session")
def cost() -> ObjectiveSpec:
    return COST


@pytest.fixture(scope="session")
def specs() -> tuple[ObjectiveSpec, ...]:
    return (GAIN, COST)


@pytest.fixture(scope="session")
def three_specs() -> tuple[ObjectiveSpec, ...]:
    return (GAIN, COST, DEPTH)


@pytest.fixture(scope="session")
def space() -> DigitSpace:
    return DigitSpace()


@pytest.fixture(scope="session")
def tiny_space() -> DigitSpace:
    """Four architectures in all."""
    return DigitSpace(length=2, base=2)


Evaluate = Callable[[Sequence[Proposal]], list[Evaluation]]


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """Every proposal succeeds."""

    def run(proposals: Sequence[Proposal]) -> list[Evaluation]:
        return [Evaluation(status="ok", objectives=score(p.genome)) for p in proposals]  # type: ignore[arg-type]

    return run


@pytest.fixture(scope="session")
def make() -> Callable[..., Individual]:
    """`make(gain, cost, ...)`: an individual; id and index follow `index` unless given."""

    def individual(
        gain: float = 1.0,
        cost: float = 10.0,
        *,
        depth: float = 1.0,
        index: int = 0,
        violation: float = 0.0,
        architecture_id: str | None = None,
        specs: Sequence[ObjectiveSpec] = (GAIN, COST),
    ) -> Individual:
        objectives = {"gain": gain, "cost": cost, "depth": depth}
        return Individual(
            genome=(index,),
            architecture_id=f"a{index}" if architecture_id is None else architecture_id,
            index=index,
            generation=0,
            objectives=objectives,
            violation=violation,
            fitness=fitness(objectives, specs=specs),
        )

    return individual
