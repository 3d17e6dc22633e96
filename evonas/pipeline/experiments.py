"""An experiment from its file to its table; called again, it goes on where it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import evonas.runs.config as run_config
import evonas.runs.experiment as experiments
import evonas.runs.folder as run_folder
from evonas.atomic import atomic_write
from evonas.errors import RunError
from evonas.pipeline.elites import check_device, train_with
from evonas.pipeline.initial import initial_genomes
from evonas.pipeline.problem import build_problem, fitted, load_data
from evonas.pipeline.running import EmptyFrontError, evolve, refuse_empty_front, take_up
from evonas.runs.config import Config
from evonas.runs.experiment import Member, Plan
from evonas.runs.experiment_table import load_experiment
from evonas.runs.folder import RunFolder, RunRecord
from evonas.runs.progress import Reporter
from evonas.runs.results import load_run
from evonas.training.loop import DivergedError

MAY_CHANGE = (run_config.FREE_ON_RESUME | {"training.device", "training.threads"}) - {"evolution.generations"}
"""The settings in which a run may differ from its experiment: where and how fast it is computed."""


def experiment(plan: Plan, *, folder: Path | None, reporter: Reporter) -> Path:
    """Carry every run of an experiment to its end, train its elites, and write the table; returns the folder.

    Without `folder` it is `runs/<experiment>-<size>`. Runs that are there are taken up, those that are over are left
    alone. A training that diverges and a search that finds nothing are told and leave a gap in the table; the other
    runs go on.

    Raises:
        EvonasError, GenomeError: bad input, refused before anything is written; a run of other settings.
        OSError: the disk is full; what was written stays valid.
    """
    name = plan.experiment.name
    path = folder or Path("runs") / f"{name}-{plan.experiment.size}"
    _refuse_foreign(path, name=name)
    configs = _checked(plan, path, reporter)
    path.mkdir(parents=True, exist_ok=True)
    atomic_write(path / experiments.RECORD, plan.experiment.to_json())
    for member, config in configs.items():
        try:
            _carry_out(path / member.name, config, reporter)
        except (DivergedError, EmptyFrontError) as error:
            reporter.note(f"{member.name}: {error}")
    result = load_experiment(path)
    atomic_write(result.csv, result.table().to_csv(index=False).encode())
    reporter.experiment(result)
    return path


def _refuse_foreign(path: Path, *, name: str) -> None:
    """Refuse a folder that holds something else than runs of the experiment `name`."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; choose another --run-dir")
    if (path / experiments.RECORD).exists():
        there = experiments.from_json(path / experiments.RECORD).name
        if there != name:
            raise RunError(f"{path} holds the experiment {there}, not {name}; choose another --run-dir")
    elif path.exists() and any(path.iterdir()):
        raise RunError(f"{path} is not empty and holds no experiment; choose another --run-dir")


def _checked(plan: Plan, path: Path, reporter: Reporter) -> dict[Member, Config]:
    """The settings of each run as they are recorded; refuses whatever in the plan would be refused when its turn comes.

    Each data set is read once; the seeds of a variant differ in nothing that can be wrong.
    """
    for config in plan.configs.values():
        check_device(config)
    reading = {member: (config.data, config.evaluation.time_steps) for member, config in plan.configs.items()}
    configs: dict[Member, Config] = {}
    initial: dict[str, dict[str, Any]] = {}
    for read in dict.fromkeys(reading.values()):
        members = [member for member in plan.configs if reading[member] == read]
        dataset = load_data(plan.configs[members[0]], reporter)
        for member in members:
            configs[member] = config = fitted(plan.configs[member], dataset)
            if member.variant not in initial:
                space = build_problem(config, dataset).task.space
                initial[member.variant] = initial_genomes(config, space)
            _refuse_changed(RunFolder(path / member.name), config, initial=initial[member.variant])
    return {member: configs[member] for member in plan.configs}


def _refuse_changed(folder: RunFolder, config: Config, *, initial: Mapping[str, Any]) -> None:
    """Refuse a run that is there and was begun with other settings or initial genomes than are asked for now."""
    if not folder.record.is_file():
        return
    record = run_folder.read_record(folder)
    was, now = (_fixed(found) for found in (record, replace(record, config=config, initial=initial)))
    changed = run_config.difference(was, now)
    if changed:
        raise RunError(
            f"{folder.path} was begun with other settings: {'; '.join(changed)}; change them back, delete it, or"
            " choose another --run-dir"
        )


def _fixed(record: RunRecord) -> dict[str, object]:
    """What a run and its experiment must agree about, by name."""
    settings = {**run_config.by_name(record.config), **record.matters()}
    return {name: value for name, value in settings.items() if name not in MAY_CHANGE}


def _carry_out(path: Path, config: Config, reporter: Reporter) -> None:
    """Bring one run to its end, from wherever it is."""
    if not RunFolder(path).record.is_file():
        evolve(config, run_dir=path, max_minutes=None, reporter=reporter)
        return
    changes = {name: value for name, value in run_config.by_name(config).items() if name in MAY_CHANGE}
    if not load_run(path).is_complete:
        take_up(path, changes, reporter=reporter)
        return
    run = load_run(path)
    refuse_empty_front(run)
    for architecture_id in dict.fromkeys(run.elites.values()):
        if not run.is_trained(architecture_id):
            train_with(path, changes, elite=architecture_id, reporter=reporter)
