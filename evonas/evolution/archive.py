"""The non-dominated set of a run, the volume it dominates, and its knee."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evonas.evolution.fitness import ObjectiveSpec, losses
from evonas.evolution.individual import Individual


def update(
    archive: Sequence[Individual], individuals: Iterable[Individual], specs: Sequence[ObjectiveSpec]
) -> tuple[Individual, ...]:
    """The non-dominated feasible members of both, one for each architecture id (the earliest).

    Dominance is taken on natural values, so that two values which only rounding in the scale makes equal stay
    apart; members with equal values all stay. Sorted from best to worst in the first objective, then the
    next, then by id.
    """
    distinct: dict[str, Individual] = {}
    for individual in sorted([*archive, *individuals], key=lambda i: i.index):
        if individual.feasible:
            distinct.setdefault(individual.architecture_id, individual)
    if not distinct:
        return ()
    members = list(distinct.values())
    signs = np.array([spec.weight for spec in specs])
    gains = np.array([member.values(specs) for member in members], dtype=np.float64) * signs
    kept = moocore.is_nondominated(gains, maximise=True, keep_weakly=True)
    order = sorted(np.flatnonzero(kept).tolist(), key=lambda i: (*(-gains[i]), members[i].architecture_id))
    return tuple(members[i] for i in order)


def hypervolume(values: ArrayLike, specs: Sequence[ObjectiveSpec]) -> float:
    """The share, in [0, 1], of the box between the bounds that `values` (N, M; natural units) dominates.

    Each objective is scaled, normalised by its fixed bounds and clipped to them; the reference point is the
    worst corner (Zitzler & Thiele 1999). No points dominate nothing: 0.0.

    Raises:
        ValueError: a value without a finite fitness, which moocore would skip without a word.
    """
    points = np.clip(losses(values, specs=specs), 0.0, 1.0)
    if len(points) == 0:
        return 0.0
    return float(moocore.hypervolume(points, ref=np.ones(len(specs))))


def knee(values: ArrayLike, specs: Sequence[ObjectiveSpec]) -> int:
    """The row of the front `values` (N, M; natural units) farthest from the plane through its extremes.

    Measured in scaled space, each objective normalised by the front's own range, and towards the ideal point:
    the point where the front bulges most (Das 1999). The extremes themselves are considered only when nothing
    else is there. Degenerate fronts: where the extremes span no plane that faces the ideal point (fewer than
    M different extremes, a common one when objectives go together, or coplanar ones) the plane of equal
    weights takes its place, so that the least sum of normalised losses wins; ties, two points of two
    objectives among them, go to the one better in the first objective, then in the next, then to the lower
    row. A single point is its own knee.

    Raises:
        ValueError: no rows, or a value without a finite fitness.
    """
    points = losses(values, specs=specs)
    if len(points) == 0:
        raise ValueError("values: a front without points has no knee")
    points = points - points.min(axis=0)
    ranges = points.max(axis=0)
    points = points / np.where(ranges > 0, ranges, 1.0)
    # An extreme is best in one objective; among equals the one that gives up least elsewhere.
    extremes = [
        min(range(len(points)), key=lambda i: (points[i, m], points[i].sum())) for m in range(len(specs))
    ]
    normal = _normal(points[extremes])
    # Rounded, so that the two ends of a straight front tie instead of being told apart by the last bit.
    distance = np.round((1.0 - points @ normal) / np.linalg.norm(normal), 12)
    inside = (points[:, None] != points[extremes]).any(axis=2).all(axis=1)
    candidates = np.flatnonzero(inside).tolist() or list(range(len(points)))
    return min(candidates, key=lambda i: (-distance[i], *points[i], i))


def _normal(extremes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The n with ``n . x = 1`` for the rows x of `extremes` (M, M); ones where that plane faces no ideal."""
    equal_weights = np.ones(len(extremes))
    if np.linalg.matrix_rank(extremes) < len(extremes):
        return equal_weights
    normal = np.asarray(np.linalg.solve(extremes, equal_weights), dtype=np.float64)
    return normal if (normal > 0).all() else equal_weights
