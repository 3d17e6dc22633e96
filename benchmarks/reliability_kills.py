"""Does a run survive SIGKILL at any moment? Kills drivers and workers of real runs and compares what they find.

    python benchmarks/reliability_kills.py --drivers 30 --workers 10

Every other trial runs on two workers, the rest on one. A driver is killed at a time drawn uniformly from second 0 to
the length of the run; the run is then taken up with `evonas resume`, or begun anew where nothing had been recorded. A
worker is killed while a genome is evaluated, another genome in each trial; the run goes on by itself and is then
resumed, which must change nothing. A trial is equal if `evaluations()`, `pareto_front()` and `generations()` are those
of an uninterrupted run, apart from seconds, worker and attempts. The exit code is 0 if all are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import evonas
from evonas.rng import generator
from evonas.runs.results import MAY_DIFFER

COMMAND = Path(sys.executable).with_name("evonas")
POPULATION, GENERATIONS = 8, 3
N_ROWS = POPULATION * (GENERATIONS + 1)
SETTINGS = (
    *("--dataset", "digits", "--population", str(POPULATION), "--generations", str(GENERATIONS)),
    *("--set", "training.elites=0", "--set", "evaluation.batch=64"),
)
PATIENCE_S = 300.0
POLL_S = 0.005


@dataclass(frozen=True)
class Trial:
    """One kill: `row` is how far the log had come, `state` what `resume` found, `difference` empty if equal."""

    victim: str
    workers: int
    when: str
    row: int
    state: str
    seconds: float
    difference: str


def evolve_line(run_dir: Path, *, workers: int) -> list[str]:
    """The command line of a run."""
    return [str(COMMAND), "evolve", *SETTINGS, "--workers", str(workers), "--run-dir", str(run_dir)]


def start(line: list[str]) -> subprocess.Popen[str]:
    """A command at work in a session of its own, so that a signal to it reaches nothing else."""
    return subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(line: list[str]) -> str:
    """What went wrong with a command that ought to end well; empty if nothing did."""
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    return (
        ""
        if done.returncode == 0
        else f"'{line[1]}' ended with {done.returncode}: {done.stderr.strip()[-200:]}"
    )


def n_rows(run_dir: Path) -> int:
    """The complete rows in the log so far."""
    log = run_dir / "evaluations.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns in which two runs of one seed must agree; diagnostics as text, where NaN equals NaN."""
    kept = frame.drop(columns=[name for name in MAY_DIFFER if name in frame])
    if "diagnostics" in kept:
        kept = kept.assign(diagnostics=[json.dumps(value, sort_keys=True) for value in kept["diagnostics"]])
    return kept


def difference(run_dir: Path, reference: Path) -> str:
    """Where two runs differ in what they found; empty if nowhere."""
    one, other = evonas.load_run(run_dir), evonas.load_run(reference)
    if not one.is_complete:
        return f"it has {len(one.rows)} of {N_ROWS} rows"
    for name in ("evaluations", "pareto_front", "generations"):
        first, second = comparable(getattr(one, name)()), comparable(getattr(other, name)())
        if not first.equals(second):
            return f"{name}() differs"
    return ""


def kill_driver(run_dir: Path, reference: Path, *, workers: int, after_s: float) -> Trial:
    """Kill the driver `after_s` seconds after its start, take the run up, compare."""
    begun = time.monotonic()
    driver = start(evolve_line(run_dir, workers=workers))
    time.sleep(max(0.0, begun + after_s - time.monotonic()))
    ended = driver.poll() is not None
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    row = n_rows(run_dir)
    recorded = (run_dir / "config.json").exists()
    resumed = finish([str(COMMAND), "resume", str(run_dir)])
    if recorded:
        problem, state = resumed, "had ended" if ended else "resumed"
    else:
        refused = resumed.startswith("'resume' ended with 2: ") and "nothing to resume" in resumed
        problem = "" if refused else f"nothing was recorded, but {resumed or 'it could be resumed'}"
        problem = problem or finish(evolve_line(run_dir, workers=workers))
        state = "begun anew"
    return Trial(
        *("driver", workers, f"{after_s:.1f} s", row, state, time.monotonic() - begun),
        problem or difference(run_dir, reference),
    )


def kill_worker(run_dir: Path, reference: Path, *, workers: int, row: int) -> Trial:
    """Kill a worker once the log has `row` rows, so while a later genome is evaluated; let the run end, compare."""
    begun = time.monotonic()
    driver = start(evolve_line(run_dir, workers=workers))
    killed = 0
    while driver.poll() is None and not killed:
        if n_rows(run_dir) >= row:
            killed = next(iter(evaluating(driver.pid)), 0)
        time.sleep(POLL_S)
    reached = n_rows(run_dir)
    if killed:
        os.kill(killed, signal.SIGKILL)
    try:
        _, errors = driver.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        driver.kill()
        driver.wait()
        errors = "it did not end"
    problem = (
        "" if driver.returncode == 0 else f"'evolve' ended with {driver.returncode}: {errors.strip()[-200:]}"
    )
    problem = problem or ("" if killed else "no worker was there to be killed")
    problem = problem or finish([str(COMMAND), "resume", str(run_dir)])
    attempts = evonas.load_run(run_dir).evaluations()["attempts"] if not problem else pd.Series(dtype=int)
    again = f"{int((attempts > 1).sum())} evaluated again"
    return Trial(
        *("worker", workers, f"row {row}", reached, again, time.monotonic() - begun),
        problem or difference(run_dir, reference),
    )


def evaluating(driver: int) -> list[int]:
    """The workers of the run that `driver` leads which are evaluating, by what Ray writes in their titles."""
    parents: dict[int, int] = {}
    titles: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                titles[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue  # it has gone meanwhile

    def is_below(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == driver:
                return True
        return False

    return [
        pid for pid, title in titles.items() if title.startswith("ray::Worker.evaluate") and is_below(pid)
    ]


def main() -> int:
    """Run the trials, print a line for each as it ends; 0 if all are equal."""
    parser = argparse.ArgumentParser(
        description="SIGKILL drivers and workers of real runs and compare what they find"
    )
    parser.add_argument("--drivers", type=int, default=30, help="trials in which the driver is killed")
    parser.add_argument("--workers", type=int, default=10, help="trials in which a worker is killed")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the runs go; a temporary folder if not given"
    )
    parser.add_argument("--only", type=int, default=None, help="the number of a single trial to run")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="evonas-kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    lengths: dict[int, float] = {}
    for workers in (1, 2):
        begun = time.monotonic()
        problem = finish(evolve_line(folder / f"whole-{workers}", workers=workers))
        lengths[workers] = time.monotonic() - begun
        if problem:
            print(f"the uninterrupted run failed: {problem}", file=sys.stderr)
            return 1
        print(f"uninterrupted, {workers} workers: {lengths[workers]:.1f} s", flush=True)
    reference = folder / "whole-1"
    told = difference(folder / "whole-2", reference)
    if told:
        print(f"one and two workers disagree: {told}", file=sys.stderr)
        return 1
    print(
        f"{'trial':>5}  {'victim':6}  {'workers':>7}  {'killed at':>9}  {'rows':>4}  {'then':18}  {'time':>6}  result"
    )
    rng = generator(options.seed, "kills")
    # Another genome in each trial: rows in a random order, none of the last generation, which may be over too soon.
    rows = [int(row) for row in rng.permutation(N_ROWS - POPULATION)]
    trials: list[Trial] = []
    for number in range(options.drivers + options.workers):
        run_dir, workers = folder / f"trial-{number:02}", 1 + number % 2
        if number < options.drivers:
            after_s = float(rng.uniform(0.0, lengths[workers]))
        if options.only not in (None, number):
            continue
        if number < options.drivers:
            trial = kill_driver(run_dir, reference, workers=workers, after_s=after_s)
        else:
            row = rows[(number - options.drivers) % len(rows)]
            trial = kill_worker(run_dir, reference, workers=workers, row=row)
        trials.append(trial)
        print(
            f"{number:5}  {trial.victim:6}  {trial.workers:7}  {trial.when:>9}  {trial.row:4}  {trial.state:18}  "
            f"{trial.seconds:4.0f} s  {trial.difference or 'equal'}",
            flush=True,
        )
    n_equal = sum(not trial.difference for trial in trials)
    print(f"equal: {n_equal} of {len(trials)}")
    if n_equal == len(trials) and options.folder is None:
        shutil.rmtree(folder)
    elif n_equal < len(trials):
        print(f"the runs are in {folder}")
    return 0 if n_equal == len(trials) else 1


if __name__ == "__main__":
    sys.exit(main())
