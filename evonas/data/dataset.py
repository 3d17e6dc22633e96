"""What a data set is, as values, and the registry of those that have a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from evonas.data.events import Events
from evonas.errors import DataError
from genomes.registry import Registry

Report = Callable[[str], None]
"""Takes one line of progress for a person to read."""


@dataclass(frozen=True)
class DataSpec:
    """What every array of one data set has in common."""

    name: str
    shape: tuple[int, int, int]
    """C, H, W of one image or one frame."""
    n_classes: int
    static: bool
    """True for images, which are presented unchanged at every time step; False for frames."""
    n_steps: int | None
    """T, the number of frames of an example; None for images."""
    mean: tuple[float, ...]
    """Per channel, in the unit of the stored inputs (0 to 255 where those are 8-bit pixels)."""
    std: tuple[float, ...]
    """Per channel, in the unit of the stored inputs; never 0."""
    augment: bool
    """Whether a random crop and a horizontal flip leave the class of an example as it is."""


@dataclass(frozen=True, eq=False)
class Split:
    """Examples with their labels, as stored: not normalised.

    Raises:
        DataError: the two arrays do not fit together.
    """

    inputs: np.ndarray
    """(N, C, H, W) images or (N, T, C, H, W) frames, uint8 or float32."""
    labels: np.ndarray
    """(N,) int64, from 0."""

    def __post_init__(self) -> None:
        if self.inputs.ndim not in (4, 5) or self.inputs.dtype not in (np.uint8, np.float32):
            came = f"{self.inputs.dtype} of shape {self.inputs.shape}"
            raise DataError(f"inputs: uint8 or float32 of 4 or 5 dimensions expected, {came} given")
        if self.labels.dtype != np.int64 or self.labels.shape != self.inputs.shape[:1]:
            came = f"{self.labels.dtype} of shape {self.labels.shape}"
            raise DataError(f"labels: int64 of shape ({len(self.inputs)},) expected, {came} given")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class TrainTest:
    """What a reader hands over: the published split, before a validation split is taken off `train`."""

    train: Split
    test: Split
    n_classes: int
    augment: bool
    mean: tuple[float, ...] | None = None
    """Published statistics, as in `DataSpec`; None to have them computed from the training split."""
    std: tuple[float, ...] | None = None
    validation: Split | None = None
    """Where the reader takes it off by itself, since its examples are not independent of each other."""


@dataclass(frozen=True, eq=False)
class Recordings:
    """Recordings of events with their labels.

    Raises:
        DataError: there are none, or the labels are of another type.
    """

    events: Iterable[Events]
    """As many as labels; gone through once, so that they can be read one by one."""
    labels: np.ndarray
    """(N,) int64, from 0."""

    def __post_init__(self) -> None:
        if self.labels.dtype != np.int64 or self.labels.ndim != 1 or not len(self.labels):
            came = f"{self.labels.dtype} of shape {self.labels.shape}"
            raise DataError(f"labels: int64 of shape (N,) expected, N at least 1, {came} given")


@dataclass(frozen=True, eq=False)
class EventTrainTest:
    """What a reader of event recordings hands over, before they are framed; otherwise as `TrainTest`."""

    train: Recordings
    test: Recordings
    n_classes: int
    validation: Recordings | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set in memory."""

    spec: DataSpec
    train: Split
    validation: Split
    """A stratified tenth of the published training set, or what its reader held out; `train` is of the rest."""
    test: Split
    digest: str
    """SHA-256, in hex, over the contents of the three splits: equal digests, equal data."""


class Reader(Protocol):
    """Reads one data set from the folder `root`, fetching it first where it can."""

    def __call__(self, root: Path, *, report: Report) -> TrainTest | EventTrainTest:
        """Train and test as published; recordings of events as they are, for `load` to frame.

        Raises:
            DataMissingError: not there, and not to be had.
            DataError: there, but not what it should be.
        """
        ...


DATASETS: Registry[Reader] = Registry("data set")
