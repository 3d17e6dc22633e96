"""Where all parts meet: a config becomes a run, a run goes on, an elite is trained."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

import evonas.runs.checkpoint as checkpoint
import evonas.runs.config as run_config
import evonas.runs.folder as run_folder
import evonas.runs.log as run_log
from evonas.atomic import atomic_write
from evonas.data import Dataset, load, normalise, scoring_batch
from evonas.errors import ConfigError, RunError
from evonas.evaluation.evaluator import Task, objectives
from evonas.evaluation.executor import Executor
from evonas.evaluation.memory import RememberingMap
from evonas.evaluation.serial import SerialExecutor
from evonas.evolution import loop, state
from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.state import EvolutionState
from evonas.evolution.strategies import strategy as named_strategy
from evonas.objectives.energy import energy_nj
from evonas.proxies.rdm import health
from evonas.rng import generator
from evonas.runs.config import Config
from evonas.runs.folder import RunFolder, RunRecord
from evonas.runs.progress import Reporter
from evonas.runs.results import MAY_DIFFER, Run, load_run
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS, Counts
from evonas.training.loop import train as train_network
from evonas.training.result import EpochReport
from genomes.architecture import InputSpec
from genomes.describing import describe as describe_genome
from genomes.serial import build_space, genome_text, load_genome
from genomes.space import Space

N_MEASURED = 256
"""Validation examples on which energy and firing rates of a trained network are measured."""

N_SAMPLED_FOR_BOUNDS = 200
"""Genomes from which the bounds of the hypervolume are taken; the same ones for every seed."""


def evolve(config: Config, *, run_dir: Path | None, max_minutes: float | None, reporter: Reporter) -> Path:
    """Start a run and carry it to its end; returns its folder.

    Without `run_dir` it is `runs/<data set>`, numbered where that exists. After `max_minutes` the run stops where it
    is and can be resumed.

    Raises:
        EvonasError, GenomeError: bad input, refused before anything is evaluated.
        OSError: the disk is full; what was written stays valid.
    """
    deadline = _deadline(max_minutes)
    dataset = _dataset(config, reporter)
    config = _fitted(config, dataset)
    problem = _problem(config, dataset)
    folder = run_folder.create(run_dir or _free_folder(dataset.spec.name))
    with run_folder.locked(folder):
        run_folder.create(folder.path)  # refuses if somebody else has begun a run here in between
        record = RunRecord(
            config=config,
            input_shape=dataset.spec.shape,
            n_classes=dataset.spec.n_classes,
            objectives=problem.specs,
            digests={"data": dataset.digest},
            environment=_environment(),
            commit=_commit(),
        )
        _continue(folder, record, problem, dataset, deadline=deadline, reporter=reporter)
    return folder.path


def resume(run_dir: Path, *, generations: int | None, workers: int | None, reporter: Reporter) -> None:
    """Go on with a run where it was stopped or killed; with more `generations` also with one that had ended.

    Raises:
        RunError: nothing to resume, or what decides the results has changed since.
    """
    folder = run_folder.open_run(run_dir)
    with run_folder.locked(folder):
        record = run_folder.read_record(folder)
        changes = {"evolution.generations": generations, "evaluation.workers": workers}
        record = replace(record, config=run_config.override(record.config, changes))
        dataset = _dataset(record.config, reporter)
        _refuse_changed_settings(folder, record)
        problem = _problem(record.config, dataset)
        _refuse_changed_surroundings(folder, record, dataset, problem.specs)
        _continue(folder, record, problem, dataset, deadline=_deadline(None), reporter=reporter)


def train(
    run_dir: Path, *, elite: str | None, epochs: int | None, device: str | None, reporter: Reporter
) -> None:
    """Train one network of a run in full: the knee, or `elite` given as rank in the front (from 1) or architecture id.

    Raises:
        RunError: no such network, or the folder holds another training of it.
    """
    folder = run_folder.open_run(run_dir)
    with run_folder.locked(folder):
        run = load_run(run_dir)
        config = run_config.override(
            run.record.config, {"training.epochs": epochs, "training.device": device}
        )
        dataset = _dataset(config, reporter)
        if dataset.digest != run.record.digests["data"]:
            raise RunError(
                f"data.root: the data are not those that {run_dir} was evolved on; give the same files"
            )
        _train_elite(run, _chosen(run, elite), config, dataset, reporter)


def describe(target: str) -> str:
    """A network in words: `target` is the file of a saved genome, or ``RUN_DIR:ARCHITECTURE_ID``."""
    path = Path(target)
    if path.is_file():
        genome, space = load_genome(path)
        return describe_genome(genome, space)
    run_dir, colon, architecture_id = target.rpartition(":")
    if not colon:
        raise ConfigError(
            f"describe: expected the file of a saved genome or RUN_DIR:ARCHITECTURE_ID, got '{target}'"
        )
    run = load_run(run_dir)
    space = run.space()
    return describe_genome(space.from_dict(run.genome(architecture_id)), space)


@dataclass(frozen=True)
class _Problem:
    """What is searched and what counts: everything the loop needs that follows from config and data."""

    task: Task
    specs: tuple[ObjectiveSpec, ...]
    inputs: np.ndarray
    """The scoring batch, time first: (1 or T, B, C, H, W)."""


class _TimeIsUp(Exception):
    """The run has used its minutes; it stops after the evaluation that was just logged."""


def _continue(
    folder: RunFolder,
    record: RunRecord,
    problem: _Problem,
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
    log_digest = _digest_of(rows[: started.n_proposed])

    def recorded(proposal: Proposal) -> Evaluation | None:
        if proposal.index >= len(rows):
            return None
        row = rows[proposal.index]
        if row.architecture_id != proposal.architecture_id:
            raise RunError(
                f"{folder.evaluations}: row {row.index} is {row.architecture_id}, but this run proposes"
                f" {proposal.architecture_id} there; the log was edited or belongs to another run"
            )
        _digest_more(log_digest, row)
        return row.evaluation()

    def on_result(proposal: Proposal, evaluation: Evaluation) -> None:
        nonlocal in_generation
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
            "settings": run_config.matters(config),
            "log": log_digest.hexdigest(),
        }
        checkpoint.write(folder.checkpoints, generation=current.generation, state=content)

    def on_generation(generation: loop.Generation) -> None:
        save(generation.state)
        reporter.generation(generation.record)

    if started.generation < config.evolution.generations:
        known = [(row.architecture_id, row.evaluation()) for row in rows[: started.n_proposed]]
        with contextlib.ExitStack() as open_things:
            executor = open_things.enter_context(_executor(config, problem))
            if not rows:
                save(started)
            run_folder.write_record(folder, record)
            log = open_things.enter_context(run_log.LogWriter(folder.evaluations))
            evaluate = RememberingMap(executor, known=known, recorded=recorded, on_result=on_result)
            try:
                loop.evolve(
                    toolbox=loop.make_toolbox(space=space, evaluate=evaluate),
                    strategy=strategy,
                    state=started,
                    specs=problem.specs,
                    generations=config.evolution.generations,
                    population=config.evolution.population,
                    seed=config.evolution.seed,
                    seen=[architecture_id for architecture_id, _ in known],
                    on_generation=on_generation,
                )
            except _TimeIsUp:
                reporter.note(f"time is up; go on with: evonas resume {folder.path}")
    run = load_run(folder.path)
    reporter.finished(run)
    if run.is_complete:
        for architecture_id in _elites(run, config.training.elites):
            _train_elite(run, architecture_id, config, dataset, reporter)


def _executor(config: Config, problem: _Problem) -> AbstractContextManager[Executor]:
    settings = config.evaluation
    if settings.executor == "serial":
        return SerialExecutor(problem.task, problem.inputs, timeout_s=settings.timeout_s)
    from evonas.evaluation.ray_workers import RayExecutor  # Ray takes a second to import

    return RayExecutor(
        problem.task,
        problem.inputs,
        workers=settings.workers,
        timeout_s=settings.timeout_s,
        address=settings.address,
    )


def _starting_state(
    folder: RunFolder, rows: list[run_log.Row], record: RunRecord, space: Space[Any]
) -> tuple[EvolutionState, list[str]]:
    """The state of the newest checkpoint that fits the log and can be read, else that of a run not begun."""

    def refuse(content: Mapping[str, Any]) -> str:
        n_proposed = content["evolution"]["n_proposed"]
        if len(rows) < n_proposed or _digest_of(rows[:n_proposed]).hexdigest() != content["log"]:
            return f"{folder.evaluations.name} does not hold the {n_proposed} rows it was made from"
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
    content = {name: value for name, value in dataclasses.asdict(row).items() if name not in MAY_DIFFER}
    sha.update(json.dumps(content, sort_keys=True).encode())


def _dataset(config: Config, reporter: Reporter) -> Dataset:
    root = Path(config.data.root) if config.data.root else None
    return load(config.data.name, root=root, report=reporter.note)


def _fitted(config: Config, dataset: Dataset) -> Config:
    """The config as recorded: a file of one's own by its full path, and as many time steps as its frames have."""
    name = config.data.name
    return run_config.override(
        config,
        {
            "data.name": str(Path(name).expanduser().resolve()) if name.endswith(".npz") else None,
            "data.root": str(Path(config.data.root).expanduser().resolve()) if config.data.root else None,
            "evaluation.time_steps": dataset.spec.n_steps,
        },
    )


def _problem(config: Config, dataset: Dataset) -> _Problem:
    """The search problem, with every name in the config looked up.

    Raises:
        EvonasError, GenomeError: an unknown name or an illegal option.
    """
    named_strategy(config.evolution.strategy)
    spec = dataset.spec
    input_spec = InputSpec(shape=spec.shape, n_classes=spec.n_classes)
    space = build_space(config.space.name, input_spec=input_spec, options=config.space.options)
    inputs, _ = scoring_batch(dataset, size=config.evaluation.batch)
    time_first = inputs[None] if spec.static else np.ascontiguousarray(inputs.swapaxes(0, 1))
    task = Task(
        space=space,
        objectives=config.evolution.objectives,
        time_steps=config.evaluation.time_steps,
        seed=config.evolution.seed,
        max_parameters=config.evolution.max_parameters,
        max_energy_nj=config.evolution.max_energy_nj,
    )
    wanted = objectives(config.evolution.objectives)
    sample = [space.decode(space.sample(rng=generator(0, "bounds", i))) for i in range(N_SAMPLED_FOR_BOUNDS)]
    specs = tuple(
        ObjectiveSpec(
            name=objective.name,
            direction=objective.direction,
            unit=objective.unit,
            scale=objective.scale,
            bounds=objective.bounds(sample, task.time_steps, spec.static),
        )
        for objective in wanted
    )
    return _Problem(task=task, specs=specs, inputs=time_first)


def _refuse_changed_settings(folder: RunFolder, record: RunRecord) -> None:
    """Refuse a `config.json` that is not the one that the run began with, in anything that decides its results."""
    content, _ = checkpoint.load_newest(folder.checkpoints)
    now = json.loads(json.dumps(run_config.matters(record.config)))
    changed = run_config.difference(content["settings"], now) if content else []
    if changed:
        raise RunError(
            f"{folder.record} was changed since the run began: {'; '.join(changed)}; change it back"
        )


def _refuse_changed_surroundings(
    folder: RunFolder, record: RunRecord, dataset: Dataset, specs: tuple[ObjectiveSpec, ...]
) -> None:
    """Refuse to go on where the results could not be those of an uninterrupted run."""
    was: dict[str, object] = {"data": record.digests["data"], **record.environment}
    now: dict[str, object] = {"data": dataset.digest, **_environment()}
    was |= {f"objectives.{spec.name}": str(spec) for spec in record.objectives}
    now |= {f"objectives.{spec.name}": str(spec) for spec in specs}
    changed = run_config.difference(was, now)
    if changed:
        raise RunError(
            f"{folder.path} cannot be continued here: {'; '.join(changed)}; restore what it was begun with"
        )


def _elites(run: Run, n: int) -> list[str]:
    """The knee and then the front in order of rank, `n` ids at most."""
    if not n or not run.front:
        return []
    ranked = [run.knee.architecture_id, *(member.architecture_id for member in run.front)]
    return list(dict.fromkeys(ranked))[:n]


def _chosen(run: Run, elite: str | None) -> str:
    if elite is None:
        return run.knee.architecture_id
    if not elite.isdecimal():
        run.genome(elite)
        return elite
    rank = int(elite)
    if not 1 <= rank <= len(run.front):
        raise RunError(f"--elite: the front has ranks 1 to {len(run.front)}, got {rank}")
    return run.front[rank - 1].architecture_id


def _train_elite(
    run: Run, architecture_id: str, config: Config, dataset: Dataset, reporter: Reporter
) -> None:
    """Train one network; its folder gets genome, weights, result, and what an inference costs after training."""
    space = run.space()
    genome = space.from_dict(run.genome(architecture_id))
    architecture = space.decode(genome)
    folder = run.folder.elite(architecture_id)
    folder.mkdir(parents=True, exist_ok=True)
    provenance = f"{run.folder.path.name}, seed {config.evolution.seed}, data {config.data.name}"
    text = genome_text(genome, space=space, provenance=provenance)
    atomic_write(folder / "genome.json", text.encode())
    network = SpikingNetwork(architecture, seed=config.evolution.seed)
    settings, time_steps = config.training, config.evaluation.time_steps
    reporter.training(architecture_id=architecture_id, n_epochs=settings.epochs)
    result = train_network(
        network,
        dataset,
        time_steps=time_steps,
        epochs=settings.epochs,
        batch=settings.batch,
        optimizer=settings.optimizer,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        label_smoothing=settings.label_smoothing,
        device=settings.device,
        amp=settings.amp,
        seed=config.evolution.seed,
        threads=settings.threads or run_config.usable_cores(),
        folder=folder,
        report=_epoch_reporter(reporter),
    )
    cost = _inference(network, dataset, time_steps=time_steps)
    atomic_write(folder / "inference.json", (json.dumps(cost, indent=1) + "\n").encode())
    reporter.trained(architecture_id=architecture_id, test_accuracy=result.test_accuracy, folder=folder)


def _epoch_reporter(reporter: Reporter) -> Callable[[EpochReport], None]:
    def report(epoch: EpochReport) -> None:
        reporter.epoch(
            epoch=epoch.epoch,
            n_epochs=epoch.epochs,
            loss=epoch.loss,
            accuracy=epoch.validation_accuracy,
            images_per_second=epoch.images_per_second,
            seconds=epoch.seconds,
        )

    return report


def _inference(network: SpikingNetwork, dataset: Dataset, *, time_steps: int) -> dict[str, Any]:
    """What an inference costs: size, and energy and firing rate per layer by the spikes on validation examples."""
    spec, architecture = dataset.spec, network.architecture
    examples = normalise(dataset.validation.inputs[:N_MEASURED], spec)
    inputs = torch.from_numpy(examples[None] if spec.static else examples.swapaxes(0, 1).copy())
    counts: dict[int, Counts] = {}

    def observe(node: int, spikes: torch.Tensor) -> None:
        counts[node] = COUNTS.measure(spikes.cpu())

    with torch.no_grad():
        network(inputs.to(network.readout.weight.device), time_steps=time_steps, observe=observe)
    energy = energy_nj(
        architecture, time_steps=time_steps, static=spec.static, spikes=lambda node: counts[node].per_pixel
    )
    return {
        "parameters": architecture.n_parameters,
        "macs_per_step": architecture.macs_per_step,
        "energy_nj": energy,
        "firing_rate": health(counts, architecture.spiking)["firing_rate"],
        "firing_rates": {str(node): counts[node].firing_rate for node in architecture.spiking},
    }


def _free_folder(name: str) -> Path:
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def _deadline(max_minutes: float | None) -> float:
    return float("inf") if max_minutes is None else time.monotonic() + 60.0 * max_minutes


def _environment() -> dict[str, str]:
    """What results depend on beside settings and data: the versions of what computes, and the kind of machine."""
    packages = {name: version(name) for name in ("evonas", "torch", "numpy", "deap", "moocore")}
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {**packages, "python": platform.python_version(), "machine": machine}


def _commit() -> str:
    """The commit of the checkout that this file is in, empty where it is none."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()
