"""CIFAR-10: 60,000 colour images of 32 x 32 pixels in 10 classes, 10,000 of them for testing.

A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009. Read from the published python
batches (``cifar-10-batches-py``, the folder that torchvision users have), of which every file's md5 is checked,
or from the binary version (``cifar-10-batches-bin``), of which only lengths and labels can be.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evonas.data.dataset import DATASETS, Report, Split, TrainTest
from evonas.data.download import Archive, fetch, md5_of
from evonas.data.python_batch import read_python_batch
from evonas.errors import DataError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MD5 = "c58f30108f718f92721af3b95e74349a"
FILES_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
BINARY_FOLDER = "cifar-10-batches-bin"
N_CLASSES = 10
SHAPE = (3, 32, 32)
ROW = 3 * 32 * 32
"""Bytes of one image: the red plane, then green, then blue, each row by row."""

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
"""Of the 50,000 training images, pixels scaled to [0, 1]; as in KellerJordan/cifar10-airbench, 2024."""


@dataclass(frozen=True)
class Published:
    """Where CIFAR-10 comes from and what it must hold; the test batch is the last of the archive's files."""

    archive: Archive
    images_per_file: int


PUBLISHED = Published(Archive(URL, MD5, "cifar-10-batches-py", FILES_MD5), images_per_file=10_000)


def read_cifar10(root: Path, *, report: Report, published: Published = PUBLISHED) -> TrainTest:
    """CIFAR-10 (N, 3, 32, 32) uint8 from `root`: python batches, else the binary version, else downloaded.

    Raises:
        DataMissingError: neither version is there and the download failed.
        DataError: a file is truncated or altered.
    """
    names = list(published.archive.files)
    python_folder, binary_folder = root / published.archive.folder, root / BINARY_FOLDER
    has_binary = all((binary_folder / f"{name}.bin").is_file() for name in names)
    has_python = all((python_folder / name).is_file() for name in names)
    if has_python or not has_binary:
        if not has_python:
            fetch(published.archive, root=root, report=report)
        splits = [_read(python_folder / name, published=published) for name in names]
    else:
        splits = [_read(binary_folder / f"{name}.bin", published=published) for name in names]
    *train, test = splits
    images = np.concatenate([split.inputs for split in train])
    labels = np.concatenate([split.labels for split in train])
    return TrainTest(
        train=Split(images, labels),
        test=test,
        n_classes=N_CLASSES,
        augment=True,
        mean=tuple(255 * mean for mean in MEAN),
        std=tuple(255 * std for std in STD),
    )


def _read(path: Path, *, published: Published) -> Split:
    read = _read_binary if path.suffix == ".bin" else _read_python
    try:
        rows, labels = read(path, published=published)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from None
    if rows.shape != (published.images_per_file, ROW):
        expected = f"({published.images_per_file}, {ROW})"
        raise DataError(f"{path}: pixels of shape {rows.shape}, where {expected} is expected; fetch it again")
    wrong = labels[labels >= N_CLASSES]
    if len(wrong):
        expected = f"0 to {N_CLASSES - 1} are expected"
        raise DataError(f"{path}: altered: it holds the label {wrong[0]}, where {expected}; fetch it again")
    return Split(np.ascontiguousarray(rows).reshape(-1, *SHAPE), labels.astype(np.int64))


def _read_python(path: Path, *, published: Published) -> tuple[np.ndarray, np.ndarray]:
    expected = published.archive.files[path.name]
    found = md5_of(path)
    if found != expected:
        size = path.stat().st_size
        raise DataError(
            f"{path}: truncated or altered: {size} bytes with md5 {found}, where {expected} is published; "
            f"delete it to have it downloaded again"
        )
    try:
        return read_python_batch(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: {error}; fetch it again") from None


def _read_binary(path: Path, *, published: Published) -> tuple[np.ndarray, np.ndarray]:
    size, record = path.stat().st_size, 1 + ROW
    expected = published.images_per_file * record
    if size != expected:
        wanted = f"{published.images_per_file} records of {record}, {expected} in all, are expected"
        raise DataError(f"{path}: truncated or altered: {size} bytes, where {wanted}; fetch it again")
    records = np.fromfile(path, dtype=np.uint8).reshape(-1, record)
    return records[:, 1:], records[:, 0]


DATASETS.register("cifar10", read_cifar10)
