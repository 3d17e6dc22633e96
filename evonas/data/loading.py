"""From a name or a file to a data set in memory: read, split, measured, fingerprinted."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np

from evonas.data.dataset import DATASETS, Dataset, DataSpec, Report, Split, TrainTest
from evonas.data.npz import read_npz
from evonas.errors import DataError
from evonas.rng import generator

VALIDATION_FRACTION = 0.1
MIN_PER_CLASS = 2
"""One training example of each class stays, one goes to validation."""
_CHUNK = 1024
"""Examples per step of the statistics, so that 8-bit data are never held as floats in full."""


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def load(name: str | Path, *, root: Path | None = None, report: Report = _print_line) -> Dataset:
    """The data set called `name`, or the one in the file if `name` ends in ``.npz``.

    Args:
        root: the folder that data sets are kept in, ``data`` if None; a ``.npz`` file is found without it.
        report: takes the lines of progress of a download; by default they go to standard error.

    Raises:
        UnknownNameError: no data set has this name.
        DataMissingError: it is not on disk and could not be fetched.
        DataError: its files are not what they should be.
    """
    if str(name).endswith(".npz"):
        path = Path(name).expanduser()
        return assemble(read_npz(path), name=path.stem, origin=str(path))
    read = DATASETS.get(str(name))
    return assemble(read(root or Path("data"), report=report), name=str(name), origin=f"data set '{name}'")


def assemble(parts: TrainTest, *, name: str, origin: str) -> Dataset:
    """The data set made of `parts`: a validation split taken off, statistics and digest computed.

    Args:
        origin: what error messages call the data.

    Raises:
        DataError: the splits differ in shape or type, a label is out of range, a class has too few examples.
    """
    _check(parts, origin=origin)
    kept, held = stratified_split(
        parts.train.labels, fraction=VALIDATION_FRACTION, rng=generator(0, "validation-split")
    )
    train = Split(parts.train.inputs[kept], parts.train.labels[kept])
    validation = Split(parts.train.inputs[held], parts.train.labels[held])
    if parts.mean is None or parts.std is None:
        mean, std = channel_statistics(train.inputs)
    else:
        mean, std = parts.mean, parts.std
    *steps, channels, height, width = train.inputs.shape[1:]
    spec = DataSpec(
        name=name,
        shape=(channels, height, width),
        n_classes=parts.n_classes,
        static=not steps,
        n_steps=steps[0] if steps else None,
        mean=mean,
        std=std,
        augment=parts.augment,
    )
    return Dataset(spec, train, validation, parts.test, digest=_digest(train, validation, parts.test))


def stratified_split(
    labels: np.ndarray, *, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept, held), each ascending: `fraction` of every class is held, at least one, and at least one kept.

    Args:
        labels: (N,) with at least two of every class.
    """
    held: list[np.ndarray] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        n_held = min(max(1, round(fraction * len(members))), len(members) - 1)
        held.append(rng.permutation(members)[:n_held])
    is_held = np.zeros(len(labels), dtype=bool)
    is_held[np.concatenate(held)] = True
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def channel_statistics(inputs: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of (..., C, H, W); a constant channel gets a deviation of 1."""
    axes = tuple(axis for axis in range(inputs.ndim) if axis != inputs.ndim - 3)
    count = inputs.size // inputs.shape[-3]
    chunks = [inputs[start : start + _CHUNK] for start in range(0, len(inputs), _CHUNK)]
    mean = sum(chunk.sum(axis=axes, dtype=np.float64) for chunk in chunks) / count
    centre = np.asarray(mean).reshape(-1, 1, 1)
    variance = sum(((chunk - centre) ** 2).sum(axis=axes) for chunk in chunks) / count
    std = np.sqrt(variance)
    # Rounding leaves a constant channel of floats with a deviation of about 1e-16 of its value instead of 0.
    std = np.where(std <= 1e-12 * np.abs(mean), 1.0, std)
    return tuple(float(value) for value in mean), tuple(float(value) for value in std)


def _check(parts: TrainTest, *, origin: str) -> None:
    train, test = parts.train, parts.test
    if train.inputs.shape[1:] != test.inputs.shape[1:] or train.inputs.dtype != test.inputs.dtype:
        of_train = f"{train.inputs.dtype} {train.inputs.shape[1:]}"
        of_test = f"{test.inputs.dtype} {test.inputs.shape[1:]}"
        raise DataError(
            f"{origin}: training examples are {of_train}, test examples {of_test}; make them equal"
        )
    for which, split in (("training", train), ("test", test)):
        if len(split) == 0 or split.inputs.size == 0:
            raise DataError(f"{origin}: the {which} set is empty, of shape {split.inputs.shape}")
        wrong = split.labels[(split.labels < 0) | (split.labels >= parts.n_classes)]
        if len(wrong):
            expected = f"0 to {parts.n_classes - 1}"
            raise DataError(f"{origin}: a {which} label is {wrong[0]}, where {expected} are expected")
    counts = np.bincount(train.labels, minlength=parts.n_classes)
    if counts.min() < MIN_PER_CLASS:
        rarest = int(counts.argmin())
        raise DataError(
            f"{origin}: class {rarest} has too few training examples: {counts[rarest]}, where at least "
            f"{MIN_PER_CLASS} are needed to split off a validation set"
        )


def _digest(*splits: Split) -> str:
    sha = hashlib.sha256()
    for split in splits:
        for array in (split.inputs, split.labels):
            sha.update(f"{array.dtype.str}{array.shape}".encode())
            sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
