"""What the driver spends on an evaluation when the evaluation itself costs nothing, from first to last generation.

A run as `evonas evolve` makes it: the default space on inputs of CIFAR-10's shape, NSGA-II, the log with its fsync, the
checkpoints, the serial executor. Only the objectives are stand-ins that need no network: the true number of parameters,
and a fitness and an energy that follow the MACs with noise drawn from the architecture id, so that a front of a
realistic size grows. Everything between two evaluations is counted. Where the time goes is sampled from the stack.

    python benchmarks/speed_driver.py [--population 200] [--generations 200] [--window 10]
        [--strategy nsga2]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from evonas import pipeline
from evonas.objectives import OBJECTIVES, Objective
from evonas.proxies import Candidate, Measured, Stimulation
from evonas.runs import config as run_config
from evonas.runs.progress import PlainReporter
from genomes.architecture import Architecture

GOAL_MS = 5.0

INTERVAL_S = 0.005
"""Processor time between two looks at the stack."""

PARTS = {
    "selection and archive": ("evolution/selection.py", "evolution/archive.py", "evolution/individual.py"),
    "variation": ("gene_space.py:mutate", "spaces/evonas.py:crossover", "spaces/evonas.py:sample"),
    "decoding and id": ("gene_space.py:architecture_id",),
    "checkpoint": ("runs/checkpoint.py", "evolution/state.py"),
    "genome as JSON": ("gene_space.py:to_dict",),
    "log, with fsync": ("runs/log.py",),
    "digest of the log": ("pipeline/running.py:_digest_more",),
    "executor, objectives": ("evaluation/serial.py", "evaluation/evaluator.py"),
}
"""What a stack is counted as: the first of these, from the outermost frame inwards, that one of its frames is of."""


WAITING = "off the processor"
"""Waiting for the disk (fsync), and for whatever else runs on the machine."""

COMPUTING = "on the processor"


def _noise(architecture: Architecture, purpose: str) -> float:
    """A number in [0, 1) that depends on the architecture alone."""
    digest = hashlib.sha256(f"{purpose} {architecture.id}".encode()).digest()
    return int.from_bytes(digest[:8], "little") / 2**64


def _fitness(candidate: Candidate) -> Measured:
    architecture = candidate.architecture
    return Measured(float(np.log10(architecture.macs_per_step)) + _noise(architecture, "fitness"))


def _energy(candidate: Candidate) -> Measured:
    architecture = candidate.architecture
    return Measured(architecture.macs_per_step * 10 ** (_noise(architecture, "energy") - 1.0))


def _bounds(low: float, high: float) -> Any:
    def bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
        return low, high

    return bounds


OBJECTIVES.register(
    "stand_in_fitness", Objective("stand_in_fitness", "max", "", "linear", (), _fitness, _bounds(0.0, 12.0))
)
OBJECTIVES.register(
    "stand_in_energy", Objective("stand_in_energy", "min", "", "log10", (), _energy, _bounds(1e3, 1e10))
)


class Clock(PlainReporter):
    """Says nothing; remembers when each evaluation was over and the size of the front after each generation."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []
        self.cpu: list[float] = []
        self.fronts: list[int] = []

    def line(self, text: str) -> None:
        """Print nothing."""

    def evaluated(self, *, n_done: int, n_total: int) -> None:
        """Note the time, and the processor time."""
        self.ends.append(time.perf_counter())
        self.cpu.append(time.process_time())

    def generation(self, record: Mapping[str, Any]) -> None:
        """Note the size of the front."""
        self.fronts.append(record["n_front"])


class Sampler:
    """Counts, by the number of evaluations done, in which part the processor time goes."""

    def __init__(self, clock: Clock) -> None:
        self.found: list[tuple[int, str]] = []
        self._clock = clock

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sample while the block runs."""
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            signal.signal(signal.SIGPROF, before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        places = []
        while frame is not None:
            places.append(f"{frame.f_code.co_filename}:{frame.f_code.co_name}")
            frame = frame.f_back
        part = next(filter(None, map(_part, reversed(places))), "the rest")
        self.found.append((len(self._clock.ends), part))


def _part(place: str) -> str:
    for part, patterns in PARTS.items():
        if any(pattern in place if ":" in pattern else f"{pattern}:" in place for pattern in patterns):
            return part
    return ""


def run(*, population: int, generations: int, strategy: str) -> tuple[Clock, Sampler]:
    """A run from end to end in a temporary folder."""
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(40, dtype=np.int64) % 10
    clock = Clock()
    sampler = Sampler(clock)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "images.npz"
        np.savez(data, x_train=images, y_train=labels, x_test=images, y_test=labels)
        config = run_config.resolve(
            flags={
                "data.name": str(data),
                "evolution.strategy": strategy,
                "evolution.population": population,
                "evolution.generations": generations,
                "evolution.objectives": ("stand_in_fitness", "parameters", "stand_in_energy"),
                "evaluation.executor": "serial",
                "evaluation.batch": 20,
                "training.elites": 0,
            }
        )
        with sampler.running():
            pipeline.evolve(config, run_dir=Path(folder) / "run", max_minutes=None, reporter=clock)
    return clock, sampler


def windows(*, generations: int, window: int) -> list[tuple[int, int]]:
    """First and last generation of the first, a middle and the last `window` generations."""
    window = min(window, generations)
    starts = [1, (generations - window) // 2 + 1, generations - window + 1]
    return [(start, start + window - 1) for start in dict.fromkeys(starts)]


def main() -> None:
    """Print milliseconds per evaluation early, midway and late in the run, and what they are spent on."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--population", type=int, default=200)
    parser.add_argument("--generations", type=int, default=200)
    parser.add_argument("--strategy", default="nsga2")
    parser.add_argument("--window", type=int, default=10, help="generations that are taken together")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    clock, sampler = run(
        population=options.population, generations=options.generations, strategy=options.strategy
    )
    size = options.population
    # Generation 0 ends with its last evaluation; what lies between two ends belongs to the later one.
    of_generation = [
        1e3 * (clock.ends[(g + 1) * size - 1] - clock.ends[g * size - 1]) / size
        for g in range(1, options.generations + 1)
    ]
    spans = windows(generations=options.generations, window=options.window)
    print(f"population {size}, {len(clock.ends)} evaluations, load {load:.1f} before; ms per evaluation")
    print(f"{'generations':24s}" + "".join(f"{f'{a} to {b}':>14s}" for a, b in spans))
    for name, of in (("median", statistics.median), ("least", min), ("most", max)):
        print(f"{name:24s}" + "".join(f"{of(of_generation[a - 1 : b]):14.2f}" for a, b in spans))
    print(f"{'front':24s}" + "".join(f"{clock.fronts[b]:14d}" for _, b in spans))
    for part in (WAITING, COMPUTING, *PARTS, "the rest"):
        found = (_part_ms(part, first=a, last=b, size=size, clock=clock, sampler=sampler) for a, b in spans)
        print(f"{part:24s}" + "".join(f"{ms:14.2f}" for ms in found))
    print(f"goal: at most {GOAL_MS:g} ms, as much at the end as at the beginning")


def _part_ms(part: str, *, first: int, last: int, size: int, clock: Clock, sampler: Sampler) -> float:
    """Milliseconds per evaluation that a part takes in the generations `first` to `last`."""
    begin, end = first * size, (last + 1) * size
    wall, cpu = (times[end - 1] - times[begin - 1] for times in (clock.ends, clock.cpu))
    if part == WAITING:
        return 1e3 * (wall - cpu) / (end - begin)
    if part == COMPUTING:
        return 1e3 * cpu / (end - begin)
    inside = Counter(found for n, found in sampler.found if begin <= n < end)
    return 1e3 * cpu / (end - begin) * inside[part] / max(1, inside.total())


if __name__ == "__main__":
    main()
