"""Evaluation on Ray: long-lived workers of one torch thread each, replaced when they die or take too long."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
import ray
import torch
from ray.exceptions import RayActorError

from evonas.errors import ConfigError, RunError
from evonas.evaluation.evaluator import Task, evaluate, use_one_thread
from evonas.evaluation.serial import timed_out
from evonas.evaluation.watchdog import Process, exit_with, this_process
from evonas.evolution.evaluation import Evaluation

OBJECT_STORE_BYTES = 256 * 2**20
"""Room for the batch, which is all that is stored; small, since containers often have little shared memory."""

CONNECT_TIMEOUT_S = 5.0

START_TIMEOUT_S = 180.0
"""Longest wait for a worker's first sign of life; importing torch takes seconds on a busy machine."""

LONGEST_STEP_S = 1.0
"""Time counts against a call for at most this long between two looks at it; see `AttendedClock`."""

MAX_STARTS = 3
"""Workers that may die while they start, one after the other, before the run goes on without another."""

MAX_ATTEMPTS = 2
"""A genome that kills its worker this often is given up."""


class Worker:
    """The process behind one actor."""

    def __init__(self, task: Task, inputs: np.ndarray, labels: np.ndarray | None, driver: Process) -> None:
        use_one_thread()
        exit_with(driver)
        self._task = task
        self._inputs = torch.from_numpy(inputs.copy())  # what Ray hands over is read-only
        self._labels = None if labels is None else torch.from_numpy(labels.copy())
        self._name = f"{ray.get_runtime_context().get_node_id()[:12]}/{os.getpid()}"

    def ready(self) -> str:
        """The name of this worker, once it can evaluate: start of the node's id / process id."""
        return self._name

    def evaluate(self, genome: Any) -> Evaluation:
        """The evaluation of `genome`, signed."""
        started = time.perf_counter()
        evaluation = evaluate(self._task, genome, inputs=self._inputs, labels=self._labels)
        return replace(evaluation, seconds=time.perf_counter() - started, worker=self._name)


@dataclass
class _Job:
    position: int
    genome: Any
    attempts: int = 0


@dataclass
class _Call:
    """What an actor is doing: starting (no job) or evaluating; `deadline` is on the executor's clock."""

    actor: Any
    job: _Job | None
    deadline: float


class AttendedClock:
    """Seconds during which somebody looked on: a step between two looks counts at most `LONGEST_STEP_S`.

    A driver that was suspended (Ctrl-Z, a laptop's lid) has not seen the results that came meanwhile, and takes a
    moment to receive them after it wakes. On this clock the time it slept is held against no evaluation.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._seconds = 0.0

    def now(self) -> float:
        """Attended seconds since the clock was made."""
        last, self._last = self._last, time.monotonic()
        self._seconds += min(self._last - last, LONGEST_STEP_S)
        return self._seconds


class RayExecutor:
    """Evaluates on `workers` Ray actors, on this machine or, with `address`, on a running cluster.

    The batch is stored once. A worker that dies is replaced and its genome evaluated again with the same seed; after
    `MAX_ATTEMPTS` deaths the evaluation is `worker_died`. A worker past the time-out is killed and replaced. `worker`
    is the class of the actors, made and called as `Worker` is.

    Raises:
        ConfigError: the cluster has fewer processors than workers are asked for.
        RunError: no cluster answers at `address`.
    """

    def __init__(
        self,
        task: Task,
        inputs: np.ndarray,
        *,
        workers: int,
        timeout_s: float,
        address: str | None = None,
        labels: np.ndarray | None = None,
        worker: type = Worker,
    ) -> None:
        self._task = task
        self._worker = worker
        self._batch = inputs
        self._labels = labels
        self._n_workers = workers
        self._timeout_s = timeout_s
        self._address = address
        self._clock = AttendedClock()
        self._n_bad_starts = 0
        self._waiting: deque[_Job] = deque()
        self._idle: list[Any] = []
        self._calls: dict[Any, _Call] = {}

    def __enter__(self) -> RayExecutor:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        self._connect()
        try:
            available = int(ray.cluster_resources().get("CPU", 0))
            if available < self._n_workers:
                raise ConfigError(
                    f"evaluation.workers: {self._n_workers} asked for, but the cluster has {available} processors"
                )
            self._actor: Any = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(self._worker)
            self._inputs = ray.put(self._batch)
            for _ in range(self._n_workers):
                self._start_worker()
        except BaseException:
            ray.shutdown()
            raise
        return self

    def _connect(self) -> None:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        try:
            if self._address is None:
                ray.init(
                    address="local",
                    num_cpus=self._n_workers,
                    object_store_memory=OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    **quiet,
                )
            else:
                check_address(self._address)
                ray.init(address=self._address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise RunError(f"Ray cannot be reached or started: {reason}") from None
        finally:
            # Ray answers SIGTERM by printing its native stack; ours ends the run in one line.
            if threading.current_thread() is threading.main_thread():
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for actor in [*self._idle, *(call.actor for call in self._calls.values())]:
            ray.kill(actor)
        ray.shutdown()

    def submit(self, position: int, genome: Any) -> None:
        """See `Executor.submit`."""
        self._waiting.append(_Job(position, genome))
        self._dispatch()

    def finished(self) -> list[tuple[int, Evaluation]]:
        """See `Executor.finished`.

        Raises:
            RunError: no worker is left, and none can be started.
        """
        found: list[tuple[int, Evaluation]] = []
        while not found:
            for job, evaluation in self._ended():
                if evaluation is None:
                    self._waiting.appendleft(job)
                else:
                    found.append((job.position, replace(evaluation, attempts=job.attempts)))
            self._dispatch()
        return found

    def _dispatch(self) -> None:
        """Give the idle workers what waits."""
        while self._waiting and self._idle:
            job = self._waiting.popleft()
            job.attempts += 1
            actor = self._idle.pop()
            call = _Call(actor, job, self._clock.now() + self._timeout_s)
            self._calls[actor.evaluate.remote(job.genome)] = call

    def _start_worker(self) -> None:
        actor = self._actor.remote(self._task, self._inputs, self._labels, this_process())
        self._calls[actor.ready.remote()] = _Call(actor, None, self._clock.now() + START_TIMEOUT_S)

    def _ended(self) -> Iterator[tuple[_Job, Evaluation | None]]:
        """Wait for the next thing to happen; jobs that ended with their evaluation, None for one to start again."""
        patience = max(0.0, min(call.deadline for call in self._calls.values()) - self._clock.now())
        done, _ = ray.wait(list(self._calls), num_returns=1, timeout=min(patience, LONGEST_STEP_S))
        for reference in done:
            call = self._calls.pop(reference)
            try:
                result = ray.get(reference)
            except RayActorError as error:
                yield from self._after_death(call, reason=str(error))
                continue
            self._n_bad_starts = 0
            self._idle.append(call.actor)
            if call.job is not None:
                yield call.job, result
        now = self._clock.now()
        for reference, call in list(self._calls.items()):
            # Finished calls are not late: the next round takes their results.
            if call.deadline <= now and not ray.wait([reference], timeout=0)[0]:
                del self._calls[reference]
                ray.kill(call.actor)
                if call.job is None:
                    self._do_without(f"it was not ready after {START_TIMEOUT_S:g} s")
                else:
                    self._start_worker()
                    yield call.job, replace(timed_out(self._timeout_s), seconds=self._timeout_s)

    def _after_death(self, call: _Call, *, reason: str) -> Iterator[tuple[_Job, Evaluation | None]]:
        if call.job is None:
            self._n_bad_starts += 1
            if self._n_bad_starts < MAX_STARTS:
                self._start_worker()
            else:
                self._do_without(_cause(reason))
            return
        self._start_worker()
        if call.job.attempts < MAX_ATTEMPTS:
            yield call.job, None
        else:
            # Ray's own words name processes, and the reason must not differ between two runs of one seed.
            reason = f"the worker died {MAX_ATTEMPTS} times while it evaluated this genome"
            yield call.job, Evaluation("worker_died", reason=reason)

    def _do_without(self, reason: str) -> None:
        """Go on with fewer workers after one that could not be started (a node is gone, memory is short)."""
        if not self._idle and not self._calls:
            raise RunError(
                f"no worker can be started: {reason}; lower evaluation.workers or free some memory"
            )


def check_address(address: str) -> None:
    """Refuse an address at which no cluster can be, before Ray tries for minutes.

    Raises:
        ConfigError: neither "auto" nor host:port.
        RunError: nobody listens there.
    """
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536 and "/" not in host):
        raise ConfigError(f"evaluation.address: expected host:port or auto, got '{address}'")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(f"evaluation.address: no Ray cluster answers at {address} ({reason})") from None


def _cause(report: str) -> str:
    """The line of Ray's report that says why."""
    lines = [line.strip() for line in report.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("The actor died") or "exit" in line.lower()]
    return (told or lines or ["no reason given"])[0]
