from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.evolution import archive
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import Individual

Make = Callable[..., Individual]
Specs = tuple[ObjectiveSpec, ...]
small = st.integers(1, 5).map(float)
rows = st.lists(st.tuples(small, small, small, st.sampled_from([0.0, 0.0, 0.3])), max_size=20)
UNIT = (
    ObjectiveSpec(name="x", direction="min", unit="", scale="linear", bounds=(0.0, 1.0)),
    ObjectiveSpec(name="y", direction="min", unit="", scale="linear", bounds=(0.0, 1.0)),
)
CUBE = (*UNIT, ObjectiveSpec(name="z", direction="max", unit="", scale="linear", bounds=(0.0, 1.0)))


def dominates(a: Individual, b: Individual, *, specs: Specs) -> bool:
    pairs = [
        (s.weight * x, s.weight * y) for s, x, y in zip(specs, a.values(specs), b.values(specs), strict=True)
    ]
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


@settings(deadline=None)
@given(rows=rows, cut=st.integers(0, 20), order=st.randoms(use_true_random=False))
def test_members_never_dominate_each_other_and_nothing_better_is_left_out(
    rows: list[tuple[float, float, float, float]],
    cut: int,
    order: random.Random,
    make: Make,
    three_specs: Specs,
) -> None:
    everyone = [
        make(g, c, depth=d, violation=v, index=i, specs=three_specs) for i, (g, c, d, v) in enumerate(rows)
    ]
    arriving = order.sample(everyone, len(everyone))
    # In two instalments, in any order: the archive of all must come out.
    members = archive.update(archive.update((), arriving[:cut], three_specs), arriving[cut:], three_specs)
    expected = [
        i
        for i in everyone
        if i.feasible and not any(dominates(o, i, specs=three_specs) for o in everyone if o.feasible)
    ]
    assert sorted(i.index for i in members) == [i.index for i in expected]
    assert not any(dominates(a, b, specs=three_specs) for a, b in itertools.permutations(members, 2))
    assert members == archive.update((), everyone, three_specs)


def test_the_archive_is_sorted_from_the_best_of_the_first_objective_then_by_id(
    make: Make, specs: Specs
) -> None:
    members = [
        make(1.0, 1.0, index=0),
        make(3.0, 9.0, index=2),
        make(3.0, 9.0, index=1),
        make(2.0, 4.0, index=3),
    ]
    assert [i.architecture_id for i in archive.update((), members, specs)] == ["a1", "a2", "a3", "a0"]


def test_an_architecture_is_kept_once_and_the_earliest_stays(make: Make, specs: Specs) -> None:
    later, earlier = (make(1.0, 1.0, index=i, architecture_id="same") for i in (4, 2))
    assert [i.index for i in archive.update((later,), [earlier], specs)] == [2]


def test_an_infeasible_one_never_enters(make: Make, specs: Specs) -> None:
    assert archive.update((), [make(30.0, 1.0, violation=1e-12)], specs) == ()


def test_values_that_only_the_scale_rounds_together_are_told_apart(make: Make, specs: Specs) -> None:
    close = np.nextafter(1000.0, 2000.0)
    worse, better = make(1.0, float(close), index=0), make(1.0, 1000.0, index=1)
    assert worse.fitness == better.fitness
    assert archive.update((), [worse, better], specs) == (better,)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0.0),
        ([[0.0, 0.0]], 1.0),
        ([[0.5, 0.5]], 0.25),
        ([[0.2, 0.6], [0.6, 0.2]], 0.8 * 0.4 + 0.4 * 0.4),
        ([[0.2, 0.6], [0.6, 0.2], [0.7, 0.7]], 0.8 * 0.4 + 0.4 * 0.4),
        ([[1.0, 0.0]], 0.0),
        ([[-3.0, 0.5]], 0.5),
        ([[0.5, 2.0]], 0.0),
    ],
    ids=["none", "ideal", "one", "two", "dominated", "on the edge", "beyond the better", "beyond the worse"],
)
def test_the_hypervolume_in_the_unit_square_is_the_area_computed_by_hand(
    values: list[list[float]], expected: float
) -> None:
    assert archive.hypervolume(values, UNIT) == pytest.approx(expected, abs=1e-15)


def test_the_hypervolume_of_two_boxes_in_three_dimensions_is_their_union() -> None:
    # Gains (0.5, 0.5, 1) and (1, 0.5, 0.5) from the worst corner: 0.25 + 0.25 - 0.125.
    assert archive.hypervolume([[0.5, 0.5, 1.0], [0.0, 0.5, 0.5]], CUBE) == pytest.approx(0.375)


def test_the_hypervolume_of_one_objective_is_the_best_normalised_gain(gain: ObjectiveSpec) -> None:
    assert archive.hypervolume([[8.0], [24.0], [3.0]], (gain,)) == pytest.approx(0.75)


def test_the_hypervolume_uses_the_scale_and_the_direction(specs: Specs) -> None:
    # gain 16 of 0..32: a half; cost 100 in 1..10000: half the decades are saved.
    assert archive.hypervolume([[16.0, 100.0]], specs) == pytest.approx(0.25)


def test_the_hypervolume_refuses_what_moocore_would_skip(specs: Specs) -> None:
    with pytest.raises(ValueError, match="objective 'gain' is nan"):
        archive.hypervolume([[float("nan"), 10.0]], specs)


points = st.lists(st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)), max_size=8)


@settings(deadline=None)
@given(values=points, extra=points)
def test_more_points_never_dominate_less(
    values: list[tuple[float, float, float]], extra: list[tuple[float, float, float]]
) -> None:
    less, more = archive.hypervolume(values, CUBE), archive.hypervolume([*values, *extra], CUBE)
    assert 0.0 <= less <= more + 1e-12
    assert more <= 1.0 + 1e-12


@settings(deadline=None)
@given(values=points.filter(bool))
def test_the_archive_dominates_as_much_as_everything_it_saw(
    values: list[tuple[float, float, float]], make: Make, three_specs: Specs
) -> None:
    everyone = [
        make(g, 10 + 10 * c, depth=d, index=i, specs=three_specs) for i, (g, c, d) in enumerate(values)
    ]
    kept = [i.values(three_specs) for i in archive.update((), everyone, three_specs)]
    seen = [i.values(three_specs) for i in everyone]
    assert archive.hypervolume(kept, three_specs) == pytest.approx(archive.hypervolume(seen, three_specs))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.3, 0.3]], 0),
        ([[0.9, 0.1], [0.1, 0.9]], 1),
        ([[0.1, 0.9], [0.9, 0.1]], 0),
        ([[0.0, 1.0], [0.1, 0.3], [1.0, 0.0]], 1),
        ([[0.0, 1.0], [0.45, 0.45], [0.1, 0.3], [1.0, 0.0]], 2),
        ([[0.0, 1.0], [0.9, 0.9], [0.6, 0.8], [1.0, 0.0]], 2),
        ([[0.0, 1.0], [0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], 1),
        ([[0.5, 0.5], [0.5, 0.5]], 0),
    ],
    ids=["one", "two", "two reversed", "convex", "two inside", "concave", "straight", "all equal"],
)
def test_the_knee_in_two_objectives(values: list[list[float]], expected: int) -> None:
    assert archive.knee(values, UNIT) == expected


def test_the_knee_of_three_objectives_bulges_from_the_plane_of_the_extremes() -> None:
    extremes = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    shallow, deep = [0.6, 0.6, 0.4], [0.4, 0.4, 0.4]
    assert archive.knee([*extremes, shallow, deep], CUBE) == 4


def test_the_knee_stands_when_one_point_is_best_in_two_objectives() -> None:
    # y and z go together, so there are two extremes and no plane through three: the least sum of losses.
    values = [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.2, 0.5, 0.5], [0.3, 0.2, 0.8]]
    assert archive.knee(values, CUBE) == 3


@settings(deadline=None)
@given(
    gains=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=9, unique=True),
    stretch=st.floats(0.5, 4.0),
    shift=st.floats(-1.0, 1.0),
)
def test_the_knee_does_not_depend_on_the_bounds(gains: list[float], stretch: float, shift: float) -> None:
    values = [[x, (1.0 - x) ** 3] for x in sorted(gains)]
    other = ObjectiveSpec(name="x", direction="min", unit="", scale="linear", bounds=(shift, shift + stretch))
    index, moved = archive.knee(values, UNIT), archive.knee(values, (other, UNIT[1]))
    assert values[index] == pytest.approx(values[moved], abs=1e-5)


def test_an_empty_front_has_no_knee() -> None:
    with pytest.raises(ValueError, match="without points"):
        archive.knee([], UNIT)
