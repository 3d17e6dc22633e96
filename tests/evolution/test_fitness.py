from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from evonas.errors import ConfigError
from evonas.evolution.fitness import Fitness, ObjectiveSpec, fitness, losses


def spec(
    *, direction: str = "max", scale: str = "linear", bounds: tuple[float, float] = (1, 2)
) -> ObjectiveSpec:
    return ObjectiveSpec(name="x", direction=direction, unit="", scale=scale, bounds=bounds)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "maximise"}, "direction must be 'max' or 'min'"),
        ({"scale": "log"}, "scale must be 'linear' or 'log10'"),
        ({"bounds": (2.0, 2.0)}, "low < high"),
        ({"bounds": (3.0, 2.0)}, "low < high"),
        ({"bounds": (0.0, math.inf)}, "finite"),
        ({"bounds": (math.nan, 1.0)}, "finite"),
        ({"bounds": (0.0, 1.0), "scale": "log10"}, "positive in log10"),
    ],
)
def test_a_wrong_objective_is_refused_with_its_name(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"objective 'x': .*{message}"):
        spec(**changes)


def test_the_scale_is_applied_and_the_sign_is_not() -> None:
    assert spec(direction="min", scale="log10").to_fitness(1000.0) == 3.0
    assert spec(direction="min").to_fitness(-7.5) == -7.5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_has_no_fitness(value: float) -> None:
    with pytest.raises(ValueError, match="objective 'x' is"):
        spec().to_fitness(value)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_value_without_logarithm_has_no_fitness(value: float) -> None:
    with pytest.raises(ValueError, match="needs a positive number"):
        spec(scale="log10").to_fitness(value)


def test_deap_sees_larger_as_better_in_every_objective(specs: tuple[ObjectiveSpec, ...]) -> None:
    vector = fitness({"cost": 100.0, "gain": 3.0}, specs=specs)
    assert vector.wvalues == (3.0, -2.0)
    assert vector.dominates(fitness({"cost": 1000.0, "gain": 3.0}, specs=specs))


def test_a_missing_objective_leaves_the_fitness_empty(specs: tuple[ObjectiveSpec, ...]) -> None:
    assert not fitness({"gain": 3.0}, specs=specs).valid


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda f: pickle.loads(pickle.dumps(f))])
def test_a_fitness_copies_with_its_weights_and_class(duplicate: object) -> None:
    original = Fitness((1.0, 2.0), weights=(1.0, -1.0))
    twin = duplicate(original)  # type: ignore[operator]
    assert type(twin) is Fitness
    assert (twin.values, twin.weights) == ((1.0, 2.0), (1.0, -1.0))


def test_losses_run_from_the_better_bound_to_the_worse(specs: tuple[ObjectiveSpec, ...]) -> None:
    assert losses([[32.0, 1.0], [0.0, 10_000.0], [16.0, 100.0]], specs=specs).tolist() == [
        [0.0, 0.0],
        [1.0, 1.0],
        [0.5, 0.5],
    ]


def test_no_values_have_no_losses(specs: tuple[ObjectiveSpec, ...]) -> None:
    assert losses([], specs=specs).shape == (0, 2)


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 2)])
def test_values_of_the_wrong_shape_are_refused_not_reshaped(
    shape: tuple[int, ...], specs: tuple[ObjectiveSpec, ...]
) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(N, 2\)"):
        losses(np.ones(shape), specs=specs)
