"""The networks that a run found, trained in full."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import evonas.runs.config as run_config
import evonas.runs.folder as run_folder
from evonas.atomic import atomic_write
from evonas.data import Dataset, normalise
from evonas.errors import RunError
from evonas.objectives.energy import energy_nj
from evonas.pipeline.problem import load_data
from evonas.runs.config import Config
from evonas.runs.progress import Reporter
from evonas.runs.results import Run, load_run
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS, Counts, health
from evonas.training.device import open_device
from evonas.training.loop import train as train_network
from evonas.training.result import EpochReport, TrainingResult
from genomes.serial import genome_text

N_MEASURED = 256
"""Validation examples on which energy and firing rates of a trained network are measured."""


def train(
    run_dir: Path, *, elite: str | None, epochs: int | None, device: str | None, reporter: Reporter
) -> None:
    """Train one network of a run in full: the knee, or `elite` given as rank in the front (from 1) or architecture id.

    Raises:
        RunError: no such network, or the folder holds another training of it.
    """
    train_with(
        run_dir, {"training.epochs": epochs, "training.device": device}, elite=elite, reporter=reporter
    )


def train_with(
    run_dir: Path, changes: Mapping[str, object], *, elite: str | None, reporter: Reporter
) -> None:
    """`train` with any settings of training or `data.root` changed; `None` leaves one as it is.

    Raises:
        RunError: as in `train`.
    """
    folder = run_folder.open_run(run_dir)
    with run_folder.locked(folder):
        run = load_run(run_dir)
        config = run_config.override(run.record.config, changes)
        dataset = load_data(config, reporter)
        if dataset.digest != run.record.digests["data"]:
            raise RunError(
                f"data.root: the data are not those that {run_dir} was evolved on; give the same files"
            )
        train_elite(run, _chosen(run, elite), config, dataset, reporter)


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


def check_device(config: Config) -> None:
    """Refuse settings that ask for elites on a device that is not there.

    Raises:
        ConfigError: that is so.
    """
    if config.training.elites:
        open_device(config.training.device)


def train_elite(run: Run, architecture_id: str, config: Config, dataset: Dataset, reporter: Reporter) -> None:
    """Train one network; its folder gets genome, weights, result, and what an inference costs after training."""
    space = run.space()
    genome = space.from_dict(run.genome(architecture_id))
    architecture = space.decode(genome)
    folder = run.folder.elite(architecture_id)
    folder.mkdir(parents=True, exist_ok=True)
    provenance = f"{run.folder.path.name}, seed {config.evolution.seed}, data {config.data.name}"
    text = genome_text(genome, space=space, provenance=provenance)
    atomic_write(folder / "genome.json", text.encode())
    network = SpikingNetwork(architecture, seed=config.evolution.seed, surrogate=config.training.surrogate)
    reporter.training(architecture_id=architecture_id, n_epochs=config.training.epochs)
    result = train_as_configured(
        network,
        dataset,
        config,
        seed=config.evolution.seed,
        threads=run_config.usable_cores(),
        folder=folder,
        report=_epoch_reporter(reporter),
    )
    if not run.is_trained(architecture_id):
        cost = {
            "device": _device_name(config.training.device),
            **inference(network, dataset, time_steps=config.evaluation.time_steps),
        }
        atomic_write(folder / "inference.json", (json.dumps(cost, indent=1) + "\n").encode())
    reporter.trained(architecture_id=architecture_id, test_accuracy=result.test_accuracy, folder=folder)


def train_as_configured(
    network: SpikingNetwork,
    dataset: Dataset,
    config: Config,
    *,
    seed: int,
    threads: int,
    folder: Path,
    report: Callable[[EpochReport], None],
) -> TrainingResult:
    """Train a network in place by the settings of training, on `threads` where these name no number.

    Raises:
        as `evonas.training.loop.train`, which has the other arguments.
    """
    settings = config.training
    return train_network(
        network,
        dataset,
        time_steps=config.evaluation.time_steps,
        epochs=settings.epochs,
        batch=settings.batch,
        optimizer=settings.optimizer,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        label_smoothing=settings.label_smoothing,
        device=settings.device,
        amp=settings.amp,
        seed=seed,
        threads=settings.threads or threads,
        folder=folder,
        report=report,
    )


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


def _device_name(device: str) -> str:
    return device if device == "cpu" else torch.cuda.get_device_name(device)


def inference(network: SpikingNetwork, dataset: Dataset, *, time_steps: int) -> dict[str, Any]:
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
