"""From a name or a file to a data set in memory: read, split, measured, fingerprinted."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np

from evonas.data.batches import order_of_turns
from evonas.data.dataset import (
    DATASETS,
    Dataset,
    DataSpec,
    EventTrainTest,
    Recordings,
    Report,
    Split,
    TrainTest,
)
from evonas.data.events import frames
from evonas.data.npz import read_npz
from evonas.errors import ConfigError, DataError
from evonas.rng import generator

VALIDATION_FRACTION = 0.1
MIN_PER_CLASS = 2
"""One training example of each class stays, one goes to validation."""
_CHUNK = 1024
"""Examples per step of the statistics, so that 8-bit data are never held as floats in full."""


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def load(
    name: str | Path,
    *,
    root: Path | None = None,
    n_steps: int = 10,
    framing: str = "time",
    n_train: int | None = None,
    n_validation: int | None = None,
    n_test: int | None = None,
    report: Report = _print_line,
) -> Dataset:
    """The data set called `name`, or the one in the file if `name` ends in ``.npz``.

    Args:
        root: the folder that data sets are kept in, ``data`` if None; a ``.npz`` file is found without it.
        n_steps: T, and
        framing: one of `FRAMINGS`: how recordings of events become frames; images and stored frames stay as they are.
        n_train, n_validation, n_test: use that many of the examples of each split, as `assemble` does.
        report: takes the lines of progress of a download; by default they go to standard error.

    Raises:
        UnknownNameError: no data set, or no framing, has this name.
        ConfigError: `n_steps` or a number of examples is out of range.
        DataMissingError: it is not on disk and could not be fetched.
        DataError: its files are not what they should be.
    """
    if str(name).endswith(".npz"):
        path = Path(name).expanduser()
        return assemble(
            read_npz(path),
            name=path.stem,
            origin=str(path),
            n_train=n_train,
            n_validation=n_validation,
            n_test=n_test,
        )
    read = DATASETS.get(str(name))
    parts = read(root or Path("data"), report=report)
    if isinstance(parts, EventTrainTest):
        parts = framed(parts, n_steps=n_steps, framing=framing)
    return assemble(
        parts,
        name=str(name),
        origin=f"data set '{name}'",
        n_train=n_train,
        n_validation=n_validation,
        n_test=n_test,
    )


def framed(parts: EventTrainTest, *, n_steps: int, framing: str) -> TrainTest:
    """The recordings as frames (N, n_steps, 2, H, W): uint8 where no count is above 255, else float32.

    Raises:
        UnknownNameError, ConfigError, DataError: as `frames`, and whatever is wrong with a recording.
    """
    given = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    splits = {
        which: _framed(recordings, n_steps=n_steps, framing=framing)
        for which, recordings in given.items()
        if recordings is not None
    }
    if len({split.inputs.dtype for split in splits.values()}) > 1:
        splits = {
            which: Split(split.inputs.astype(np.float32), split.labels) for which, split in splits.items()
        }
    return TrainTest(
        splits["train"],
        splits["test"],
        n_classes=parts.n_classes,
        augment=False,
        validation=splits.get("validation"),
    )


def assemble(
    parts: TrainTest,
    *,
    name: str,
    origin: str,
    n_train: int | None = None,
    n_validation: int | None = None,
    n_test: int | None = None,
) -> Dataset:
    """The data set made of `parts`: a validation split taken off, statistics and digest computed.

    Args:
        origin: what error messages call the data.
        n_train, n_validation, n_test: how many examples of each split are used, all if None: the first of one fixed
            order in which the classes take turns, so that a smaller number uses part of what a larger one does.

    Raises:
        DataError: the splits differ in shape or type, a label is out of range, a class has too few examples.
        ConfigError: `n_train` is below two of each class, another number below one, or more than there are.
    """
    _check(parts, origin=origin)
    if parts.validation is None:
        kept, held = stratified_split(
            parts.train.labels, fraction=VALIDATION_FRACTION, rng=generator(0, "validation-split")
        )
        train, validation = _part(parts.train, kept), _part(parts.train, held)
    else:
        train, validation = parts.train, parts.validation
    least = MIN_PER_CLASS * parts.n_classes
    train = _limited(
        train,
        n=n_train,
        least=least,
        setting="n_train",
        of=f"training examples of '{name}' without validation",
    )
    validation = _limited(
        validation, n=n_validation, least=1, setting="n_validation", of=f"validation examples of '{name}'"
    )
    test = _limited(parts.test, n=n_test, least=1, setting="n_test", of=f"test examples of '{name}'")
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
    return Dataset(spec, train, validation, test, digest=_digest(train, validation, test))


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


def _part(split: Split, chosen: np.ndarray) -> Split:
    return Split(split.inputs[chosen], split.labels[chosen])


def _limited(split: Split, *, n: int | None, least: int, setting: str, of: str) -> Split:
    """The first `n` examples in turns of the classes, in the order they lie in; all if None."""
    if n is None:
        return split
    if not least <= n <= len(split):
        expected = f"{least} to {len(split)}, the {of}, expected"
        raise ConfigError(f"data.{setting}: {expected}, {n} given; choose a number in that range")
    # The name of the stream is that of the first of the three settings, whose subsets stay what they were.
    order = order_of_turns(split.labels, rng=generator(0, "training-subset"))
    return _part(split, np.sort(order[:n]))


def _framed(recordings: Recordings, *, n_steps: int, framing: str) -> Split:
    labels = recordings.labels
    inputs: np.ndarray | None = None
    for i, (events, _) in enumerate(zip(recordings.events, labels, strict=True)):
        counts = frames(events, n_steps=n_steps, framing=framing)
        if inputs is None:
            inputs = np.empty((len(labels), *counts.shape), dtype=np.uint8)
        if inputs.dtype == np.uint8 and counts.max() > np.iinfo(np.uint8).max:
            inputs = inputs.astype(np.float32)
        inputs[i] = counts
    assert inputs is not None  # there are as many recordings as labels, and at least one
    return Split(inputs, labels)


def _check(parts: TrainTest, *, origin: str) -> None:
    train = parts.train
    others = {"test": parts.test}
    if parts.validation is not None:
        others["validation"] = parts.validation
    for which, split in others.items():
        if train.inputs.shape[1:] != split.inputs.shape[1:] or train.inputs.dtype != split.inputs.dtype:
            of_train = f"{train.inputs.dtype} {train.inputs.shape[1:]}"
            came = f"{which} examples {split.inputs.dtype} {split.inputs.shape[1:]}"
            raise DataError(f"{origin}: training examples are {of_train}, {came}; make them equal")
    for which, split in {"training": train, **others}.items():
        if len(split) == 0 or split.inputs.size == 0:
            raise DataError(f"{origin}: the {which} set is empty, of shape {split.inputs.shape}")
        wrong = split.labels[(split.labels < 0) | (split.labels >= parts.n_classes)]
        if len(wrong):
            expected = f"0 to {parts.n_classes - 1}"
            raise DataError(f"{origin}: a {which} label is {wrong[0]}, where {expected} are expected")
    counts = np.bincount(train.labels, minlength=parts.n_classes)
    if counts.min() < MIN_PER_CLASS:
        rarest = int(counts.argmin())
        expected = f"at least {MIN_PER_CLASS} are needed to split off a validation set"
        raise DataError(
            f"{origin}: class {rarest} has too few training examples: {counts[rarest]}, where {expected}"
        )


def _digest(*splits: Split) -> str:
    sha = hashlib.sha256()
    for split in splits:
        for array in (split.inputs, split.labels):
            sha.update(f"{array.dtype.str}{array.shape}".encode())
            sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
