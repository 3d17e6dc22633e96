from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import individuals
from evonas.evolution.loop import make_toolbox
from evonas.evolution.state import EvolutionState, asked
from evonas.evolution.strategies.nsga2 import NSGA2

Specs = tuple[ObjectiveSpec, ...]


def start(*, toolbox: Any, evaluate: Any, specs: Specs, size: int) -> tuple[EvolutionState, set[str]]:
    search = NSGA2()
    proposals = search.ask(EvolutionState(), toolbox=toolbox, n=size, size=size, seed=0, seen=set())
    state = asked(EvolutionState(), proposals)
    state = search.tell(state, proposals, evaluate(proposals), toolbox=toolbox, specs=specs, size=size)
    return state, {p.architecture_id for p in proposals}


def test_offspring_name_their_parents_and_differ_from_them(space: Any, evaluate: Any, specs: Specs) -> None:
    toolbox = make_toolbox(space=space)
    state, seen = start(toolbox=toolbox, evaluate=evaluate, specs=specs, size=8)
    offspring = NSGA2().ask(state, toolbox=toolbox, n=40, size=8, seed=0, seen=seen)
    known = {i.architecture_id for i in state.population}
    assert all(p.parents and set(p.parents) <= known and p.architecture_id not in known for p in offspring)
    assert {len(p.parents) for p in offspring} == {1, 2}
    assert all(len(set(p.parents)) == len(p.parents) for p in offspring)


@pytest.mark.parametrize(("p_crossover", "n_parents"), [(0.0, 1), (1.0, 2)])
def test_the_crossover_probability_decides_on_the_second_parent(
    p_crossover: float, n_parents: int, space: Any, evaluate: Any, specs: Specs
) -> None:
    toolbox = make_toolbox(space=space)
    state, seen = start(toolbox=toolbox, evaluate=evaluate, specs=specs, size=6)
    offspring = NSGA2(p_crossover=p_crossover).ask(state, toolbox=toolbox, n=12, size=6, seed=0, seen=seen)
    assert {len(p.parents) for p in offspring} == {n_parents}


def test_an_offspring_depends_on_its_place_and_not_on_how_many_are_drawn(
    space: Any, evaluate: Any, specs: Specs
) -> None:
    toolbox = make_toolbox(space=space)
    state, seen = start(toolbox=toolbox, evaluate=evaluate, specs=specs, size=6)
    few, many = (NSGA2().ask(state, toolbox=toolbox, n=n, size=6, seed=0, seen=seen) for n in (3, 9))
    assert many[:3] == few


def test_parents_stay_when_all_offspring_fail(space: Any, evaluate: Any, specs: Specs) -> None:
    toolbox = make_toolbox(space=space)
    state, seen = start(toolbox=toolbox, evaluate=evaluate, specs=specs, size=6)
    offspring = NSGA2().ask(state, toolbox=toolbox, n=6, size=6, seed=0, seen=seen)
    failed = [Evaluation(status="worker_died", reason="killed") for _ in offspring]
    after = NSGA2().tell(asked(state, offspring), offspring, failed, toolbox=toolbox, specs=specs, size=6)
    assert sorted(after.population, key=lambda i: i.index) == sorted(state.population, key=lambda i: i.index)
    assert after.n_told == 12


def test_better_offspring_replace_their_parents(space: Any, evaluate: Any, specs: Specs) -> None:
    toolbox = make_toolbox(space=space)
    state, seen = start(toolbox=toolbox, evaluate=evaluate, specs=specs, size=4)
    offspring = NSGA2().ask(state, toolbox=toolbox, n=4, size=4, seed=0, seen=seen)
    superb = [Evaluation(status="ok", objectives={"gain": 31.0 - i, "cost": 9.0 - i / 4}) for i in range(4)]
    after = NSGA2().tell(asked(state, offspring), offspring, superb, toolbox=toolbox, specs=specs, size=4)
    assert {i.index for i in after.population} >= {p.index for p in offspring[:1]}
    assert after.population[0].index == offspring[0].index


def test_a_single_survivor_still_breeds(space: Any, evaluate: Any, specs: Specs) -> None:
    proposal = Proposal(index=0, generation=0, genome=(1, 2, 3, 4, 0, 1), architecture_id="123401")
    alone = individuals([proposal], evaluate([proposal]), specs=specs)
    state = EvolutionState(generation=0, n_proposed=5, population=tuple(alone))
    toolbox = make_toolbox(space=space)
    offspring = NSGA2().ask(state, toolbox=toolbox, n=5, size=5, seed=0, seen={"123401"})
    assert len({p.architecture_id for p in offspring} - {"123401"}) == 5
    assert {p.parents for p in offspring} == {("123401",)}


def test_an_exhausted_space_repeats_itself_and_the_population_holds_each_architecture_once(
    tiny_space: Any, specs: Specs
) -> None:
    def run(proposals: Sequence[Proposal]) -> list[Evaluation]:
        return [Evaluation(status="cached", objectives={"gain": 1.0, "cost": 2.0}) for _ in proposals]

    toolbox = make_toolbox(space=tiny_space)
    state, seen = start(toolbox=toolbox, evaluate=run, specs=specs, size=7)
    for _ in range(3):
        offspring = NSGA2().ask(state, toolbox=toolbox, n=7, size=7, seed=0, seen=seen)
        state = NSGA2().tell(
            asked(state, offspring), offspring, run(offspring), toolbox=toolbox, specs=specs, size=7
        )
        assert len(offspring) == 7
    assert sorted(i.architecture_id for i in state.population) == ["00", "01", "10", "11"]
