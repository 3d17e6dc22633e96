from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.errors import ConfigError
from evonas.evaluation.memory import RememberingQueue
from evonas.evolution.evaluation import DirectQueue, Evaluation, EvaluationQueue, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import Generation, evolve, make_toolbox
from evonas.evolution.state import EvolutionState, asked, from_dict, to_dict
from evonas.evolution.strategies import Rhythm, strategy
from evonas.evolution.strategies.steady_state import SteadyState

Specs = tuple[ObjectiveSpec, ...]
Evaluate = Callable[[Sequence[Proposal]], list[Evaluation]]
POPULATION, GENERATIONS = 6, 6
N_TOLD = POPULATION * (GENERATIONS + 1)


def search(
    *,
    space: Any,
    queue: EvaluationQueue,
    specs: Specs,
    lag: int | None,
    generations: int = GENERATIONS,
    state: EvolutionState | None = None,
    steady: SteadyState | None = None,
    **more: Any,
) -> tuple[EvolutionState, list[Proposal]]:
    """The last state, and all proposals that were told."""
    told: list[Proposal] = []

    def note(generation: Generation) -> None:
        told.extend(generation.proposals)

    final, _ = evolve(
        toolbox=make_toolbox(space=space),
        queue=queue,
        strategy=steady or strategy("steady_state"),
        state=state or EvolutionState(),
        specs=specs,
        generations=generations,
        population=POPULATION,
        seed=4,
        lag=lag,
        on_generation=note,
        **more,
    )
    return final, told


def direct(evaluate: Evaluate) -> DirectQueue:
    return DirectQueue(lambda proposal: evaluate([proposal])[0])


class AnyOrder:
    """An executor on which any of what is under way may be finished next."""

    def __init__(self, evaluate: Evaluate, order: random.Random) -> None:
        self.evaluate, self.order = evaluate, order
        self.waiting: list[tuple[int, Any]] = []
        self.most_waiting = 0

    def submit(self, position: int, genome: Any) -> None:
        self.waiting.append((position, genome))
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    def finished(self) -> list[tuple[int, Evaluation]]:
        n = self.order.randint(1, len(self.waiting))
        self.order.shuffle(self.waiting)
        done, self.waiting = self.waiting[:n], self.waiting[n:]
        return [(i, self.evaluate([Proposal(i, 0, genome, "")])[0]) for i, genome in done]

    def __enter__(self) -> AnyOrder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@settings(deadline=None, max_examples=40)
@given(lag=st.integers(1, 20), order=st.randoms(use_true_random=False))
def test_the_search_is_the_same_whatever_is_finished_first(
    lag: int, order: random.Random, space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    executor = AnyOrder(evaluate, order)
    found = search(space=space, queue=RememberingQueue(executor), specs=specs, lag=lag)
    assert found == search(space=space, queue=direct(evaluate), specs=specs, lag=lag)
    assert executor.most_waiting <= lag


@settings(deadline=None, max_examples=60)
@given(lag=st.integers(1, 12), first=st.integers(0, N_TOLD - 1), gain=st.floats(0.0, 32.0))
def test_a_proposal_knows_nothing_of_the_evaluations_less_than_a_lag_before_it(
    lag: int, first: int, gain: float, space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    def other(proposals: Sequence[Proposal]) -> list[Evaluation]:
        changed = {"gain": gain, "cost": 1.0}
        return [
            Evaluation("ok", changed) if p.index >= first else e
            for p, e in zip(proposals, evaluate(proposals), strict=True)
        ]

    _, plain = search(space=space, queue=direct(evaluate), specs=specs, lag=lag)
    _, changed = search(space=space, queue=direct(other), specs=specs, lag=lag)
    assert changed[: first + lag] == plain[: first + lag]


@pytest.mark.parametrize("lag", [1, 4, 9])
def test_a_proposal_knows_of_the_evaluation_exactly_a_lag_before_it(
    lag: int, space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    def with_star(index: int) -> Evaluate:
        def star(proposals: Sequence[Proposal]) -> list[Evaluation]:
            best = Evaluation("ok", {"gain": 31.9, "cost": 1.0})  # dominates all else, so it alone breeds
            return [best if p.index == index else evaluate([p])[0] for p in proposals]

        return star

    index, everyone = 10, SteadyState(n_contenders=POPULATION)
    _, told = search(space=space, queue=direct(with_star(index)), specs=specs, lag=lag, steady=everyone)
    star = told[index].architecture_id
    children = [p.index for p in told if star in p.parents]
    assert min(children) == index + lag


def test_a_lag_of_one_is_the_sequential_algorithm(space: Any, evaluate: Evaluate, specs: Specs) -> None:
    toolbox, steady, state = make_toolbox(space=space), SteadyState(), EvolutionState()
    expected: list[Proposal] = []
    for _ in range(N_TOLD):
        seen = {p.architecture_id for p in expected}
        new = steady.ask(state, toolbox=toolbox, n=1, size=POPULATION, seed=4, seen=seen)
        state = steady.tell(
            asked(state, new), new, evaluate(new), toolbox=toolbox, specs=specs, size=POPULATION
        )
        expected += new
    final, told = search(space=space, queue=direct(evaluate), specs=specs, lag=1)
    assert told == expected
    assert (final.population, final.pending) == (state.population, ())


@pytest.mark.parametrize(("lag", "n_random"), [(1, 6), (6, 6), (9, 9)])
def test_the_first_population_and_whatever_comes_before_an_evaluation_is_sampled(
    lag: int, n_random: int, space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    _, told = search(space=space, queue=direct(evaluate), specs=specs, lag=lag)
    assert [p.index for p in told if not p.parents] == list(range(n_random))
    assert [p.index for p in told] == list(range(N_TOLD))
    assert [p.generation for p in told] == [i // POPULATION for i in range(N_TOLD)]
    assert len({p.architecture_id for p in told}) == N_TOLD


def test_without_a_lag_it_is_the_population() -> None:
    assert SteadyState().rhythm(population=7, lag=None) == Rhythm(batch=1, lag=7)
    assert SteadyState().rhythm(population=7, lag=3) == Rhythm(batch=1, lag=3)


def test_a_lag_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"evolution\.lag: expected at least 1, got 0"):
        SteadyState().rhythm(population=7, lag=0)


@pytest.mark.parametrize("name", ["nsga2", "random"])
def test_strategies_that_wait_for_whole_generations_refuse_a_lag(name: str) -> None:
    assert strategy(name).rhythm(population=7, lag=None) == Rhythm(batch=7, lag=7)
    with pytest.raises(ConfigError, match=r"evolution\.lag: .* takes no lag, got 4; .*steady_state"):
        strategy(name).rhythm(population=7, lag=4)


@pytest.mark.parametrize("lag", [1, 4, 15])
@pytest.mark.parametrize("stop", [0, 1, 4])
def test_a_search_resumed_through_json_goes_on_with_what_was_pending(
    lag: int, stop: int, space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    whole, told = search(space=space, queue=direct(evaluate), specs=specs, lag=lag)
    half, first = search(space=space, queue=direct(evaluate), specs=specs, lag=lag, generations=stop)
    assert len(half.pending) == lag - 1
    again = from_dict(json.loads(json.dumps(to_dict(half, space=space))), space=space, specs=specs)
    final, rest = search(
        space=space,
        queue=direct(evaluate),
        specs=specs,
        lag=lag,
        state=again,
        seen=[p.architecture_id for p in first],
    )
    assert [*first, *rest] == told
    assert final == whole


def test_nothing_beyond_the_last_generation_is_evaluated(
    space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    ran: list[int] = []

    class Noting(DirectQueue):
        def submit(self, proposal: Proposal, /) -> None:
            ran.append(proposal.index)
            super().submit(proposal)

    final, _ = search(
        space=space, queue=Noting(lambda p: evaluate([p])[0]), specs=specs, lag=15, generations=2
    )
    assert ran == list(range(18))
    assert [p.index for p in final.pending] == list(range(18, 32))


def test_initial_genomes_come_first_and_are_not_drawn_again(
    space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    _, plain = search(space=space, queue=direct(evaluate), specs=specs, lag=2)
    given_ones = [plain[4].genome, (0, 0, 0, 0, 0, 1)]
    _, mixed = search(space=space, queue=direct(evaluate), specs=specs, lag=2, initial=given_ones)
    assert [p.genome for p in mixed[:2]] == given_ones
    assert mixed[2:4] == plain[2:4]
    assert len({p.architecture_id for p in mixed}) == N_TOLD


def test_nothing_that_failed_or_is_not_finite_breeds_or_is_kept(
    space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    spoilt = {
        0: Evaluation("ok", {"gain": math.nan, "cost": 1.0}),
        1: Evaluation("failed", {"gain": 31.0, "cost": 1.0}),
        2: Evaluation("timeout"),
        3: Evaluation("worker_died"),
    }

    def spoil(proposal: Proposal) -> Evaluation:
        return spoilt.get(proposal.index % 5, evaluate([proposal])[0])

    final, told = search(space=space, queue=DirectQueue(spoil), specs=specs, lag=3)
    assert {i.index % 5 for i in (*final.population, *final.archive)} == {4}
    good = {p.architecture_id for p in told if p.index % 5 == 4}
    assert good >= {parent for p in told for parent in p.parents}


def test_a_search_in_which_everything_fails_goes_on_sampling(space: Any, specs: Specs) -> None:
    final, told = search(space=space, queue=DirectQueue(lambda p: Evaluation("failed")), specs=specs, lag=4)
    assert (final.population, final.archive) == ((), ())
    assert not any(p.parents for p in told)
    assert len({p.architecture_id for p in told}) == N_TOLD


def test_the_feasible_region_is_found_by_descending_the_violation(
    space: Any, evaluate: Evaluate, specs: Specs
) -> None:
    def constrained(proposal: Proposal) -> Evaluation:
        found = evaluate([proposal])[0]
        excess = 22 - found.objectives["gain"]
        return Evaluation("infeasible", violation=excess) if excess > 0 else found

    final, _ = search(space=space, queue=DirectQueue(constrained), specs=specs, lag=4, generations=25)
    assert final.archive
    assert all(i.objectives["gain"] >= 22 for i in final.archive)
    assert all(i.feasible for i in final.population)
