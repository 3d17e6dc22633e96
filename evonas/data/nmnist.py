"""N-MNIST: the 70,000 digits of MNIST, each shown to an event camera of 34 x 34 pixels that made three saccades.

G. Orchard, A. Jayawant, G. K. Cohen and N. Thakor, Converting Static Image Datasets to Spiking Neuromorphic Datasets
Using Saccades, Frontiers in Neuroscience 9:437, 2015. A recording lasts about 300 ms and is one file of records of 5
bytes: x, y, then one bit of polarity and 23 bits of time in microseconds, the highest first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evonas.data.dataset import DATASETS, EventTrainTest, Recordings, Report
from evonas.data.events import Events, content_of
from evonas.errors import DataError, DataMissingError

SHAPE = (34, 34)
N_CLASSES = 10
RECORD = 5
"""Bytes of one event."""
OVERFLOW_Y = 240
"""A record with this y is no event: it says that the clock ran over."""
OVERFLOW_US = 1 << 13
"""What an overflow adds to all times from it on; as in the authors' event-Python (G. Orchard)."""

PUBLISHED_FOLDERS = ("N-MNIST", "NMNIST", "nmnist")
"""Each with Train/0 ... Train/9 and Test/0 ... Test/9 of ``*.bin``, as unpacked from the published archives."""
SMALL_FOLDER = "nmnist-small"
SMALL_INDEX = {"train": "train1K.txt", "test": "test100.txt"}
"""Lists of sample and class; the recording of sample 7 is ``7.bs2``."""

Files = list[tuple[Path, int]]
"""Recordings with their classes."""


def read_nmnist(root: Path, *, report: Report) -> EventTrainTest:
    """N-MNIST from `root`: the published folders, else the small selection of 1,000 + 100 recordings.

    Raises:
        DataMissingError: neither is there.
        DataError: a class or a recording is missing, or a list of recordings is not one.
    """
    published = [root / name for name in PUBLISHED_FOLDERS if (root / name / "Train").is_dir()]
    if published:
        folder = published[0]
        train, test = (_published_files(folder / which) for which in ("Train", "Test"))
    elif (root / SMALL_FOLDER).is_dir():
        folder = root / SMALL_FOLDER
        train, test = (_listed_files(folder / SMALL_INDEX[which]) for which in ("train", "test"))
    else:
        known = f"{PUBLISHED_FOLDERS[0]}/Train, {PUBLISHED_FOLDERS[0]}/Test or {SMALL_FOLDER}"
        raise DataMissingError(
            f"{root}: no N-MNIST; {known} expected there; unpack its Train.zip and Test.zip, or set data.root"
        )
    report(f"N-MNIST: {len(train)} training and {len(test)} test recordings in {folder}")
    return EventTrainTest(train=_recordings(train), test=_recordings(test), n_classes=N_CLASSES)


def read_recording(path: Path) -> Events:
    """The events of one file.

    Raises:
        DataError: it cannot be read, was cut, or holds what no N-MNIST recording can.
    """
    content = content_of(path)
    if len(content) % RECORD:
        expected = f"a multiple of {RECORD} is expected, one record per event"
        raise DataError(f"{path}: cut or altered: {len(content)} bytes, where {expected}; fetch it again")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD).astype(np.int64)
    x, y, high, middle, low = records.T
    is_overflow = y == OVERFLOW_Y
    t = ((high & 0x7F) << 16 | middle << 8 | low) + OVERFLOW_US * np.cumsum(is_overflow)
    kept = ~is_overflow
    return Events(t[kept], x[kept], y[kept], high[kept] >> 7, shape=SHAPE, origin=str(path))


def _recordings(files: Files) -> Recordings:
    labels = np.array([label for _, label in files], dtype=np.int64)
    return Recordings((read_recording(path) for path, _ in files), labels)


def _published_files(folder: Path) -> Files:
    files = [
        (path, label) for label in range(N_CLASSES) for path in sorted((folder / str(label)).glob("*.bin"))
    ]
    for label in sorted(set(range(N_CLASSES)) - {label for _, label in files}):
        raise DataError(f"{folder / str(label)}: recordings *.bin expected, none found; unpack N-MNIST again")
    return files


def _listed_files(index: Path) -> Files:
    files: Files = []
    for number, line in enumerate(content_of(index).decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) != 2 or not all(field.isdecimal() for field in fields) or int(fields[1]) >= N_CLASSES:
            expected = f"a sample and its class, 0 to {N_CLASSES - 1}, expected"
            raise DataError(f"{index}: line {number}: {expected}, {line.strip()!r} found; unpack it again")
        files.append((index.parent / f"{int(fields[0])}.bs2", int(fields[1])))
    return files


DATASETS.register("nmnist", read_nmnist)
