from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from deap import tools
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import Individual
from evonas.evolution.selection import standings, survivors, tournament

Make = Callable[..., Individual]
Specs = tuple[ObjectiveSpec, ...]
small = st.integers(1, 4).map(float)
triples = st.lists(
    st.tuples(small, small, small, st.sampled_from([0.0, 0.0, 0.5, 1.0])), min_size=1, max_size=14
)


def crowd(rows: Sequence[tuple[float, float, float, float]], *, make: Make, specs: Specs) -> list[Individual]:
    return [make(g, c, depth=d, violation=v, index=i, specs=specs) for i, (g, c, d, v) in enumerate(rows)]


def ranks_by_peeling(members: Sequence[Individual]) -> dict[int, int]:
    """The rank of each index by the definition: peel off the non-dominated ones again and again."""
    left, ranks, rank = list(members), {}, 0
    while left:
        front = [i for i in left if not any(o.fitness.dominates(i.fitness) for o in left)]
        ranks.update({i.index: rank for i in front})
        left = [i for i in left if i.index not in ranks]
        rank += 1
    return ranks


def test_a_feasible_one_beats_a_better_infeasible_one(make: Make) -> None:
    poor, rich = make(0.1, 9000.0, index=0), make(30.0, 1.0, index=1, violation=1e-9)
    assert survivors([rich, poor], 1) == [poor]
    standing = standings([rich, poor])
    for seed in range(20):
        winner = tournament([rich, poor], standing=standing, size=2, rng=np.random.default_rng(seed))
        assert winner is poor


def test_of_two_infeasible_ones_the_smaller_violation_wins(make: Make) -> None:
    near, far = make(0.1, 9000.0, index=0, violation=0.1), make(30.0, 1.0, index=1, violation=0.2)
    assert survivors([far, near], 1) == [near]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert tournament([far, near], standing=standings([far, near]), size=2, rng=rng) is near


@settings(deadline=None)
@given(rows=triples, k=st.integers(1, 16))
def test_survivors_are_the_best_by_feasibility_rank_and_violation(
    rows: list[tuple[float, float, float, float]], k: int, make: Make, three_specs: Specs
) -> None:
    members = crowd(rows, make=make, specs=three_specs)
    ranks = ranks_by_peeling([i for i in members if i.feasible])

    def merit(i: Individual) -> tuple[bool, float]:
        return (not i.feasible, ranks[i.index] if i.feasible else i.violation)

    chosen = survivors(members, k)
    assert len(chosen) == min(k, len(members)) == len({i.index for i in chosen})
    left = [i for i in members if i not in chosen]
    assert all(merit(c) <= merit(other) for c in chosen for other in left)


@settings(deadline=None)
@given(rows=triples, k=st.integers(1, 16), order=st.randoms(use_true_random=False))
def test_survivors_do_not_depend_on_the_order_they_came_in(
    rows: list[tuple[float, float, float, float]],
    k: int,
    order: random.Random,
    make: Make,
    three_specs: Specs,
) -> None:
    members = crowd(rows, make=make, specs=three_specs)
    shuffled = order.sample(members, len(members))
    assert survivors(shuffled, k) == survivors(members, k)


@settings(deadline=None)
@given(rows=triples, k=st.integers(1, 16), n_objectives=st.sampled_from([2, 3]))
def test_feasible_survivors_are_those_of_deaps_nsga2_in_its_order(
    rows: list[tuple[float, float, float, float]], k: int, n_objectives: int, make: Make, three_specs: Specs
) -> None:
    members = crowd([(g, c, d, 0.0) for g, c, d, _ in rows], make=make, specs=three_specs[:n_objectives])
    chosen = tools.selNSGA2(members, min(k, len(members)), nd="log")
    assert [i.index for i in survivors(members, k)] == [i.index for i in chosen]


@settings(deadline=None)
@given(rows=triples)
def test_crowding_in_standings_is_that_of_deaps_fronts(
    rows: list[tuple[float, float, float, float]], make: Make, three_specs: Specs
) -> None:
    members = crowd([(g, c, d, 0.0) for g, c, d, _ in rows], make=make, specs=three_specs)
    expected = {}
    for rank, front in enumerate(tools.sortLogNondominated(members, len(members))):
        tools.emo.assignCrowdingDist(front)
        expected |= {i.index: (False, float(rank), -i.fitness.crowding_dist) for i in front}
    assert standings(members) == [expected[i.index] for i in members]


@settings(deadline=None)
@given(rows=triples)
def test_standings_follow_the_definition_of_non_dominated_rank(
    rows: list[tuple[float, float, float, float]], make: Make, three_specs: Specs
) -> None:
    members = crowd(rows, make=make, specs=three_specs)
    ranks = ranks_by_peeling([i for i in members if i.feasible])
    for individual, (infeasible, level, _) in zip(members, standings(members), strict=True):
        assert infeasible != individual.feasible
        assert level == (ranks[individual.index] if individual.feasible else individual.violation)


def test_crowding_is_measured_in_the_scaled_space(make: Make) -> None:
    # Evenly spaced in log10 of the cost: in natural units the second would look crowded against the third.
    costs = [1.0, 10.0, 100.0, 1000.0]
    front = [make(float(i), cost, index=i) for i, cost in enumerate(costs)]
    distances = [-minus for _, _, minus in standings(front)]
    assert distances[0] == distances[3] == np.inf
    assert distances[1] == pytest.approx(distances[2]) == pytest.approx(2 / 3)


def test_the_most_crowded_of_a_front_goes_first(make: Make) -> None:
    front = [make(g, 10.0**g, index=i) for i, g in enumerate([0.0, 2.0, 2.1, 2.2, 4.0])]
    assert sorted(i.index for i in survivors(front, 4)) == [0, 1, 3, 4]


def test_one_objective_is_a_plain_sort_with_ties_by_index(make: Make, gain: ObjectiveSpec) -> None:
    rows = [(1.0, 5), (3.0, 4), (3.0, 2), (2.0, 1)]
    members = [make(g, index=i, specs=(gain,)) for g, i in rows]
    assert [i.index for i in survivors(members, 3)] == [2, 4, 1]
    assert [level for _, level, _ in standings(members)] == [2.0, 0.0, 0.0, 1.0]


def test_one_minimised_objective_is_sorted_downwards(make: Make, cost: ObjectiveSpec) -> None:
    members = [make(1.0, c, index=i, specs=(cost,)) for i, c in enumerate([10.0, 1.0, 100.0])]
    assert [i.index for i in survivors(members, 2)] == [1, 0]


def test_an_architecture_survives_once_and_the_first_stays(make: Make) -> None:
    twins = [make(2.0, 2.0, index=i, architecture_id="same") for i in (5, 3)]
    other = make(1.0, 3.0, index=9)
    assert [i.index for i in survivors([*twins, other], 3)] == [3, 9]


def test_nobody_survives_of_nobody() -> None:
    assert survivors([], 4) == []
    assert standings([]) == []


def test_equals_win_equally_often(make: Make) -> None:
    pair = [make(1.0, 1.0, index=0, violation=0.5), make(1.0, 1.0, index=1, violation=0.5)]
    standing = standings(pair)
    winners = [
        tournament(pair, standing=standing, size=2, rng=np.random.default_rng(s)).index for s in range(60)
    ]
    assert 15 < sum(winners) < 45


def test_the_less_crowded_of_one_front_wins_a_tournament(make: Make) -> None:
    front = [make(g, 10.0**g, index=i) for i, g in enumerate([0.0, 1.9, 2.0, 2.1, 4.0])]
    standing = standings(front)
    ends, middle = front[0], front[2]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert tournament([ends, middle], standing=[standing[0], standing[2]], size=2, rng=rng) is ends


def test_a_tournament_of_everyone_is_won_by_the_best_and_a_tournament_of_one_by_anyone(make: Make) -> None:
    line = [make(float(i), 10.0, index=i) for i in range(6)]
    standing = standings(line)
    rngs = [np.random.default_rng(seed) for seed in range(60)]
    assert {tournament(line, standing=standing, size=9, rng=rng).index for rng in rngs} == {5}
    assert {tournament(line, standing=standing, size=1, rng=rng).index for rng in rngs} == set(range(6))


def test_a_tournament_never_draws_the_excluded_one(make: Make) -> None:
    members = [make(float(i), 10.0, index=i) for i in range(4)]
    standing = standings(members)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        assert tournament(members, standing=standing, size=2, rng=rng, exclude=members[3]) is not members[3]
    alone = tournament(
        members[:1], standing=standing[:1], size=2, rng=np.random.default_rng(0), exclude=members[0]
    )
    assert alone is members[0]


def test_a_tournament_of_nobody_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one individual"):
        tournament([], standing=[], size=2, rng=np.random.default_rng(0))


def test_the_tournament_leaves_the_global_generators_alone(make: Make) -> None:
    members = [make(float(i), 10.0, index=i) for i in range(5)]
    random.seed(1)
    np.random.seed(1)
    before = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[union-attr]
    tournament(members, standing=standings(members), size=2, rng=np.random.default_rng(3))
    survivors(members, 2)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[union-attr]
