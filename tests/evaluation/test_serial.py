from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from evonas.evaluation.evaluator import Task, evaluate
from evonas.evaluation.executor import evaluated
from evonas.evaluation.serial import SerialExecutor, timed_out
from evonas.evolution.evaluation import Evaluation
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.decoding import decode

SPEC = InputSpec((1, 8, 8), 10)
INPUTS = np.random.default_rng(0).standard_normal((1, 4, *SPEC.shape), dtype=np.float32)


@dataclass(frozen=True)
class Script:
    """A space whose genomes are what happens when they are decoded."""

    input: InputSpec = SPEC

    def decode(self, genome: Callable[[], object]) -> Architecture:
        genome()
        return decode(library.load("separable")[0], input_spec=SPEC)


def task() -> Task:
    space: Any = Script()
    return Task(space, ("rdm", "parameters"), time_steps=3, seed=0)


def run(*genomes: Callable[[], object], timeout_s: float = 30.0) -> list[tuple[int, Evaluation]]:
    with SerialExecutor(task(), INPUTS, timeout_s=timeout_s) as executor:
        return list(evaluated(executor, genomes))


def nothing() -> None: ...


def hang() -> None:
    time.sleep(20)


def stubborn() -> None:
    try:
        time.sleep(20)
    except Exception:
        time.sleep(20)


def crash() -> None:
    raise ValueError("bad genome")


def test_evaluations_come_in_order_with_position_seconds_and_worker() -> None:
    found = run(nothing, crash, nothing)
    assert [(position, e.status) for position, e in found] == [(0, "ok"), (1, "failed"), (2, "ok")]
    assert all(e.seconds > 0 and e.worker == "driver" and e.attempts == 1 for _, e in found)
    plain = evaluate(task(), nothing, inputs=torch.from_numpy(INPUTS))
    assert replace(found[0][1], seconds=0.0, worker="") == plain


def test_genomes_are_evaluated_when_the_result_is_asked_for() -> None:
    ran: list[int] = []
    with SerialExecutor(task(), INPUTS, timeout_s=30.0) as executor:
        for i in range(2):
            executor.submit(i, lambda i=i: ran.append(i))
        assert ran == []
        assert [position for position, _ in executor.finished()] == [0]
        assert ran == [0]


@pytest.mark.parametrize("slow", [hang, stubborn])
def test_a_genome_that_takes_too_long_is_a_timeout_and_the_next_one_runs(slow: Callable[[], None]) -> None:
    started = time.monotonic()
    found = run(slow, nothing, timeout_s=0.5)
    assert [(e.status, e.reason) for _, e in found] == [("timeout", "not finished after 0.5 s"), ("ok", "")]
    assert time.monotonic() - started < 15
    assert timed_out(0.5).objectives == {}


def test_the_clock_stands_still_between_genomes() -> None:
    with SerialExecutor(task(), INPUTS, timeout_s=0.5) as executor:
        results = evaluated(executor, [nothing, nothing])
        assert next(results)[1].status == "ok"
        time.sleep(0.7)
        assert next(results)[1].status == "ok"


@pytest.mark.parametrize("genome", [nothing, crash, hang])
def test_the_alarm_of_the_caller_is_given_back(genome: Callable[[], None]) -> None:
    def mine(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGALRM, mine)
    try:
        run(genome, timeout_s=0.3)
        assert signal.getsignal(signal.SIGALRM) is mine
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_another_thread_evaluates_without_alarm() -> None:
    found: list[tuple[int, Evaluation]] = []
    thread = threading.Thread(target=lambda: found.extend(run(nothing, timeout_s=0.0001)))
    thread.start()
    thread.join()
    assert [e.status for _, e in found] == ["ok"]


def test_evaluation_runs_on_one_thread_and_the_number_of_threads_is_given_back() -> None:
    threads: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(lambda: threads.append(torch.get_num_threads()))
        assert threads == [1]
        assert torch.get_num_threads() == 2
        with pytest.raises(KeyboardInterrupt):
            run(interrupt)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def interrupt() -> None:
    raise KeyboardInterrupt
