from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.evaluation.memory import RememberingQueue, again
from evonas.evolution.evaluation import Evaluation, Proposal

Outcome = Callable[[str], Evaluation]


def ok(genome: str) -> Evaluation:
    return Evaluation("ok", {"x": float(len(genome))}, seconds=1.5, worker="w")


class Backwards:
    """Evaluates text with `outcome` and hands the last result back first."""

    def __init__(self, outcome: Outcome = ok) -> None:
        self.outcome = outcome
        self.ran: list[str] = []
        self.waiting: list[tuple[int, Any]] = []

    def submit(self, position: int, genome: Any) -> None:
        self.waiting.append((position, genome))

    def finished(self) -> list[tuple[int, Evaluation]]:
        position, genome = self.take()
        self.ran.append(genome)
        return [(position, self.outcome(genome))]

    def take(self) -> tuple[int, Any]:
        return self.waiting.pop()

    def __enter__(self) -> Backwards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Forwards(Backwards):
    def take(self) -> tuple[int, Any]:
        return self.waiting.pop(0)


def through(queue: RememberingQueue, batch: Sequence[Proposal]) -> list[Evaluation]:
    """What comes out once everything is in."""
    for proposal in batch:
        queue.submit(proposal)
    return [queue.next() for _ in batch]


def proposals(*genomes: str, start: int = 0) -> list[Proposal]:
    """One proposal a genome; its architecture is the genome in lower case."""
    return [Proposal(start + i, 0, genome, genome.lower()) for i, genome in enumerate(genomes)]


def test_results_come_in_the_order_of_the_proposals_whatever_finishes_first() -> None:
    executor = Backwards()
    committed: list[int] = []
    remember = RememberingQueue(executor, on_result=lambda proposal, _: committed.append(proposal.index))
    found = through(remember, proposals("a", "bb", "ccc"))
    assert executor.ran == ["ccc", "bb", "a"]
    assert [evaluation.objectives["x"] for evaluation in found] == [1.0, 2.0, 3.0]
    assert committed == [0, 1, 2]


def test_results_are_committed_as_soon_as_those_before_them_are_there() -> None:
    log: list[str] = []

    def outcome(genome: str) -> Evaluation:
        log.append(f"ran {genome}")
        return ok(genome)

    def commit(proposal: Proposal, evaluation: Evaluation) -> None:
        log.append(f"committed {proposal.genome}")

    through(RememberingQueue(Forwards(outcome), on_result=commit), proposals("a", "bb"))
    assert log == ["ran a", "committed a", "ran bb", "committed bb"]


def test_an_architecture_met_before_is_cached_and_not_run_again() -> None:
    executor = Backwards()
    remember = RememberingQueue(executor)
    first = through(remember, proposals("a", "bb"))
    second = through(remember, proposals("BB", "ccc", "A", start=2))
    assert executor.ran == ["bb", "a", "ccc"]
    assert [evaluation.status for evaluation in second] == ["cached", "ok", "cached"]
    assert second[0].objectives == first[1].objectives
    assert (second[0].seconds, second[0].worker, second[0].attempts) == (0.0, "", 0)


def test_a_double_within_the_same_proposals_is_run_once() -> None:
    executor = Backwards()
    committed: list[tuple[int, str]] = []
    remember = RememberingQueue(executor, on_result=lambda p, e: committed.append((p.index, e.status)))
    found = through(remember, proposals("a", "A", "bb", "a"))
    assert executor.ran == ["bb", "a"]
    assert [evaluation.status for evaluation in found] == ["ok", "cached", "ok", "cached"]
    assert committed == [(0, "ok"), (1, "cached"), (2, "ok"), (3, "cached")]


@pytest.mark.parametrize("status", ["failed", "timeout", "worker_died"])
def test_what_failed_once_fails_again_without_being_run(status: str) -> None:
    executor = Backwards(lambda genome: Evaluation(status, reason="broken"))
    remember = RememberingQueue(executor)
    found = [through(remember, proposals("a", start=i))[0] for i in (0, 1)]
    assert executor.ran == ["a"]
    assert [(e.status, e.reason) for e in found] == [(status, "broken")] * 2
    assert found[1].attempts == 0


def test_what_was_infeasible_stays_infeasible_in_the_cache() -> None:
    executor = Backwards(lambda genome: Evaluation("infeasible", violation=0.5, reason="too large"))
    queue = RememberingQueue(executor, known=[("a", executor.outcome("a"))])
    (found,) = through(queue, proposals("a"))
    assert (found.status, found.violation, found.reason) == ("cached", 0.5, "too large")
    assert executor.ran == []


def test_a_cached_evaluation_is_not_what_is_remembered() -> None:
    original = ok("a")
    remember = RememberingQueue(
        Backwards(), known=[("a", again(original)), ("a", original), ("b", again(original))]
    )
    found = through(remember, proposals("a", "b"))
    assert [evaluation.status for evaluation in found] == ["cached", "ok"]


def replayed(log: dict[int, Evaluation]) -> Callable[[Proposal], Evaluation | None]:
    return lambda proposal: log.get(proposal.index)


def test_what_the_log_holds_is_replayed_in_its_turn_and_not_run_again() -> None:
    executor = Backwards()
    committed: list[int] = []
    logged = {0: Evaluation("ok", {"x": 9.0}), 1: Evaluation("failed", reason="once")}
    remember = RememberingQueue(
        executor, recorded=replayed(logged), on_result=lambda proposal, _: committed.append(proposal.index)
    )
    found = through(remember, proposals("a", "b", "c", "A", "B"))
    assert executor.ran == ["c"]
    assert committed == [0, 1, 2, 3, 4]
    assert found[:2] == [logged[0], logged[1]]
    assert [e.status for e in found[2:]] == ["ok", "cached", "failed"]
    assert found[3].objectives == {"x": 9.0}


@pytest.mark.parametrize("n_logged", range(7))
def test_a_resumed_map_gives_what_an_uninterrupted_one_gave(n_logged: int) -> None:
    def outcome(genome: str) -> Evaluation:
        return Evaluation("timeout", reason="slow") if genome.lower() == "b" else ok(genome)

    batch = proposals("a", "b", "A", "c", "B", "c")
    log: list[Evaluation] = []
    whole = through(RememberingQueue(Backwards(outcome), on_result=lambda proposal, e: log.append(e)), batch)
    assert log == whole
    committed: list[Evaluation] = []
    resumed = RememberingQueue(
        Backwards(outcome),
        recorded=replayed(dict(enumerate(log[:n_logged]))),
        on_result=lambda proposal, e: committed.append(e),
    )
    assert through(resumed, batch) == whole == committed


def test_an_interruption_while_committing_loses_nothing_that_was_committed() -> None:
    class Stop(Exception):
        pass

    executor = Forwards()
    log: list[Evaluation] = []

    def commit(proposal: Proposal, evaluation: Evaluation) -> None:
        log.append(evaluation)
        if proposal.index == 1:
            raise Stop

    with pytest.raises(Stop):
        through(RememberingQueue(executor, on_result=commit), proposals("a", "bb", "ccc"))
    assert len(log) == 2
    assert executor.ran == ["a", "bb"]


def test_proposals_go_in_while_others_come_out() -> None:
    executor = Backwards()
    queue = RememberingQueue(executor)
    first, second, third, fourth = proposals("a", "bb", "A", "ccc")
    queue.submit(first)
    queue.submit(second)
    assert queue.next().objectives == {"x": 1.0}
    queue.submit(third)
    queue.submit(fourth)
    assert [queue.next().status for _ in range(3)] == ["ok", "cached", "ok"]
    assert executor.ran == ["bb", "a", "ccc"]


def test_the_double_of_one_that_is_under_way_waits_for_it_and_shares_its_failure() -> None:
    executor = Backwards(lambda genome: Evaluation("timeout", reason="slow"))
    queue = RememberingQueue(executor)
    found = through(queue, proposals("a", "bb", "A", "a"))
    assert sorted(executor.ran) == ["a", "bb"]
    assert [(e.status, e.attempts) for e in found] == [("timeout", 1), ("timeout", 1), *[("timeout", 0)] * 2]


@given(
    genomes=st.lists(st.sampled_from("abcdefABCDEF"), max_size=20),
    lag=st.integers(1, 8),
    order=st.randoms(use_true_random=False),
)
def test_whatever_is_finished_first_the_same_comes_out(
    genomes: list[str], lag: int, order: random.Random
) -> None:
    class AnyOrder(Backwards):
        def take(self) -> tuple[int, Any]:
            return self.waiting.pop(order.randrange(len(self.waiting)))

    def stream(executor: Backwards) -> list[Evaluation]:
        queue, batch = RememberingQueue(executor), proposals(*genomes)
        found = []
        for i, proposal in enumerate(batch):
            queue.submit(proposal)
            if i >= lag - 1:
                found.append(queue.next())
        return [*found, *(queue.next() for _ in range(len(batch) - len(found)))]

    executor = AnyOrder()
    assert stream(executor) == stream(Forwards())
    assert len(executor.ran) == len({genome.lower() for genome in genomes})
