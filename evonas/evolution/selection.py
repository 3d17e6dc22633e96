"""Who survives and who breeds: NSGA-II (Deb et al. 2002), hard constraints by feasibility (Deb 2000)."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from deap import tools

from evonas.evolution.individual import Individual

Standing = tuple[bool, float, float]
"""Sort key of an individual, smaller is better: infeasible; rank or violation; minus crowding distance."""


def survivors(individuals: Sequence[Individual], k: int) -> list[Individual]:
    """The best `k` of `individuals`, one for each architecture id; fewer when there are not that many.

    Feasible ones come first, by non-dominated front and crowding distance in the scaled space (with one
    objective: by that objective, ties by index); then infeasible ones by total violation, ties by index. The
    result does not depend on the order of the input.
    """
    distinct: dict[str, Individual] = {}
    for individual in sorted(individuals, key=lambda i: i.index):
        distinct.setdefault(individual.architecture_id, individual)
    feasible = [i for i in distinct.values() if i.feasible]
    infeasible = sorted((i for i in distinct.values() if not i.feasible), key=lambda i: i.violation)
    chosen = _best_feasible(feasible, k) if feasible else []
    return chosen + infeasible[: max(0, k - len(chosen))]


def _best_feasible(feasible: list[Individual], k: int) -> list[Individual]:
    if len(feasible[0].fitness.wvalues) == 1:
        return sorted(feasible, key=lambda i: -i.fitness.wvalues[0])[:k]
    k = min(k, len(feasible))
    fronts = _fronts(feasible)
    chosen: list[Individual] = []
    while len(chosen) + len(fronts[0]) < k:
        chosen += fronts.pop(0)
    tools.emo.assignCrowdingDist(fronts[0])
    return chosen + sorted(fronts[0], key=lambda i: -i.fitness.crowding_dist)[: k - len(chosen)]


def standings(population: Sequence[Individual]) -> list[Standing]:
    """The standing of each member within `population`, in its order."""
    feasible = [i for i in population if i.feasible]
    keys: dict[int, Standing] = {}
    for rank, front in enumerate(_fronts(feasible)):
        tools.emo.assignCrowdingDist(front)
        for individual in front:
            keys[id(individual)] = (False, float(rank), -individual.fitness.crowding_dist)
    return [keys[id(i)] if i.feasible else (True, i.violation, 0.0) for i in population]


def _fronts(feasible: list[Individual]) -> list[list[Individual]]:
    """The non-dominated fronts, best first, each from its best member in the first objective to its worst.

    What DEAP's `sortLogNondominated` returns, order included, an order of magnitude faster: a steady state sorts for
    every single evaluation. Constraints are not looked at, hence feasible ones only.
    """
    if not feasible:
        return []
    feasible = sorted(feasible, key=lambda i: i.fitness.wvalues, reverse=True)
    gains = np.array([i.fitness.wvalues for i in feasible])
    if gains.shape[1] > 1:
        ranks = moocore.pareto_rank(gains, maximise=True)
    else:
        ranks = np.unique(-gains[:, 0], return_inverse=True)[1]
    fronts: list[list[Individual]] = [[] for _ in range(int(ranks.max()) + 1)]
    for individual, rank in zip(feasible, ranks.tolist(), strict=True):
        fronts[rank].append(individual)
    return fronts


def tournament(
    population: Sequence[Individual],
    *,
    standing: Sequence[Standing],
    size: int,
    rng: np.random.Generator,
    exclude: Individual | None = None,
) -> Individual:
    """The best of `size` different members drawn at random (of all, if there are fewer); `exclude` is not drawn.

    DEAP's tournaments draw from Python's global generator, hence this one. Equals win equally often. Where nobody but
    `exclude` is left, that one is returned.

    Raises:
        ValueError: `population` is empty.
    """
    if not population:
        raise ValueError("population: expected at least one individual, got none")
    candidates = [i for i, member in enumerate(population) if member is not exclude] or [0]
    # Drawn in random order and the first of the best taken, so that no further coin is needed.
    drawn = rng.choice(candidates, size=min(size, len(candidates)), replace=False)
    return population[min(drawn.tolist(), key=lambda i: standing[i])]
