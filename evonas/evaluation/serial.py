"""Evaluation in this process, one genome after the other."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch

from evonas.evaluation.evaluator import Task, evaluate, use_one_thread
from evonas.evolution.evaluation import Evaluation


class _OutOfTime(BaseException):
    """Not an Exception, so that no handler on the way takes it for a failure of the genome."""


class SerialExecutor:
    """Evaluates in this process on one thread. The time-out needs the main thread, where alarms arrive."""

    def __init__(
        self, task: Task, inputs: np.ndarray, *, timeout_s: float, labels: np.ndarray | None = None
    ) -> None:
        self._task = task
        self._inputs = torch.from_numpy(inputs)
        self._labels = None if labels is None else torch.from_numpy(labels)
        self._timeout_s = timeout_s
        self._waiting: deque[tuple[int, Any]] = deque()

    def __enter__(self) -> SerialExecutor:
        self._threads = torch.get_num_threads()
        use_one_thread()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self._threads)

    def submit(self, position: int, genome: Any) -> None:
        """See `Executor.submit`."""
        self._waiting.append((position, genome))

    def finished(self) -> list[tuple[int, Evaluation]]:
        """See `Executor.finished`; evaluates the genome that has waited longest."""
        position, genome = self._waiting.popleft()
        started = time.perf_counter()
        try:
            with _alarm(self._timeout_s):
                evaluation = evaluate(self._task, genome, inputs=self._inputs, labels=self._labels)
        except _OutOfTime:
            evaluation = timed_out(self._timeout_s)
        seconds = time.perf_counter() - started
        return [(position, replace(evaluation, seconds=seconds, worker="driver"))]


def timed_out(timeout_s: float) -> Evaluation:
    """The evaluation of a genome that took too long."""
    return Evaluation("timeout", reason=f"not finished after {timeout_s:g} s")


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
