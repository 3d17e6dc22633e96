"""Two workers under the driver against two independent processes that evaluate the same genomes, half of them each.

A search of CIFAR-10 as `evonas evolve` makes it (default space, default objectives, batch 64, T = 4) on two Ray
workers; then two processes that know nothing of each other evaluate the genomes of that very search, in the same order
and with the same code, without driver, log or Ray. Taking turns, so that both see the same machine. A rate is
evaluations per second from the first start of work to the end; that of the processes is the sum of their own. Every
objective of every genome must come out the same on both sides.

Where the difference is: evaluations that take longer beside a driver (the third process on two cores); workers that
wait at the end of a generation, computed from the durations; the driver between two evaluations, which is what is left.

    python benchmarks/speed_workers.py [--root FOLDER_OF_CIFAR10] [--strategy steady_state] [--repeats 2]

Without `--root` the images are noise of CIFAR-10's shape.
"""

from __future__ import annotations

import argparse
import heapq
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np

from evonas import pipeline
from evonas.evaluation.evaluator import evaluate, use_one_thread
from evonas.pipeline.problem import build_problem, load_data
from evonas.runs import config as run_config
from evonas.runs.config import Config
from evonas.runs.log import Row, read
from evonas.runs.progress import PlainReporter

GOAL = 0.95
N_WORKERS = 2
OK = "ok"


class Clock(PlainReporter):
    """Says nothing; remembers when each evaluation was handed over."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def line(self, text: str) -> None:
        """Print nothing."""

    def evaluated(self, *, n_done: int, n_total: int) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())


@dataclass(frozen=True)
class Turn:
    """One search and the two processes after it; all seconds."""

    rows: list[Row]
    span: float
    """From the first start of work to the last evaluation."""
    alone: list[list[float]]
    """Durations of the evaluations of each process."""

    @property
    def rate(self) -> float:
        """Evaluations per second of the search."""
        return len(self.rows) / self.span

    @property
    def rate_alone(self) -> float:
        """Those of the two processes."""
        return sum(len(seconds) / sum(seconds) for seconds in self.alone)

    @property
    def busy(self) -> float:
        """The share of the span in which a worker was evaluating."""
        return sum(row.seconds for row in self.rows) / (N_WORKERS * self.span)

    @property
    def slower(self) -> float:
        """How much longer an evaluation takes under the driver."""
        return sum(row.seconds for row in self.rows) / sum(map(sum, self.alone))

    @property
    def busy_at_best(self) -> float:
        """`busy` if handing out and taking back took no time, and workers waited for each generation's last."""
        by_generation = groupby(self.rows, key=lambda row: row.generation)
        spans = [_makespan([row.seconds for row in rows]) for _, rows in by_generation]
        return sum(row.seconds for row in self.rows) / (N_WORKERS * sum(spans))


def _makespan(durations: Sequence[float]) -> float:
    """How long the workers take for jobs that are begun in order, each by whoever is free first."""
    free = [0.0] * N_WORKERS
    for duration in durations:
        heapq.heappush(free, heapq.heappop(free) + duration)
    return max(free)


def search(config: Config, run_dir: Path) -> tuple[list[Row], float]:
    """The rows of a search that were evaluated, and seconds from the first start of work to the end."""
    clock = Clock()
    pipeline.evolve(config, run_dir=run_dir, max_minutes=None, reporter=clock)
    rows = read(run_dir / "evaluations.jsonl")
    # The first row is handed over when it is finished, since no other is before it.
    begin = clock.ends[0] - rows[0].seconds
    return [row for row in rows if row.status == OK], clock.ends[-1] - begin


def independent(
    settings: dict[str, Any],
    genomes: list[Any],
    ready: Barrier,
    results: Queue[tuple[list[float], list[dict[str, float]]]],
) -> None:
    """Evaluate `genomes` one after the other, once all processes are ready; hands over seconds and objectives."""
    use_one_thread()
    config = run_config.from_dict(settings)
    problem = build_problem(config, load_data(config, Clock()))
    task = problem.task
    inputs, labels = (_tensor(array) for array in (problem.inputs, problem.labels))
    decoded = [task.space.from_dict(genome) for genome in genomes]
    seconds, values = [], []
    ready.wait()
    for genome in decoded:
        started = time.perf_counter()
        values.append(dict(evaluate(task, genome, inputs=inputs, labels=labels).objectives))
        seconds.append(time.perf_counter() - started)
    results.put((seconds, values))


def _tensor(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(array)


def processes(config: Config, rows: Sequence[Row]) -> list[list[float]]:
    """Durations of the evaluations of `rows` in as many processes as there are workers, which share them out."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(N_WORKERS)
    found = []
    started = []
    for part in range(N_WORKERS):
        mine = list(rows[part::N_WORKERS])
        results: Queue[tuple[list[float], list[dict[str, float]]]] = context.Queue()
        process = context.Process(
            target=independent,
            args=(run_config.to_dict(config), [row.genome for row in mine], ready, results),
        )
        process.start()
        started.append((process, results, mine))
    for process, results, mine in started:
        seconds, values = results.get()
        process.join()
        if values != [dict(row.objectives) for row in mine]:
            raise SystemExit("the two sides disagree about an objective")
        found.append(seconds)
    return found


def _settings(options: argparse.Namespace, folder: Path) -> Config:
    if options.root is None:
        rng = np.random.default_rng(0)
        images, labels = rng.integers(0, 256, (1000, 3, 32, 32), dtype=np.uint8), np.arange(1000) % 10
        np.savez(folder / "noise.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    flags = {
        "data.name": "cifar10" if options.root else str(folder / "noise.npz"),
        "data.root": str(options.root) if options.root else None,
        "evolution.strategy": options.strategy,
        "evolution.population": options.population,
        "evolution.generations": options.generations,
        "evaluation.workers": N_WORKERS,
        "training.elites": 0,
    }
    return run_config.resolve(flags=flags)


def main() -> None:
    """Print both rates, their ratio, and what the ratio is made of."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=None, help="folder that holds CIFAR-10")
    parser.add_argument("--strategy", default=None, help="the default one, if not given")
    parser.add_argument("--population", type=int, default=20)
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    turns = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = _settings(options, folder)
        for repeat in range(options.repeats):
            rows, span = search(config, folder / str(repeat))
            turns.append(Turn(rows, span, processes(config, rows)))
    n = len(turns[0].rows)
    print(f"{config.evolution.strategy}, {n} evaluations, {len(turns)} turns, load {load:.1f} before")
    print(f"{'':48s}{'median':>8s}{'least':>8s}{'most':>8s}")
    for text, values in {
        "2 workers, evaluations per second": [turn.rate for turn in turns],
        "2 processes, evaluations per second": [turn.rate_alone for turn in turns],
        f"ratio (goal: {GOAL:g} or more)": [turn.rate / turn.rate_alone for turn in turns],
        "duration of an evaluation, workers / processes": [turn.slower for turn in turns],
        "share of the time in which workers evaluate": [turn.busy for turn in turns],
        "computed: waiting at ends of generations alone": [turn.busy_at_best for turn in turns],
    }.items():
        print(f"{text:48s}{statistics.median(values):8.3f}{min(values):8.3f}{max(values):8.3f}")


if __name__ == "__main__":
    main()
