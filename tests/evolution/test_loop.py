from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from evonas.errors import ConfigError
from evonas.evolution.evaluation import DirectQueue, Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import Generation, evolve, make_toolbox, summary
from evonas.evolution.state import EvolutionState, from_dict, to_dict
from evonas.evolution.strategies import STRATEGIES, strategy
from genomes.registry import load_modules

load_modules("evonas.evolution.strategies")
Specs = tuple[ObjectiveSpec, ...]


def search(
    *,
    space: Any,
    evaluate: Any,
    specs: Specs,
    name: str = "nsga2",
    state: EvolutionState | None = None,
    generations: int = 5,
    population: int = 8,
    seed: int = 1,
    seen: Sequence[str] = (),
    **more: Any,
) -> tuple[EvolutionState, Any]:
    return evolve(
        toolbox=make_toolbox(space=space),
        queue=DirectQueue(lambda proposal: evaluate([proposal])[0]),
        strategy=strategy(name),
        state=state or EvolutionState(),
        specs=specs,
        generations=generations,
        population=population,
        seed=seed,
        seen=seen,
        **more,
    )


@pytest.mark.parametrize("name", STRATEGIES.names())
@pytest.mark.parametrize("population", [2, 3, 7, 8])
@pytest.mark.parametrize("n_objectives", [1, 2, 3])
def test_any_population_of_two_or_more_runs_with_any_number_of_objectives(
    name: str, population: int, n_objectives: int, space: Any, evaluate: Any, three_specs: Specs
) -> None:
    specs = three_specs[:n_objectives]
    state, logbook = search(space=space, evaluate=evaluate, specs=specs, name=name, population=population)
    assert (state.generation, state.n_told, len(state.population)) == (5, 6 * population, population)
    volumes = logbook.select("hypervolume")
    assert len(volumes) == 6
    assert volumes == sorted(volumes)
    assert volumes[-1] > 0
    assert logbook.select("n_evaluated") == [population] * 6


def test_zero_generations_are_the_random_first_population_alone(
    space: Any, evaluate: Any, specs: Specs
) -> None:
    state, logbook = search(space=space, evaluate=evaluate, specs=specs, generations=0)
    assert (state.generation, state.n_proposed, len(logbook)) == (0, 8, 1)
    assert [i.index for i in sorted(state.population, key=lambda i: i.index)] == list(range(8))


def first_population(space: Any, evaluate: Any, specs: Specs, **more: Any) -> list[Proposal]:
    told: list[Generation] = []
    search(space=space, evaluate=evaluate, specs=specs, generations=1, on_generation=told.append, **more)
    assert all(p.generation == 1 and p.index >= 8 for p in told[1].proposals)
    return list(told[0].proposals)


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_initial_genomes_come_first_and_every_other_sample_stays_what_it_was(
    name: str, space: Any, evaluate: Any, specs: Specs
) -> None:
    plain = first_population(space, evaluate, specs, name=name)
    given = [(4, 4, 4, 4, 4, 4), (0, 0, 0, 0, 0, 1)]
    mixed = first_population(space, evaluate, specs, name=name, initial=given)
    assert [proposal.genome for proposal in mixed[:2]] == given
    assert [proposal.architecture_id for proposal in mixed[:2]] == ["444444", "000001"]
    assert [(proposal.index, proposal.generation, proposal.parents) for proposal in mixed[:2]] == [
        *((0, 0, ()), (1, 0, ()))
    ]
    assert mixed[2:] == plain[2:]


def test_a_sample_that_is_an_initial_genome_already_is_drawn_again(
    space: Any, evaluate: Any, specs: Specs
) -> None:
    plain = first_population(space, evaluate, specs)
    mixed = first_population(space, evaluate, specs, initial=[plain[5].genome])
    ids = [proposal.architecture_id for proposal in mixed]
    assert ids[0] == plain[5].architecture_id
    assert len(set(ids)) == len(ids) == 8
    assert (mixed[1:5], mixed[6:]) == (plain[1:5], plain[6:])


def test_more_initial_genomes_than_places_are_refused(space: Any, evaluate: Any, specs: Specs) -> None:
    with pytest.raises(ConfigError, match="initial: expected at most 2 genomes"):
        search(space=space, evaluate=evaluate, specs=specs, population=2, initial=[(0,) * 6] * 3)


@pytest.mark.parametrize("name", STRATEGIES.names())
def test_the_same_seed_gives_the_same_state_and_another_seed_another(
    name: str, space: Any, evaluate: Any, specs: Specs
) -> None:
    one, same, other = (
        to_dict(search(space=space, evaluate=evaluate, specs=specs, name=name, seed=seed)[0], space=space)
        for seed in (1, 1, 2)
    )
    assert json.dumps(one) == json.dumps(same) != json.dumps(other)


@pytest.mark.parametrize("name", STRATEGIES.names())
@pytest.mark.parametrize("stop", [0, 2, 4])
def test_a_search_resumed_through_json_equals_the_uninterrupted_one(
    name: str, stop: int, space: Any, evaluate: Any, three_specs: Specs
) -> None:
    ids: list[str] = []

    def note(generation: Generation) -> None:
        ids.extend(p.architecture_id for p in generation.proposals)

    whole, _ = search(space=space, evaluate=evaluate, specs=three_specs, name=name, on_generation=note)
    expected, ids = ids, []
    half, _ = search(
        space=space, evaluate=evaluate, specs=three_specs, name=name, generations=stop, on_generation=note
    )
    again = from_dict(json.loads(json.dumps(to_dict(half, space=space))), space=space, specs=three_specs)
    resumed, logbook = search(
        space=space,
        evaluate=evaluate,
        specs=three_specs,
        name=name,
        state=again,
        seen=tuple(ids),
        on_generation=note,
    )
    assert resumed == whole
    assert ids == expected
    assert logbook.select("generation") == list(range(stop + 1, 6))


def test_a_finished_search_does_nothing_more(space: Any, evaluate: Any, specs: Specs) -> None:
    state, _ = search(space=space, evaluate=evaluate, specs=specs)
    assert search(space=space, evaluate=evaluate, specs=specs, state=state)[0] is state


def test_evolution_beats_random_search_on_a_separable_landscape(
    space: Any, evaluate: Any, specs: Specs
) -> None:
    for seed in range(3):
        evolved, sampled = (
            search(
                space=space,
                evaluate=evaluate,
                specs=specs,
                name=name,
                seed=seed,
                generations=19,
                population=10,
            )[1].select("hypervolume")[-1]
            for name in ("nsga2", "random")
        )
        assert evolved > sampled


def test_nothing_that_failed_or_is_not_finite_reaches_population_or_archive(
    space: Any, evaluate: Any, specs: Specs
) -> None:
    def spoil(proposals: Sequence[Proposal]) -> list[Evaluation]:
        spoilt = {
            0: Evaluation(status="ok", objectives={"gain": math.nan, "cost": 1.0}),
            1: Evaluation(status="ok", objectives={"gain": math.inf, "cost": 1.0}),
            2: Evaluation(status="failed", objectives={"gain": 31.0, "cost": 1.0}),
            3: Evaluation(status="timeout"),
            4: Evaluation(status="worker_died"),
            5: Evaluation(status="infeasible", violation=math.nan),
            6: Evaluation(status="ok", objectives={"gain": 31.0, "cost": 0.0}),
        }
        return [spoilt.get(p.index % 9, good) for p, good in zip(proposals, evaluate(proposals), strict=True)]

    state, logbook = search(space=space, evaluate=spoil, specs=specs, population=9)
    members = [*state.population, *state.archive]
    assert {i.index % 9 for i in members} <= {7, 8}
    assert 0 < len(state.population) <= 9
    assert logbook.select("n_failed") == [3] * 6


def test_a_feasible_region_is_found_by_descending_the_violation(
    space: Any, evaluate: Any, specs: Specs
) -> None:
    def constrained(proposals: Sequence[Proposal]) -> list[Evaluation]:
        return [
            e if e.objectives["gain"] >= 22 else Evaluation("infeasible", violation=22 - e.objectives["gain"])
            for e in evaluate(proposals)
        ]

    state, logbook = search(space=space, evaluate=constrained, specs=specs, generations=25)
    assert logbook.select("n_front")[0] == 0
    assert logbook.select("best_gain")[0] is None
    assert all(i.objectives["gain"] >= 22 for i in state.archive)
    assert state.archive
    assert all(i.feasible for i in state.population)


def test_each_generation_is_reported_with_what_it_proposed(space: Any, evaluate: Any, specs: Specs) -> None:
    reports: list[Generation] = []
    state, logbook = search(space=space, evaluate=evaluate, specs=specs, on_generation=reports.append)
    assert [p.index for r in reports for p in r.proposals] == list(range(48))
    assert [e for r in reports for e in r.evaluations] == evaluate([p for r in reports for p in r.proposals])
    assert reports[-1].state is state
    assert [r.record["hypervolume"] for r in reports] == logbook.select("hypervolume")
    assert all(r.record["seconds"] >= 0 for r in reports)


def test_the_summary_counts_outcomes_and_names_the_best_in_natural_units(make: Any, specs: Specs) -> None:
    front = (make(3.0, 100.0, index=0), make(1.0, 10.0, index=1))
    outcomes = ["ok", "ok", "cached", "infeasible", "failed", "timeout", "worker_died"]
    record = summary(
        EvolutionState(generation=4, archive=front), [Evaluation(status=s) for s in outcomes], specs=specs
    )
    assert record == {
        "generation": 4,
        "hypervolume": pytest.approx(3 / 32 * 0.5 + 1 / 32 * 0.25),
        "n_front": 2,
        "best_gain": 3.0,
        "best_cost": 10.0,
        "n_evaluated": 6,
        "n_cached": 1,
        "n_infeasible": 1,
        "n_failed": 3,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population": 1}, "population: expected at least 2, got 1"),
        ({"generations": -1}, "generations: expected 0 or more, got -1"),
        ({"specs": ()}, "objectives: expected at least one"),
    ],
)
def test_a_search_that_cannot_run_is_refused_before_it_starts(
    changes: dict[str, Any], message: str, space: Any, evaluate: Any, specs: Specs
) -> None:
    with pytest.raises(ConfigError, match=message):
        search(**{"space": space, "evaluate": evaluate, "specs": specs, **changes})


def test_two_objectives_of_one_name_are_refused(space: Any, evaluate: Any, gain: ObjectiveSpec) -> None:
    with pytest.raises(ConfigError, match="different names, got gain, gain"):
        search(space=space, evaluate=evaluate, specs=(gain, gain))
