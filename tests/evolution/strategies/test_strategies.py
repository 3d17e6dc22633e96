"""What holds for every registered strategy."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import make_toolbox
from evonas.evolution.state import EvolutionState, asked
from evonas.evolution.strategies import STRATEGIES, Strategy, strategy
from genomes.errors import UnknownNameError
from genomes.registry import load_modules

load_modules("evonas.evolution.strategies")
Specs = tuple[ObjectiveSpec, ...]
Evaluate = Callable[[Sequence[Proposal]], list[Evaluation]]


@pytest.fixture(params=STRATEGIES.names())
def any_strategy(request: pytest.FixtureRequest) -> Strategy:
    return strategy(request.param)


def turn(
    search: Strategy,
    state: EvolutionState,
    *,
    toolbox: Any,
    evaluate: Evaluate,
    specs: Specs,
    size: int = 6,
    seen: set[str],
) -> tuple[EvolutionState, list[Proposal]]:
    proposals = search.ask(state, toolbox=toolbox, n=size, size=size, seed=3, seen=seen)
    state = asked(state, proposals)
    return search.tell(
        state, proposals, evaluate(proposals), toolbox=toolbox, specs=specs, size=size
    ), proposals


def test_the_published_strategies_are_registered() -> None:
    assert STRATEGIES.names() == ["nsga2", "random", "steady_state"]


def test_a_misspelt_strategy_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown strategy 'nsga3'; did you mean 'nsga2'"):
        strategy("nsga3")


def test_asking_twice_gives_the_same_and_touches_no_global_generator(
    any_strategy: Strategy, space: Any, evaluate: Any, specs: Specs
) -> None:
    toolbox = make_toolbox(space=space)
    state, proposals = turn(
        any_strategy, EvolutionState(), toolbox=toolbox, evaluate=evaluate, specs=specs, seen=set()
    )
    seen = {p.architecture_id for p in proposals}
    random.seed(0)
    np.random.seed(0)
    first = any_strategy.ask(state, toolbox=toolbox, n=6, size=6, seed=3, seen=seen)
    drawn = (random.random(), np.random.random())
    random.seed(0)
    np.random.seed(0)
    assert (random.random(), np.random.random()) == drawn
    assert any_strategy.ask(state, toolbox=toolbox, n=6, size=6, seed=3, seen=seen) == first
    assert any_strategy.ask(state, toolbox=toolbox, n=6, size=6, seed=4, seen=seen) != first


def test_proposals_avoid_what_was_seen_and_each_other(
    any_strategy: Strategy, space: Any, evaluate: Any, specs: Specs
) -> None:
    toolbox = make_toolbox(space=space)
    state, seen = EvolutionState(), set[str]()
    for generation in range(8):
        state, proposals = turn(
            any_strategy, state, toolbox=toolbox, evaluate=evaluate, specs=specs, seen=seen
        )
        ids = [p.architecture_id for p in proposals]
        assert len(set(ids)) == 6
        assert not seen & set(ids)
        assert [p.index for p in proposals] == list(range(6 * generation, 6 * generation + 6))
        assert {p.generation for p in proposals} == {generation}
        seen.update(ids)
    assert state.n_proposed == 48


def test_a_generation_that_fails_entirely_is_followed_by_a_fresh_sample(
    any_strategy: Strategy, space: Any, evaluate: Any, specs: Specs
) -> None:
    def fail(proposals: Sequence[Proposal]) -> list[Evaluation]:
        return [Evaluation(status="failed", reason="boom") for _ in proposals]

    toolbox = make_toolbox(space=space)
    state, first = turn(
        any_strategy, EvolutionState(), toolbox=toolbox, evaluate=fail, specs=specs, seen=set()
    )
    assert (state.n_told, state.population) == (6, ())
    seen = {p.architecture_id for p in first}
    state, second = turn(any_strategy, state, toolbox=toolbox, evaluate=evaluate, specs=specs, seen=seen)
    assert len(state.population) == 6
    assert not seen & {p.architecture_id for p in second}


def test_an_infeasible_one_may_be_a_parent(any_strategy: Strategy, space: Any, specs: Specs) -> None:
    def forbid(proposals: Sequence[Proposal]) -> list[Evaluation]:
        return [Evaluation(status="infeasible", violation=1.0 + p.index) for p in proposals]

    toolbox = make_toolbox(space=space)
    state, _ = turn(any_strategy, EvolutionState(), toolbox=toolbox, evaluate=forbid, specs=specs, seen=set())
    assert [i.violation for i in state.population] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert len(any_strategy.ask(state, toolbox=toolbox, n=6, size=6, seed=3, seen=set())) == 6
