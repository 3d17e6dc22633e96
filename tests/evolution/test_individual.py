from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import Individual, individuals, unusable

Specs = tuple[ObjectiveSpec, ...]
GOOD = {"gain": 2.0, "cost": 100.0}


@pytest.mark.parametrize("status", ["ok", "cached"])
def test_a_complete_finite_evaluation_is_usable(status: str, specs: Specs) -> None:
    assert unusable(Evaluation(status=status, objectives=GOOD), specs=specs) == ""


@pytest.mark.parametrize("status", ["failed", "timeout", "worker_died"])
def test_a_failure_is_unusable_even_with_good_numbers_and_keeps_its_reason(status: str, specs: Specs) -> None:
    assert unusable(Evaluation(status=status, objectives=GOOD), specs=specs) == status
    assert unusable(Evaluation(status=status, objectives=GOOD, reason="boom"), specs=specs) == "boom"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["gain", "cost"])
@pytest.mark.parametrize("status", ["ok", "cached", "infeasible"])
def test_no_number_that_is_not_finite_is_usable(status: str, name: str, bad: float, specs: Specs) -> None:
    violation = 1.0 if status == "infeasible" else 0.0
    evaluation = Evaluation(status=status, objectives={**GOOD, name: bad}, violation=violation)
    assert f"objective '{name}' is {bad}" in unusable(evaluation, specs=specs)


@pytest.mark.parametrize("violation", [math.nan, math.inf, -0.5])
def test_a_violation_must_be_a_finite_amount(violation: float, specs: Specs) -> None:
    evaluation = Evaluation(status="infeasible", objectives=GOOD, violation=violation)
    assert "violation is" in unusable(evaluation, specs=specs)


def test_an_infeasible_one_must_say_by_how_much(specs: Specs) -> None:
    assert "violation is 0" in unusable(Evaluation(status="infeasible"), specs=specs)


def test_a_feasible_one_needs_every_objective_and_an_infeasible_one_none(specs: Specs) -> None:
    assert (
        unusable(Evaluation(status="ok", objectives={"gain": 1.0}), specs=specs)
        == "objective 'cost' is missing"
    )
    assert unusable(Evaluation(status="cached"), specs=specs) == "objective 'gain' is missing"
    assert unusable(Evaluation(status="infeasible", violation=0.1), specs=specs) == ""
    assert unusable(Evaluation(status="cached", violation=0.1), specs=specs) == ""


def test_individuals_pair_proposals_with_their_own_evaluations_and_drop_failures(specs: Specs) -> None:
    proposals = [Proposal(index=i, generation=3, genome=i, architecture_id=f"a{i}") for i in (7, 8, 9)]
    evaluations = [
        Evaluation(status="ok", objectives={"gain": 7.0, "cost": 1.0}),
        Evaluation(status="failed"),
        Evaluation(status="infeasible", violation=0.25),
    ]
    first, last = individuals(proposals, evaluations, specs=specs)
    assert (first.index, first.genome, first.generation, first.values(specs)) == (7, 7, 3, (7.0, 1.0))
    assert first.feasible
    assert first.fitness.wvalues == (7.0, 0.0)
    assert (last.architecture_id, last.violation, last.feasible, last.fitness.valid) == (
        "a9",
        0.25,
        False,
        False,
    )


def test_a_lost_evaluation_is_an_error_not_a_shift(specs: Specs) -> None:
    proposals = [Proposal(index=i, generation=0, genome=i, architecture_id=str(i)) for i in range(2)]
    with pytest.raises(ValueError, match="expected 2, one for each proposal, got 1"):
        individuals(proposals, [Evaluation(status="failed")], specs=specs)


def test_equality_ignores_what_sorting_left_on_the_fitness(make: Callable[..., Individual]) -> None:
    one, other = make(), make()
    one.fitness.crowding_dist = 3.0
    assert one == other
