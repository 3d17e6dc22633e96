from __future__ import annotations

from typing import Any

from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import make_toolbox
from evonas.evolution.state import EvolutionState
from evonas.evolution.strategies import strategy

Specs = tuple[ObjectiveSpec, ...]


def test_random_search_keeps_the_best_in_the_archive_and_only_the_last_in_the_population(
    space: Any, evaluate: Any, specs: Specs
) -> None:
    search, state = strategy("random"), EvolutionState()
    toolbox = make_toolbox(space=space, evaluate=evaluate)
    told = []
    for _ in range(4):
        proposals = search.ask(state, toolbox=toolbox, size=5, seed=2, seen=set())
        state = search.tell(state, proposals, evaluate(proposals), toolbox=toolbox, specs=specs, size=5)
        told += [e.objectives["gain"] for e in evaluate(proposals)]
        assert {i.index for i in state.population} == {p.index for p in proposals}
        assert all(p.parents == () for p in proposals)
    assert state.archive[0].objectives["gain"] == max(told)


def test_random_search_and_nsga2_begin_with_the_same_population(space: Any, evaluate: Any) -> None:
    toolbox = make_toolbox(space=space, evaluate=evaluate)
    first, second = (
        strategy(name).ask(EvolutionState(), toolbox=toolbox, size=5, seed=2, seen=set())
        for name in ("random", "nsga2")
    )
    assert first == second
