"""What a run searches and what counts: everything that follows from its config and its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import evonas.runs.config as run_config
from evonas.data import Dataset, load, scoring_batch
from evonas.errors import ConfigError
from evonas.evaluation.evaluator import Task, objectives
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.strategies import strategy
from evonas.proxies import Stimulation
from evonas.rng import generator
from evonas.runs.config import Config
from evonas.runs.progress import Reporter
from genomes.architecture import InputSpec
from genomes.serial import build_space

N_SAMPLED_FOR_BOUNDS = 200
"""Genomes from which the bounds of the hypervolume are taken; the same ones for every seed."""


@dataclass(frozen=True)
class Problem:
    """What is searched and what counts: everything the loop needs that follows from config and data."""

    task: Task
    specs: tuple[ObjectiveSpec, ...]
    inputs: np.ndarray
    """The scoring batch, time first: (1 or T, B, C, H, W)."""

    labels: np.ndarray
    """Its classes (B,)."""


def load_data(config: Config, reporter: Reporter) -> Dataset:
    """The data set that the config names, as many time steps of it and as many examples as it says."""
    return load(
        config.data.name,
        root=Path(config.data.root) if config.data.root else None,
        n_steps=config.evaluation.time_steps,
        framing=config.data.framing,
        n_train=config.data.n_train,
        n_validation=config.data.n_validation,
        n_test=config.data.n_test,
        report=reporter.note,
    )


def fitted(config: Config, dataset: Dataset) -> Config:
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


def build_problem(config: Config, dataset: Dataset) -> Problem:
    """The search problem, with every name in the config looked up.

    Raises:
        EvonasError, GenomeError: an unknown name or an illegal option.
    """
    evolution = config.evolution
    strategy(evolution.strategy).rhythm(population=evolution.population, lag=evolution.lag)
    n_total = evolution.population * (evolution.generations + 1)
    if evolution.lag is not None and evolution.lag >= n_total:
        raise ConfigError(
            f"evolution.lag: expected less than the {n_total} genomes of the run (population x generations, and the"
            f" first), or all of them would be random, got {evolution.lag}"
        )
    spec = dataset.spec
    input_spec = InputSpec(shape=spec.shape, n_classes=spec.n_classes)
    space = build_space(config.space.name, input_spec=input_spec, options=config.space.options)
    inputs, labels = scoring_batch(dataset, size=config.evaluation.batch)
    time_first = inputs[None] if spec.static else np.ascontiguousarray(inputs.swapaxes(0, 1))
    task = Task(
        space=space,
        objectives=config.evolution.objectives,
        time_steps=config.evaluation.time_steps,
        seed=config.evolution.seed,
        limits=config.evolution.limits,
    )
    wanted = objectives(config.evolution.objectives)
    stimulation = Stimulation(time_steps=task.time_steps, batch=config.evaluation.batch, static=spec.static)
    sample = [space.decode(space.sample(rng=generator(0, "bounds", i))) for i in range(N_SAMPLED_FOR_BOUNDS)]
    specs = tuple(
        ObjectiveSpec(
            name=objective.name,
            direction=objective.direction,
            unit=objective.unit,
            scale=objective.scale,
            bounds=objective.bounds(sample, stimulation),
        )
        for objective in wanted
    )
    return Problem(task=task, specs=specs, inputs=time_first, labels=labels)
