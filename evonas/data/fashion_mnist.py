"""Fashion-MNIST: 70,000 grey images of articles of clothing, 28 x 28 pixels in 10 classes, 10,000 of them for testing.

H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms,
arXiv 1708.07747, 2017. Read from the four published IDX files in the folder ``fashion-mnist``, gzipped or plain, of
whose contents the md5 is checked: files of MNIST have the same names and the same lengths. Debian's package
dataset-fashion-mnist installs such a folder in /usr/share/datasets, which can be the root.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evonas.data.dataset import DATASETS, Report, Split, TrainTest
from evonas.data.download import SingleFiles, fetch
from evonas.data.idx import read_idx
from evonas.errors import DataError

URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
GZIPPED_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""As published in the README of zalandoresearch/fashion-mnist."""
CONTENTS_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
"""Of what Debian's files unpack to. Their headers alone differ from the published ones: with name and time of 2017 put
back (Unix times 1504176606 for train, 1504176627 for t10k) all four have the md5 that is published."""
N_CLASSES = 10
SIDE = 28
"""Pixels of height and of width."""


@dataclass(frozen=True)
class Published:
    """Where Fashion-MNIST comes from and what it must hold."""

    gzipped: SingleFiles
    contents: Mapping[str, str]
    """File name, without ``.gz``, to md5 of the unpacked file."""
    n_train: int
    n_test: int


PUBLISHED = Published(
    SingleFiles(
        URL,
        folder="fashion-mnist",
        files=GZIPPED_MD5,
        elsewhere="install Debian's dataset-fashion-mnist and set data.root to /usr/share/datasets",
    ),
    contents=CONTENTS_MD5,
    n_train=60_000,
    n_test=10_000,
)


def read_fashion_mnist(root: Path, *, report: Report, published: Published = PUBLISHED) -> TrainTest:
    """Fashion-MNIST (N, 1, 28, 28) uint8 from `root`, plain files before gzipped ones; what is missing is downloaded.

    Raises:
        DataMissingError: a file is not there and the download failed.
        DataError: a file is truncated or altered, or of another data set.
    """
    folder = root / published.gzipped.folder
    missing = [f"{name}.gz" for name in published.contents if not _path(folder, name=name).is_file()]
    if missing:
        files = {name: published.gzipped.files[name] for name in missing}
        fetch(replace(published.gzipped, files=files), root=root, report=report)
    return TrainTest(
        train=_read_split(folder, prefix="train", n=published.n_train, published=published),
        test=_read_split(folder, prefix="t10k", n=published.n_test, published=published),
        n_classes=N_CLASSES,
        augment=True,  # a mirrored or shifted shoe is a shoe, and no class is the mirror image of another
    )


def _path(folder: Path, *, name: str) -> Path:
    plain = folder / name
    return plain if plain.is_file() else folder / f"{name}.gz"


def _read_split(folder: Path, *, prefix: str, n: int, published: Published) -> Split:
    images = _read(folder, name=f"{prefix}-images-idx3-ubyte", shape=(n, SIDE, SIDE), published=published)
    labels = _read(folder, name=f"{prefix}-labels-idx1-ubyte", shape=(n,), published=published)
    return Split(images.reshape(n, 1, SIDE, SIDE), labels.astype(np.int64))


def _read(folder: Path, *, name: str, shape: tuple[int, ...], published: Published) -> np.ndarray:
    path = _path(folder, name=name)
    content = _unpacked(path)
    try:
        array = read_idx(content, shape=shape)
    except ValueError as error:
        raise DataError(f"{path}: {error}; delete it to have it downloaded again") from None
    found, expected = hashlib.md5(content, usedforsecurity=False).hexdigest(), published.contents[name]
    if found != expected:
        raise DataError(
            f"{path}: altered, or of another data set: unpacked its md5 is {found}, where {expected} is expected; "
            f"delete it to have it downloaded again"
        )
    return array


def _unpacked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: truncated or altered: no whole gzip file ({error}); delete it to have it downloaded again"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from None


DATASETS.register("fashion_mnist", read_fashion_mnist)
