from __future__ import annotations

from typing import Any

from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import make_toolbox
from evonas.evolution.state import EvolutionState, asked
from evonas.evolution.strategies import strategy

Specs = tuple[ObjectiveSpec, ...]


def test_random_search_keeps_only_the_last_in_the_population(space: Any, evaluate: Any, specs: Specs) -> None:
    search, state = strategy("random"), EvolutionState()
    toolbox = make_toolbox(space=space)
    for _ in range(4):
        proposals = search.ask(state, toolbox=toolbox, n=5, size=5, seed=2, seen=set())
        state = asked(state, proposals)
        state = search.tell(state, proposals, evaluate(proposals), toolbox=toolbox, specs=specs, size=5)
        assert {i.index for i in state.population} == {p.index for p in proposals}
        assert all(p.parents == () for p in proposals)


def test_all_strategies_begin_with_the_same_population(space: Any) -> None:
    toolbox = make_toolbox(space=space)
    first, *others = (
        strategy(name).ask(EvolutionState(), toolbox=toolbox, n=5, size=5, seed=2, seen=set())
        for name in ("random", "nsga2", "steady_state")
    )
    assert others == [first, first]
