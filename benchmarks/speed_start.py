"""How soon a search has its first evaluation: seconds from typing `evonas evolve` until its first row is on disk.

Beside it, taking turns in the same run: Ray's own start-up, a fresh process that imports ray, starts it as evonas does
(two workers) and has one answer of an empty actor. The difference is what evonas adds: its imports here and in the
workers, the data, the sampled genomes of the bounds, and the first evaluation itself.

    python benchmarks/speed_start.py [--root FOLDER_OF_CIFAR10] [--repeats 3]

Without `--root` only digits are timed, which come with the install.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GOAL_S = 4.0
N_WORKERS = 2
LONGEST_S = 300.0

RAY_ALONE = """
import logging, os
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
ray.init(address="local", num_cpus={n_workers}, object_store_memory={store}, include_dashboard=False,
         logging_level=logging.ERROR, log_to_driver=False)
@ray.remote(num_cpus=1)
class Empty:
    def ready(self):
        return True
ray.get(Empty.remote().ready.remote())
print("ready", flush=True)
"""


def ray_alone() -> float:
    """Seconds until an empty actor has answered."""
    from evonas.evaluation.ray_workers import OBJECT_STORE_BYTES

    script = RAY_ALONE.format(n_workers=N_WORKERS, store=OBJECT_STORE_BYTES)
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        seconds = time.perf_counter() - started
    if said != "ready":
        raise SystemExit("Ray did not start")
    return seconds


def first_evaluation(dataset: str, *, root: Path | None) -> float:
    """Seconds until the first evaluation of a new search is on disk."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        command = [sys.executable, "-m", "evonas", "evolve", "--dataset", dataset, "--run-dir", str(run_dir)]
        command += ["--workers", str(N_WORKERS), "--population", "4", "--generations", "1"]
        command += [] if root is None else ["--data-dir", str(root)]
        log = run_dir / "evaluations.jsonl"
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not (log.exists() and log.stat().st_size):
            if process.poll() is not None or time.perf_counter() - started > LONGEST_S:
                process.kill()
                raise SystemExit(f"no evaluation: {process.communicate()[1]}")
            time.sleep(0.005)
        seconds = time.perf_counter() - started
        process.send_signal(signal.SIGTERM)
        process.communicate()
        return seconds


def main() -> None:
    """Print seconds to the first evaluation by data set, Ray's own, and the difference, each with its spread."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=None, help="folder that holds CIFAR-10")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    datasets = ["digits"] + ([] if options.root is None else ["cifar10"])
    alone: list[float] = []
    found: dict[str, list[float]] = {dataset: [] for dataset in datasets}
    above: dict[str, list[float]] = {dataset: [] for dataset in datasets}
    print(
        f"{N_WORKERS} workers, {options.repeats} times in turns, load {os.getloadavg()[0]:.1f} before; seconds"
    )
    for _ in range(options.repeats):
        for dataset in datasets:
            alone.append(ray_alone())
            found[dataset].append(first_evaluation(dataset, root=options.root))
            above[dataset].append(found[dataset][-1] - alone[-1])
    print(f"{'':36s}{'median':>8s}{'least':>8s}{'most':>8s}{'n':>4s}")
    rows = {"Ray alone": alone}
    for dataset in datasets:
        rows |= {f"{dataset}: first evaluation": found[dataset], f"{dataset}: above Ray": above[dataset]}
    for name, seconds in rows.items():
        middle = statistics.median(seconds)
        print(f"{name:36s}{middle:8.2f}{min(seconds):8.2f}{max(seconds):8.2f}{len(seconds):4d}")
    print(f"goal: at most {GOAL_S:g} s above Ray")


if __name__ == "__main__":
    main()
