"""An experiment from its file to its table; called again, it goes on where it was."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import evonas.runs.config as run_config
import evonas.runs.experiment as experiments
import evonas.runs.folder as run_folder
from evonas.atomic import atomic_write
from evonas.errors import ConfigError, RunError
from evonas.measurements import MEASUREMENTS
from evonas.pipeline.elites import check_device, train_with
from evonas.pipeline.initial import initial_genomes
from evonas.pipeline.problem import build_problem, fitted, load_data
from evonas.pipeline.provenance import commit, environment
from evonas.pipeline.running import EmptyFrontError, evolve, refuse_empty_front, take_up
from evonas.runs.config import Config
from evonas.runs.experiment import Experiment, Member, Plan
from evonas.runs.experiment_networks import measured_file
from evonas.runs.experiment_report import report
from evonas.runs.experiment_table import load_experiment
from evonas.runs.folder import RunFolder, RunRecord
from evonas.runs.progress import Reporter
from evonas.runs.results import Run, load_run
from evonas.training.loop import DivergedError
from genomes.adoption import adopted
from genomes.errors import GenomeError
from genomes.serial import genome_text

STAMP = ("commit", "environment")
"""What a ranking is stamped with."""

OBSERVATIONS, REPORT = "observations.csv", "report.md"
"""The files of an experiment beside its table: each network of each seed, and the answer as a page."""

MAY_CHANGE = (run_config.FREE_ON_RESUME | {"training.device", "training.threads"}) - {"evolution.generations"}
"""The settings in which a run may differ from its experiment: where and how fast it is computed."""


def experiment(plan: Plan, *, folder: Path | None, reporter: Reporter) -> Path:
    """Carry every run of an experiment to its end, train its elites, and write the table; returns the folder.

    Without `folder` it is `runs/<experiment>-<size>`; variants of another experiment lie in the folder of that one,
    beside. Runs that are there are taken up, those that are over are left alone. A training that diverges and a search
    that finds nothing are told and leave a gap in the table; the other runs go on.

    Raises:
        EvonasError, GenomeError: bad input, refused before anything is written; a run of other settings.
        OSError: the disk is full; what was written stays valid.
    """
    name, size = plan.experiment.name, plan.experiment.size
    path = folder or Path("runs") / f"{name}-{size}"
    for measure in plan.experiment.measures:
        MEASUREMENTS.get(measure)
    homes = [(lender, path.absolute().parent / f"{of}-{size}") for of, lender in plan.lenders.items()]
    homes.append((plan.experiment, path))
    for asked, home in homes:
        _refuse_foreign(home, name=asked.name)
    configs = _checked(plan, path, reporter)
    if plan.experiment.cost:
        reporter.note(f"size {plan.experiment.size}: {plan.experiment.cost}")
    for asked, home in homes:
        home.mkdir(parents=True, exist_ok=True)
        atomic_write(home / experiments.RECORD, asked.to_json())
    for member, config in configs.items():
        if member in plan.rankings:
            _rank(plan, member, config, path=path, reporter=reporter)
            continue
        try:
            config = _with_genomes_taken_over(plan.experiment, member, config, path=path, reporter=reporter)
            run = plan.experiment.folder(member, path=path)
            if experiments.taken_over(plan.configs[member]):
                _refuse_other_genomes(RunFolder(run), config)
            _carry_out(run, config, reporter)
            _measure(load_run(run), config, measures=plan.experiment.measures, reporter=reporter)
        except (DivergedError, EmptyFrontError) as error:
            reporter.note(f"{member.name}: {error}")
    result = load_experiment(path)
    atomic_write(result.csv, result.table().to_csv(index=False).encode())
    atomic_write(path / OBSERVATIONS, result.observations().to_csv(index=False).encode())
    atomic_write(path / REPORT, report(result).encode())
    reporter.experiment(result)
    return path


def _rank(plan: Plan, member: Member, config: Config, *, path: Path, reporter: Reporter) -> None:
    """Carry out one ranking; a table that is not there is told, and leaves a gap."""
    from evonas.pipeline.ranking import rank  # pandas and scipy take a second to import
    from evonas.ranking.request import Request

    ranking = plan.rankings[member]
    places = [Path(folder) / ranking.table for folder in (plan.file.parent, config.data.root or "data")]
    table = next((place for place in places if place.exists()), None)
    if table is None:
        reporter.note(f"{member.name}: left out, there is neither {' nor '.join(map(str, places))}")
        return
    folder = path / member.name
    folder.mkdir(exist_ok=True)
    request = Request(
        table,
        proxies=ranking.proxies,
        columns=ranking.columns,
        only=ranking.only,
        distinct=ranking.distinct,
        limit=ranking.limit,
        noise=0,
        report=(told := path / f"{member.name}-{experiments.RANKED}"),
    )
    before = json.loads(told.read_bytes()) if told.is_file() else {}
    rank(request, config, run_dir=folder, reporter=reporter)
    found = json.loads(told.read_bytes())
    # What was scored before keeps the commit that scored it.
    kept = before if before.get("correlations") == found["correlations"] else {}
    stamp = {"commit": commit(), "environment": environment(), **{k: kept[k] for k in STAMP if k in kept}}
    atomic_write(told, (json.dumps({**found, **stamp}, indent=1) + "\n").encode())


def _with_genomes_taken_over(
    asked: Experiment, member: Member, config: Config, *, path: Path, reporter: Reporter
) -> Config:
    """The config of a run, its initial genomes "@variant" replaced by what that variant found with the same seed."""
    taken = experiments.taken_over(config)
    if not taken:
        return config
    space = build_problem(config, load_data(config, reporter)).task.space
    files = {}
    for text in taken:
        source = next(
            other
            for other in asked.members
            if other.seed == member.seed and other.variant == text.removeprefix(experiments.FROM_VARIANT)
        )
        run = load_run(asked.folder(source, path=path))
        refuse_empty_front(run)
        found = next(iter(run.candidates.values()))
        try:
            genome = adopted(space.from_dict(run.genome(found)), space)
        except GenomeError as error:
            raise ConfigError(f"{member.name}: evolution.initial: '{text}': {error}") from error
        # Named after what is taken, so that the runs of all seeds have the same name for it.
        file = path / experiments.FOUND / member.name / f"{source.variant}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        provenance = f"{asked.name} {asked.size}, {source.name}: {found}"
        atomic_write(file, genome_text(genome, space=space, provenance=provenance).encode())
        files[text] = str(file)
    initial = [files.get(text, text) for text in config.evolution.initial]
    return run_config.override(config, {"evolution.initial": initial})


def _measure(run: Run, config: Config, *, measures: Sequence[str], reporter: Reporter) -> None:
    """Measure every trained network of a run in what it was not measured in yet."""
    trained = dict.fromkeys(i for i in run.elites.values() if run.is_trained(i))
    missing = [
        (measure, architecture_id, file)
        for measure in measures
        for architecture_id in trained
        if not (file := measured_file(run, architecture_id, measure=measure)).is_file()
    ]
    if not missing:
        return
    dataset = load_data(config, reporter)
    for measure, architecture_id, file in missing:
        found = MEASUREMENTS.get(measure)(run, architecture_id, dataset)
        content = {name: None if math.isnan(value) else value for name, value in found.items()}
        file.parent.mkdir(exist_ok=True)
        atomic_write(file, (json.dumps(content, indent=1) + "\n").encode())
        reporter.note(f"{run.folder.path.name}: measured {measure} of {architecture_id}")


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
    reading = {
        member: (config.data, config.evaluation.time_steps)
        for member, config in plan.configs.items()
        if member not in plan.rankings
    }
    configs = dict(plan.configs)
    initial: dict[str, dict[str, Any]] = {}
    for read in dict.fromkeys(reading.values()):
        members = [member for member in reading if reading[member] == read]
        dataset = load_data(plan.configs[members[0]], reporter)
        for member in members:
            configs[member] = config = fitted(plan.configs[member], dataset)
            taken = experiments.taken_over(config)
            if member.variant not in initial:
                named = [text for text in config.evolution.initial if text not in taken]
                space = build_problem(config, dataset).task.space
                initial[member.variant] = initial_genomes(
                    run_config.override(config, {"evolution.initial": named}), space
                )
            run = RunFolder(plan.experiment.folder(member, path=path))
            _refuse_changed(run, config, initial=None if taken else initial[member.variant])
    return configs


def _refuse_other_genomes(folder: RunFolder, config: Config) -> None:
    """Refuse a run that is there and was begun with other genomes than are taken over now."""
    if not folder.record.is_file():
        return
    files = [Path(text) for text in config.evolution.initial if text.endswith(".json")]
    saved = {file.stem: json.loads(file.read_bytes())["genome"] for file in files}
    begun = run_folder.read_record(folder).initial
    changed = [name for name, genome in saved.items() if begun.get(name) != genome]
    if changed:
        raise RunError(
            f"{folder.path} was begun with another genome '{changed[0]}' than the one that is taken over now; delete it"
            " to have it run anew"
        )


def _refuse_changed(folder: RunFolder, config: Config, *, initial: Mapping[str, Any] | None) -> None:
    """Refuse a run that is there and was begun with other settings than are asked for now, or other initial genomes.

    Without `initial` the genomes are those of another run, and not compared.
    """
    if not folder.record.is_file():
        return
    record = run_folder.read_record(folder)
    given = record.initial if initial is None else initial
    was, now = (_fixed(found) for found in (record, replace(record, config=config, initial=given)))
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
