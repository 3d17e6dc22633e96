"""A run from its beginning, or from wherever it was stopped, to its end."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import evonas.runs.checkpoint as checkpoint
import evonas.runs.config as run_config
import evonas.runs.folder as run_folder
import evonas.runs.log as run_log
from evonas.data import Dataset
from evonas.errors import RunError
from evonas.evaluation.executor import Executor
from evonas.evaluation.memory import RememberingQueue
from evonas.evaluation.serial import SerialExecutor
from evonas.evolution import loop, state
from evonas.evolution.evaluation import FAILURES, Evaluation, Proposal
from evonas.evolution.state import EvolutionState
from evonas.evolution.strategies import strategy as named_strategy
from evonas.pipeline.elites import check_device, train_elite
from evonas.pipeline.initial import initial_genomes
from evonas.pipeline.problem import Problem, build_problem, fitted, load_data
from evonas.pipeline.provenance import (
    commit,
    environment,
    refuse_changed_settings,
    refuse_changed_surroundings,
)
from evonas.runs.config import Config
from evonas.runs.folder import RunFolder, RunRecord
from evonas.runs.progress import Reporter
from evonas.runs.results import MAY_DIFFER, Run, load_run
from genomes.space import Space


def evolve(config: Config, *, run_dir: Path | None, max_minutes: float | None, reporter: Reporter) -> Path:
    """Start a run and carry it to its end; returns its folder.

    Without `run_dir` it is `runs/<data set>`, numbered where that exists. After `max_minutes` the run stops where it
    is and can be resumed.

    Raises:
        EvonasError, GenomeError: bad input, refused before anything is evaluated; or in the end, limits that no
            genome met, or no genome that could be evaluated.
        OSError: the disk is full; what was written stays valid.
    """
    deadline = _deadline(max_minutes)
    check_device(config)
    dataset = load_data(config, reporter)
    config = fitted(config, dataset)
    problem = build_problem(config, dataset)
    initial = initial_genomes(config, problem.task.space)
    folder = run_folder.create(run_dir or _free_folder(dataset.spec.name))
    with run_folder.locked(folder):
        run_folder.create(folder.path)  # refuses if somebody else has begun a run here in between
        record = RunRecord(
            config=config,
            input_shape=dataset.spec.shape,
            n_classes=dataset.spec.n_classes,
            objectives=problem.specs,
            digests={"data": dataset.digest},
            environment=environment(),
            commit=commit(),
            initial=initial,
        )
        _continue(folder, record, problem, dataset, deadline=deadline, reporter=reporter)
    return folder.path


def resume(run_dir: Path, *, generations: int | None, workers: int | None, reporter: Reporter) -> None:
    """Go on with a run where it was stopped or killed; with more `generations` also with one that had ended.

    Raises:
        RunError: nothing to resume, what decides the results has changed since, or in the end as in `evolve`.
    """
    changes = {"evolution.generations": generations, "evaluation.workers": workers}
    take_up(run_dir, changes, reporter=reporter)


def take_up(run_dir: Path, changes: Mapping[str, object], *, reporter: Reporter) -> None:
    """`resume` with any of the settings changed that a resumed run may change; `None` leaves one as it is.

    Raises:
        RunError: as in `resume`.
    """
    folder = run_folder.open_run(run_dir)
    with run_folder.locked(folder):
        record = run_folder.read_record(folder)
        record = replace(record, config=run_config.override(record.config, changes))
        dataset = load_data(record.config, reporter)
        refuse_changed_settings(folder, record)
        problem = build_problem(record.config, dataset)
        refuse_changed_surroundings(folder, record, dataset, problem.specs)
        _continue(folder, record, problem, dataset, deadline=_deadline(None), reporter=reporter)


class EmptyFrontError(RunError):
    """A run that is over and found nothing: no genome was within the limits, or none could be evaluated."""


class _TimeIsUp(Exception):
    """The run has used its minutes; it stops after the evaluation that was just logged."""


def _continue(
    folder: RunFolder,
    record: RunRecord,
    problem: Problem,
    dataset: Dataset,
    *,
    deadline: float,
    reporter: Reporter,
) -> None:
    """Carry a run to its end from wherever its log and checkpoints are, and train its elites.

    Nothing is recorded before whatever evaluates is there, so that a start that fails leaves no run behind.
    """
    config, space = record.config, problem.task.space
    strategy = named_strategy(config.evolution.strategy)
    run_folder.make_parts(folder)
    rows, dropped = run_log.recover(folder.evaluations)
    started, skipped = _starting_state(folder, rows, record, space)
    if config.evolution.generations < started.generation:
        raise RunError(
            f"evolution.generations: {folder.path} has {started.generation} generations already, got"
            f" {config.evolution.generations}; ask for more"
        )
    for text in (*dropped, *skipped):
        reporter.note(text)
    reporter.begin(
        folder=folder.path,
        record=record,
        n_generations=config.evolution.generations,
        first=started.generation + 1,
    )
    in_generation = 0
    log_digest = _digest_of(rows[: started.n_told])

    def recorded(proposal: Proposal) -> Evaluation | None:
        if proposal.index >= len(rows):
            return None
        row = rows[proposal.index]
        if row.architecture_id != proposal.architecture_id:
            raise RunError(
                f"{folder.evaluations}: row {row.index} is {row.architecture_id}, but this run proposes"
                f" {proposal.architecture_id} there; the log was edited or belongs to another run"
            )
        return row.evaluation()

    def on_result(proposal: Proposal, evaluation: Evaluation) -> None:
        nonlocal in_generation
        if proposal.index < len(rows):
            _digest_more(log_digest, rows[proposal.index])
            return
        row = run_log.row(proposal, evaluation, genome=space.to_dict(proposal.genome))
        log.append([row])
        _digest_more(log_digest, row)
        in_generation = proposal.index % config.evolution.population + 1
        reporter.evaluated(n_done=in_generation, n_total=config.evolution.population)
        if time.monotonic() > deadline:
            raise _TimeIsUp

    def save(current: EvolutionState) -> None:
        content = {
            "evolution": state.to_dict(current, space=space),
            "settings": record.matters(),
            "log": log_digest.hexdigest(),
        }
        checkpoint.write(folder.checkpoints, generation=current.generation, state=content)

    def on_generation(generation: loop.Generation) -> None:
        save(generation.state)
        reporter.generation(generation.record)

    if started.generation < config.evolution.generations:
        known = [(row.architecture_id, row.evaluation()) for row in rows[: started.n_told]]
        with contextlib.ExitStack() as open_things:
            workers = open_things.enter_context(executor(config, problem))
            if not rows:
                save(started)
            run_folder.write_record(folder, record)
            log = open_things.enter_context(run_log.LogWriter(folder.evaluations))
            queue = RememberingQueue(workers, known=known, recorded=recorded, on_result=on_result)
            try:
                loop.evolve(
                    toolbox=loop.make_toolbox(space=space),
                    queue=queue,
                    strategy=strategy,
                    state=started,
                    specs=problem.specs,
                    generations=config.evolution.generations,
                    population=config.evolution.population,
                    seed=config.evolution.seed,
                    lag=config.evolution.lag,
                    seen=[architecture_id for architecture_id, _ in known],
                    initial=[space.from_dict(genome) for genome in record.initial.values()],
                    on_generation=on_generation,
                )
            except _TimeIsUp:
                reporter.note(f"time is up; go on with: evonas resume {folder.path}")
    run = load_run(folder.path)
    reporter.finished(run)
    if run.is_complete:
        refuse_empty_front(run)
        for architecture_id in dict.fromkeys(run.elites.values()):
            train_elite(run, architecture_id, config, dataset, reporter)


def refuse_empty_front(run: Run) -> None:
    """Nothing, unless the front of a run that is over is empty.

    Raises:
        EmptyFrontError: that is so; it names the limits and the nearest genome, or the first failure where no genome
            could be evaluated.
    """
    if run.front:
        return
    infeasible = [row for row in run.rows if row.violation > 0]
    if not infeasible:
        failed = [row for row in run.rows if row.status in FAILURES]
        counted = ", ".join(
            f"{n} {_FAILED[status]}" for status, n in Counter(r.status for r in failed).items()
        )
        raise EmptyFrontError(
            f"no genome could be evaluated: {counted}, the first with: {failed[0].reason}; mend that and begin a new"
            f" run (evaluation.timeout_s is {run.record.config.evaluation.timeout_s:g} s)"
        )
    nearest = min(infeasible, key=lambda row: row.violation)
    values = {**nearest.diagnostics, **nearest.objectives}
    limits = run.record.config.evolution.limits
    broken = {name: limit for name, limit in limits.items() if values[name] > limit}
    wanted = " and ".join(f"evolution.max_{name}={limit:.9g}" for name, limit in broken.items())
    raise EmptyFrontError(
        f"no genome met {wanted}: the nearest has {' and '.join(f'{values[name]:.9g}' for name in broken)};"
        f" raise {'it' if len(broken) == 1 else 'them'} in a new run, or let this one search longer:"
        f" evonas resume {run.folder.path} --generations {run.record.config.evolution.generations + 10}"
    )


_FAILED = {"failed": "failed", "timeout": "timed out", "worker_died": "lost with their worker"}


def executor(config: Config, problem: Problem) -> AbstractContextManager[Executor]:
    """What evaluates, as the settings say: this process, or workers."""
    settings = config.evaluation
    if settings.executor == "serial":
        return SerialExecutor(
            problem.task, problem.inputs, labels=problem.labels, timeout_s=settings.timeout_s
        )
    from evonas.evaluation.ray_workers import RayExecutor  # Ray takes a second to import

    return RayExecutor(
        problem.task,
        problem.inputs,
        labels=problem.labels,
        workers=settings.workers,
        timeout_s=settings.timeout_s,
        address=settings.address,
    )


def _starting_state(
    folder: RunFolder, rows: list[run_log.Row], record: RunRecord, space: Space[Any]
) -> tuple[EvolutionState, list[str]]:
    """The state of the newest checkpoint that fits the log and can be read, else that of a run not begun."""

    def refuse(content: Mapping[str, Any]) -> str:
        n_told = content["evolution"]["n_proposed"] - len(content["evolution"]["pending"])
        if len(rows) < n_told or _digest_of(rows[:n_told]).hexdigest() != content["log"]:
            return f"{folder.evaluations.name} does not hold the {n_told} rows it was made from"
        return ""

    content, skipped = checkpoint.load_newest(folder.checkpoints, refuse=refuse)
    if content is None:
        return EvolutionState(), skipped
    return state.from_dict(content["evolution"], space=space, specs=record.objectives), skipped


def _digest_of(rows: Iterable[run_log.Row]) -> hashlib._Hash:
    """SHA-256 over what two runs of one seed have in common."""
    sha = hashlib.sha256()
    for row in rows:
        _digest_more(sha, row)
    return sha


def _digest_more(sha: hashlib._Hash, row: run_log.Row) -> None:
    # Not asdict, which copies the genome in depth.
    names = (field.name for field in dataclasses.fields(row) if field.name not in MAY_DIFFER)
    content = {name: getattr(row, name) for name in names}
    sha.update(json.dumps(content, sort_keys=True).encode())


def _free_folder(name: str) -> Path:
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def _deadline(max_minutes: float | None) -> float:
    return float("inf") if max_minutes is None else time.monotonic() + 60.0 * max_minutes
