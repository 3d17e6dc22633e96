"""Full training of one network: surrogate gradients, one checkpoint per epoch, the test set once at the end."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from evonas.data.dataset import Dataset
from evonas.errors import ConfigError, EvonasError, RunError
from evonas.snn.neurons import SpikingNeuron
from evonas.training.batches import Batches
from evonas.training.checkpoint import read_tensors, write_file, write_tensors
from evonas.training.device import open_device, open_precision
from evonas.training.draws import seeded_draws
from evonas.training.evaluation import accuracy
from evonas.training.result import EpochReport, TrainingResult, result_from_dict
from evonas.training.settings import Settings, build_optimizer, learning_rate_at

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.pt"
RESULT = "result.json"

_LOSS_CHECK_EVERY = 50  # steps between two looks at the loss on an accelerator: each look waits for it


class DivergedError(EvonasError, ArithmeticError):
    """A training whose loss or weights are no longer finite."""


def train(
    network: nn.Module,
    dataset: Dataset,
    *,
    time_steps: int,
    epochs: int,
    batch: int,
    optimizer: str,
    learning_rate: float,
    weight_decay: float,
    label_smoothing: float,
    device: str,
    amp: bool,
    seed: int,
    threads: int,
    folder: Path,
    report: Callable[[EpochReport], None],
) -> TrainingResult:
    """Train `network` in place and return how good it became; it is left on `device`, in evaluation mode.

    `folder` gets the state after each epoch, and at the end the weights (a `state_dict`) and the result.
    Called again with the same arguments after an interruption, it goes on after the last finished epoch, to
    the same weights; called after the end, it loads the weights and returns the result without a further look
    at the test set. Device, precision of matrix products and number of threads may change in between, at the
    cost of the last bits.

    Raises:
        ConfigError: a setting out of range, or a device that is not there.
        UnknownNameError: no such optimizer.
        RunError: `folder` holds another training, or cannot be written.
        DivergedError: loss or weights became infinite or NaN; the checkpoint of the epoch before stays.
    """
    settings = Settings(
        time_steps=time_steps,
        epochs=epochs,
        batch=batch,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        amp=amp,
        seed=seed,
    )
    if threads < 1:
        raise ConfigError(f"training.threads: a whole number of 1 or above expected, {threads} given")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _Training(network, dataset, settings=settings, device=open_device(device), folder=folder).run(
            report
        )
    finally:
        torch.set_num_threads(before)


class _Training:
    """One training in progress: everything that its checkpoint holds, and the tools to go on."""

    def __init__(
        self, network: nn.Module, dataset: Dataset, *, settings: Settings, device: torch.device, folder: Path
    ) -> None:
        self.settings, self.folder, self.device = settings, folder, device
        self.identity = {
            **asdict(settings),
            "surrogate": _surrogates(network),
            "data": dataset.digest,
            "network": _fingerprint(network),
        }
        self.network = network.to(device)
        self.splits = {
            name: Batches(split, spec=dataset.spec, size=settings.batch, device=device)
            for name, split in (
                ("train", dataset.train),
                ("validation", dataset.validation),
                ("test", dataset.test),
            )
        }
        self.optimizer = build_optimizer(network, settings=settings)
        self.precision = open_precision(amp=settings.amp, device=device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision.scales_loss)
        self.epoch = 0  # finished epochs
        self.validation_accuracy = 0.0
        self.seconds = 0.0  # wall time of finished epochs
        self.training_seconds = 0.0  # the part of it without validation

    def run(self, report: Callable[[EpochReport], None]) -> TrainingResult:
        if (self.folder / CHECKPOINT).exists():
            self._restore()
        self.network.eval()
        if self.epoch == self.settings.epochs and (result := self._finished()):
            return result
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"cannot make {self.folder}: {error.strerror or error}; choose another folder"
            ) from error
        while self.epoch < self.settings.epochs:
            report(self._one_epoch())
        started = time.perf_counter()
        with self._autocast():
            test_accuracy = accuracy(self.network, self.splits["test"], time_steps=self.settings.time_steps)
        weights = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        write_tensors(self.folder / WEIGHTS, weights)
        result = TrainingResult(
            test_accuracy=test_accuracy,
            validation_accuracy=self.validation_accuracy,
            epochs=self.epoch,
            seconds=self.seconds + time.perf_counter() - started,
            images_per_second=self._images_per_epoch() * self.epoch / self.training_seconds,
        )
        write_file(self.folder / RESULT, (json.dumps(result.to_dict(), indent=2) + "\n").encode())
        return result

    def _one_epoch(self) -> EpochReport:
        started = time.perf_counter()
        self.network.train()
        with seeded_draws(seed=self.settings.seed, epoch=self.epoch):
            loss = self._steps()
        trained = time.perf_counter() - started
        self.network.eval()
        with self._autocast():
            validation_accuracy = accuracy(
                self.network, self.splits["validation"], time_steps=self.settings.time_steps
            )
        self.epoch += 1
        self.validation_accuracy = validation_accuracy
        self.training_seconds += trained
        seconds = time.perf_counter() - started
        self.seconds += seconds
        self._save()
        return EpochReport(
            epoch=self.epoch,
            epochs=self.settings.epochs,
            loss=loss,
            validation_accuracy=validation_accuracy,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            images_per_second=self._images_per_epoch() / trained,
            seconds=seconds,
        )

    def _steps(self) -> float:
        """The optimiser steps of the next epoch; the mean loss."""
        settings, batches = self.settings, self.splits["train"]
        total = torch.zeros((), device=self.device)
        for i, (inputs, labels) in enumerate(batches.shuffled(seed=settings.seed, epoch=self.epoch)):
            rate = learning_rate_at(
                self.epoch * batches.n_per_epoch + i,
                n_steps=settings.epochs * batches.n_per_epoch,
                peak=settings.learning_rate,
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            with self._autocast():
                logits = self.network(inputs, time_steps=settings.time_steps)
            loss = cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing)
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            total += loss.detach()
            if (self.device.type == "cpu" or i % _LOSS_CHECK_EVERY == 0) and not math.isfinite(total.item()):
                self._diverged(f"loss {total.item()}")
        mean = total.item() / batches.n_per_epoch
        if not math.isfinite(mean):
            self._diverged(f"loss {mean}")
        # A neuron whose potential is NaN is silent, and a silent network has a finite loss.
        if not all(bool(value.isfinite().all()) for value in self.network.state_dict().values()):
            self._diverged("weights that are not finite")
        return mean

    def _diverged(self, what: str) -> None:
        raise DivergedError(
            f"training diverged in epoch {self.epoch + 1} of {self.settings.epochs}: {what}; "
            f"lower training.learning_rate ({self.settings.learning_rate:g}) in the run's config.json"
        )

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, dtype=self.precision.dtype, enabled=self.precision.dtype is not None
        )

    def _images_per_epoch(self) -> int:
        batches = self.splits["train"]
        return min(len(batches), batches.n_per_epoch * self.settings.batch)

    def _save(self) -> None:
        write_tensors(
            self.folder / CHECKPOINT,
            {
                "identity": self.identity,
                "epoch": self.epoch,
                "validation_accuracy": self.validation_accuracy,
                "seconds": self.seconds,
                "training_seconds": self.training_seconds,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
            },
        )

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        saved = read_tensors(path)
        identity = saved.get("identity")
        # Before there was a choice the surrogate was arctan, and checkpoints did not say so.
        there = {"surrogate": "arctan", **identity} if isinstance(identity, dict) else {}
        for name, asked in self.identity.items():
            if there.get(name) != asked:
                raise RunError(
                    f"{path} is of a training with another {name}: {there.get(name)!r} there, {asked!r} asked;"
                    " ask for the same, or delete the folder to train anew"
                )
        try:
            self.network.load_state_dict(saved["network"])  # type: ignore[arg-type]
            self.optimizer.load_state_dict(saved["optimizer"])  # type: ignore[arg-type]
            self.scaler.load_state_dict(saved["scaler"])  # type: ignore[arg-type]
            self.epoch = int(saved["epoch"])  # type: ignore[call-overload]
            self.validation_accuracy = float(saved["validation_accuracy"])  # type: ignore[arg-type]
            self.seconds = float(saved["seconds"])  # type: ignore[arg-type]
            self.training_seconds = float(saved["training_seconds"])  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(
                f"{path} is damaged ({type(error).__name__}); delete it to train from the start"
            ) from error

    def _finished(self) -> TrainingResult | None:
        """The result of a training that ended; None if it was cut off before the file was written."""
        try:
            return result_from_dict(json.loads((self.folder / RESULT).read_text()))
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            path = self.folder / RESULT
            raise RunError(
                f"{path} is damaged ({type(error).__name__}); delete the folder to train anew"
            ) from error


def _surrogates(network: nn.Module) -> str:
    """The surrogate gradients of all neurons, by name."""
    names = {module.surrogate.name for module in network.modules() if isinstance(module, SpikingNeuron)}
    return ", ".join(sorted(names))


def _fingerprint(network: nn.Module) -> str:
    """SHA-256 of the weights that the training starts from."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
