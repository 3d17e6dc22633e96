from __future__ import annotations

import pickle

import pytest

from evonas.evolution.evaluation import FAILURES, STATUSES, Evaluation, Proposal


def test_an_unknown_status_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ValueError, match=r"status: expected one of ok, cached, .*'fine'"):
        Evaluation(status="fine")


@pytest.mark.parametrize("status", STATUSES)
def test_an_evaluation_survives_pickling_between_processes(status: str) -> None:
    evaluation = Evaluation(status=status, objectives={"gain": 0.1}, violation=0.5, reason="r", worker="w")
    assert pickle.loads(pickle.dumps(evaluation)) == evaluation
    assert pickle.loads(pickle.dumps(Evaluation(status=status))) == Evaluation(status=status)


def test_the_failures_are_exactly_the_outcomes_without_a_fitness() -> None:
    assert set(STATUSES) - {"ok", "cached", "infeasible"} == FAILURES


def test_two_evaluations_do_not_share_their_empty_objectives() -> None:
    first, second = Evaluation(status="failed"), Evaluation(status="failed")
    assert first.objectives == {}
    assert first.objectives is not second.objectives


def test_a_fresh_proposal_has_no_parents() -> None:
    assert Proposal(index=0, generation=0, genome=(), architecture_id="a").parents == ()
