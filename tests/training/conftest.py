"""A small data set and a small network over time, quick to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evonas.data.dataset import Dataset, DataSpec, Split
from evonas.snn.neurons import SpikingNeuron
from evonas.training.loop import train
from evonas.training.result import EpochReport, TrainingResult
from genomes.micro import Neuron


class SmallNetwork(nn.Module):
    """Convolution, batch norm, PLIF neurons and a linear readout of their rates."""

    def __init__(self, *, channels: int, n_classes: int, surrogate: str) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.encode = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(8)
            self.readout = nn.Linear(8 * 4, n_classes)
        neuron = Neuron("plif", v_threshold=0.5, tau=2.0, reset="hard")
        self.neuron = SpikingNeuron(neuron, surrogate=surrogate)

    def forward(self, x: Tensor, *, time_steps: int) -> Tensor:
        """Logits (B, n_classes) of images (1, B, C, H, W) or frames (T, B, C, H, W)."""
        assert len(x) in (1, time_steps)
        current = self.norm(self.encode(x.flatten(0, 1))).unflatten(0, x.shape[:2])
        spikes = self.neuron(current.expand(time_steps, -1, -1, -1, -1))
        logits: Tensor = self.readout(nn.functional.adaptive_avg_pool2d(spikes.mean(0), 2).flatten(1))
        return logits


def _split(n: int, *, rng: np.random.Generator, n_steps: int | None) -> Split:
    """Two classes of 8-bit images: the bright half is above or below."""
    labels = np.arange(n, dtype=np.int64) % 2
    images = rng.integers(0, 60, size=(n, 1, 8, 8))
    images[labels == 0, :, :4] += 120
    images[labels == 1, :, 4:] += 120
    inputs = images.astype(np.uint8)
    if n_steps is not None:
        inputs = np.repeat(inputs[:, None], n_steps, axis=1)
    return Split(inputs, labels)


def _dataset(*, n_steps: int | None) -> Dataset:
    rng = np.random.default_rng(0)
    spec = DataSpec(
        name="halves",
        shape=(1, 8, 8),
        n_classes=2,
        static=n_steps is None,
        n_steps=n_steps,
        mean=(90.0,),
        std=(60.0,),
        augment=False,
    )
    train, validation, test = (_split(n, rng=rng, n_steps=n_steps) for n in (70, 20, 30))
    return Dataset(spec=spec, train=train, validation=validation, test=test, digest="halves")


@pytest.fixture
def images() -> Dataset:
    """Still images, not augmented."""
    return _dataset(n_steps=None)


@pytest.fixture
def augmented(images: Dataset) -> Dataset:
    """The same images, to be cropped and mirrored."""
    return replace(images, spec=replace(images.spec, augment=True))


@pytest.fixture
def frames() -> Dataset:
    """The same images as recordings of three frames."""
    return _dataset(n_steps=3)


@pytest.fixture
def small_network() -> Callable[..., nn.Module]:
    """Makes the same untrained network each time it is called, with the surrogate gradient that is asked for."""
    return lambda surrogate="arctan": SmallNetwork(channels=1, n_classes=2, surrogate=surrogate)


def run_training(
    network: nn.Module,
    dataset: Dataset,
    folder: Path,
    *,
    epochs: int = 4,
    optimizer: str = "adamw",
    learning_rate: float = 0.02,
    device: str = "cpu",
    amp: bool = False,
    threads: int = 1,
    report: Callable[[EpochReport], None] = lambda epoch: None,
) -> TrainingResult:
    return train(
        network,
        dataset,
        time_steps=3,
        epochs=epochs,
        batch=16,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=0.01,
        label_smoothing=0.1,
        device=device,
        amp=amp,
        seed=7,
        threads=threads,
        folder=folder,
        report=report,
    )


@pytest.fixture
def run() -> Callable[..., TrainingResult]:
    """`evonas.training.loop.train` with settings for these data; see `run_training`."""
    return run_training


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
