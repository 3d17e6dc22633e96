"""How busy workers are kept: whole generations (nsga2) against a fixed lag (steady_state), by the code of a real run.

Evaluation times are log-normal. `simulate` puts an executor with a virtual clock under the real loop and the real
queue, so that a thousand workers cost no time and the driver takes none of theirs; `actors` lets real Ray actors sleep.
Busy is the sum of the evaluation times within a span over workers x span. That of nsga2, with as many genomes in a
generation as there are workers, is over whole generations. That of steady_state is over its steady phase, from the
start of evaluation lag + workers to the start of the last one: before, the first population fills the workers; after,
the budget is spent and they run empty, which happens once a run ('with the tail'). `order` is what beginning the
longest evaluations of a generation first would bring, were their times known.

    python benchmarks/speed_scheduling.py [simulate order actors] [--workers 1000] [--actors 100] [--median 3]
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import math
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from types import TracebackType
from typing import Any

import numpy as np

from evonas.evaluation.executor import Executor
from evonas.evaluation.memory import RememberingQueue
from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import evolve, make_toolbox
from evonas.evolution.state import EvolutionState
from evonas.evolution.strategies import strategy
from evonas.rng import generator

N_BITS = 32
SPECS = (
    ObjectiveSpec("left", "max", "bits", "linear", (0.0, float(N_BITS))),
    ObjectiveSpec("right", "min", "bits", "linear", (0.0, float(N_BITS))),
)
POPULATION = 20
"""Of steady_state in the simulation; what the workers do depends on the lag, not on it."""

PARTS = ("simulate", "order", "actors")
SIGMAS = (0.5, 1.0)
GOAL = 0.95
Genome = tuple[int, ...]


class BitSpace:
    """Strings of bits, so many that hardly any is proposed twice."""

    def sample(self, *, rng: np.random.Generator) -> Genome:
        """Every string is equally likely."""
        return tuple(rng.integers(2, size=N_BITS).tolist())

    def mutate(self, genome: Genome, *, rng: np.random.Generator) -> Genome:
        """One bit is turned over."""
        place = int(rng.integers(N_BITS))
        return (*genome[:place], 1 - genome[place], *genome[place + 1 :])

    def crossover(self, a: Genome, b: Genome, *, rng: np.random.Generator) -> Genome:
        """Each bit from either parent."""
        return tuple(x if first else y for x, y, first in zip(a, b, rng.random(N_BITS) < 0.5, strict=True))

    def architecture_id(self, genome: Genome) -> str:
        """The string itself."""
        return "".join(map(str, genome))

    def to_dict(self, genome: Genome) -> Genome:
        """Bits are JSON already."""
        return genome

    def from_dict(self, data: Genome) -> Genome:
        """The string that `to_dict` wrote."""
        return data


def seconds(genome: Genome, *, sigma: float, median: float) -> float:
    """The evaluation time of `genome`: log-normal over genomes, and always the same for one."""
    drawn = int.from_bytes(hashlib.sha256(bytes(genome)).digest()[:6], "little")
    return median * math.exp(sigma * NormalDist().inv_cdf((drawn + 0.5) / 2**48))


def evaluation(genome: Genome, *, begun: float, ended: float) -> Evaluation:
    """Two objectives that conflict, and when they were measured."""
    objectives = {"left": float(sum(genome[:20])), "right": float(sum(genome[10:]))}
    return Evaluation("ok", objectives, diagnostics={"begun": begun, "ended": ended})


class SimulatedExecutor:
    """Workers that are numbers in a heap: time is what the next of them to finish says."""

    def __init__(self, *, workers: int, sigma: float, longest_first: bool = False) -> None:
        self._n_idle = workers
        self._sigma = sigma
        self._longest_first = longest_first
        self._now = 0.0
        self._waiting: list[tuple[float, int, Genome]] = []
        self._running: list[tuple[float, int, Evaluation]] = []

    def __enter__(self) -> SimulatedExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def submit(self, position: int, genome: Genome) -> None:
        """See `Executor.submit`."""
        order = -seconds(genome, sigma=self._sigma, median=1.0) if self._longest_first else 0.0
        heapq.heappush(self._waiting, (order, position, genome))
        self._dispatch()

    def finished(self) -> list[tuple[int, Evaluation]]:
        """See `Executor.finished`."""
        self._now, position, found = heapq.heappop(self._running)
        self._n_idle += 1
        self._dispatch()
        return [(position, found)]

    def _dispatch(self) -> None:
        while self._waiting and self._n_idle:
            _, position, genome = heapq.heappop(self._waiting)
            self._n_idle -= 1
            end = self._now + seconds(genome, sigma=self._sigma, median=1.0)
            heapq.heappush(self._running, (end, position, evaluation(genome, begun=self._now, ended=end)))


class SleepingWorker:
    """The actor that evaluates by sleeping; in place of the `Worker` of a real run, and without its torch."""

    def __init__(self, task: tuple[float, float], inputs: object, labels: object, driver: object) -> None:
        from evonas.evaluation.watchdog import exit_with

        exit_with(driver)  # type: ignore[arg-type]
        self._sigma, self._median = task

    def ready(self) -> str:
        """See `Worker.ready`."""
        return str(os.getpid())

    def evaluate(self, genome: Genome) -> Evaluation:
        """The evaluation of `genome`, with the clock that all processes of a machine share."""
        begun = time.monotonic()
        time.sleep(seconds(genome, sigma=self._sigma, median=self._median))
        found = evaluation(genome, begun=begun, ended=time.monotonic())
        memory = {"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        return replace(found, diagnostics={**found.diagnostics, **memory}, worker=self.ready())


@dataclass(frozen=True)
class Spans:
    """When each evaluation began and ended, in the order they began."""

    begun: np.ndarray
    ended: np.ndarray
    workers: int

    def busy(self, start: float, end: float) -> float:
        """The share of the workers' time between two moments in which they were evaluating."""
        inside = np.minimum(self.ended, end) - np.maximum(self.begun, start)
        return float(np.maximum(inside, 0.0).sum() / (self.workers * (end - start)))

    def throughout(self) -> float:
        """`busy` over everything, the tail included."""
        return self.busy(float(self.begun[0]), float(self.ended.max()))

    def steadily(self, *, lag: int) -> float:
        """`busy` over the steady phase at `lag`."""
        return self.busy(float(self.begun[lag + self.workers]), float(self.begun[-1]))


def search(
    executor: Executor, *, name: str, workers: int, population: int, n: int, lag: int | None = None
) -> Spans:
    """The evaluations of a search by the strategy `name` with at least `n` of them."""
    spans: list[tuple[float, float]] = []

    def note(proposal: Proposal, found: Evaluation) -> None:
        if found.status == "ok":
            spans.append((found.diagnostics["begun"], found.diagnostics["ended"]))

    evolve(
        toolbox=make_toolbox(space=BitSpace()),
        queue=RememberingQueue(executor, on_result=note),
        strategy=strategy(name),
        state=EvolutionState(),
        specs=SPECS,
        generations=-(-n // population) - 1,
        population=population,
        seed=0,
        lag=lag,
    )
    begun, ended = np.array(sorted(spans)).T
    return Spans(begun, ended, workers)


def show(name: str, spans: Spans, *, steady: float) -> None:
    """One row of the table."""
    print(f"{name:34}{len(spans.begun):>12}{steady:>10.3f}{spans.throughout():>16.3f}", flush=True)


def head(title: str) -> None:
    """The title of a table, and its columns."""
    print(f"\n{title}\n{'':34}{'evaluations':>12}{'busy':>10}{'with the tail':>16}")


def simulate(*, workers: int, sigma: float, lags: Sequence[float], steady: int) -> float:
    """Print the table of one spread, the steady phase about `steady` evaluations a worker; the largest busy share."""
    head(f"simulated, {workers} workers, log-normal times with sigma {sigma:g}")
    spans = search(
        SimulatedExecutor(workers=workers, sigma=sigma),
        name="nsga2",
        workers=workers,
        population=workers,
        n=8 * workers,
    )
    show(f"nsga2, population {workers}", spans, steady=spans.throughout())
    best = 0.0
    for times in lags:
        lag = round(times * workers)
        spans = search(
            SimulatedExecutor(workers=workers, sigma=sigma),
            name="steady_state",
            workers=workers,
            population=POPULATION,
            n=lag + steady * workers,
            lag=lag,
        )
        best = max(best, spans.steadily(lag=lag))
        show(f"steady_state, lag {lag} = {times:g} x workers", spans, steady=spans.steadily(lag=lag))
    return best


def started(executor: Executor, *, workers: int, patience: float) -> dict[str, float]:
    """The workers that have evaluated something within `patience` seconds, with the memory that each takes (MB)."""
    until = time.monotonic() + patience
    genome = BitSpace().sample(rng=generator(0, "start"))
    found: dict[str, float] = {}
    n_submitted = n_finished = 0
    while n_finished < n_submitted or len(found) < workers:
        wanted = workers if len(found) < workers and time.monotonic() < until else 0
        for _ in range(wanted - (n_submitted - n_finished)):
            executor.submit(n_submitted, genome)
            n_submitted += 1
        if n_submitted == n_finished:
            break
        for _, done in executor.finished():
            n_finished += 1
            found[done.worker] = done.diagnostics["memory_mb"]
    return found


def sleep(*, workers: int, sigma: float, median: float, lags: Sequence[float]) -> None:
    """Print the table of real actors that sleep."""
    from evonas.evaluation.ray_workers import START_TIMEOUT_S, RayExecutor

    task: Any = (sigma, median)
    begun = time.perf_counter()
    with RayExecutor(task, np.zeros(1), workers=workers, timeout_s=600.0, worker=SleepingWorker) as executor:
        memory = started(executor, workers=workers, patience=START_TIMEOUT_S + 10.0)
        head(
            f"{len(memory)} sleeping Ray actors ({workers} asked for; ready after {time.perf_counter() - begun:.0f} s,"
            f" {np.median(list(memory.values())):.0f} MB each), sigma {sigma:g}, median {median:g} s"
        )
        workers = len(memory)
        spans = search(executor, name="nsga2", workers=workers, population=workers, n=3 * workers)
        show(f"nsga2, population {workers}", spans, steady=spans.throughout())
        for times in lags:
            lag = round(times * workers)
            spans = search(
                executor,
                name="steady_state",
                workers=workers,
                population=POPULATION,
                n=lag + 4 * workers,
                lag=lag,
            )
            show(f"steady_state, lag {lag} = {times:g} x workers", spans, steady=spans.steadily(lag=lag))


def order(*, n: int) -> None:
    """Print what beginning the longest evaluations of a generation first would bring, at most."""
    print(
        "\nsimulated, nsga2: busy in the order of the proposals, longest first; steady_state with lag = population"
    )
    for workers, population in ((2, 20), (2, 50), (4, 24), (8, 24), (8, 50)):
        for sigma in SIGMAS:
            setup = {"workers": workers, "population": population, "n": n}
            rows = [
                search(
                    SimulatedExecutor(workers=workers, sigma=sigma, longest_first=first), name=name, **setup
                )
                for name, first in (("nsga2", False), ("nsga2", True), ("steady_state", False))
            ]
            cells = "".join(f"{spans.throughout():>9.3f}" for spans in rows)
            print(f"{workers} workers, population {population}, sigma {sigma:<6g}{cells}", flush=True)


def main() -> int:
    """Run the parts and print their tables; 0 when a lag reaches the goal at the smaller spread, where simulated."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["simulate"], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--workers", type=int, default=1000, help="simulated ones")
    parser.add_argument(
        "--steady", type=int, default=12, help="simulated evaluations a worker in the steady phase"
    )
    parser.add_argument("--actors", type=int, default=100, help="sleeping ones")
    parser.add_argument("--median", type=float, default=3.0, help="of their sleep, in seconds")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    best = GOAL
    if "simulate" in options.parts:
        steady = options.steady
        best = simulate(workers=options.workers, sigma=SIGMAS[0], lags=(4, 8), steady=steady)
        simulate(workers=options.workers, sigma=SIGMAS[1], lags=(8, 20), steady=steady)
        simulate(workers=options.actors, sigma=SIGMAS[0], lags=(2, 5), steady=steady)
        print(
            f"\nbest of {options.workers} workers at sigma {SIGMAS[0]:g}: {best:.3f}, goal {GOAL}", flush=True
        )
    if "order" in options.parts:
        order(n=2000)
    if "actors" in options.parts:
        sleep(workers=options.actors, sigma=SIGMAS[0], median=options.median, lags=(5,))
    return 0 if best >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
