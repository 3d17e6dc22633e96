"""scikit-learn's digits: 1,797 handwritten digits, 8 x 8 pixels of 17 grey levels; comes with the install.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from evonas.data.dataset import DATASETS, Report, Split, TrainTest
from evonas.data.loading import stratified_split
from evonas.rng import generator

TEST_FRACTION = 0.2
"""The set has no published split; this one is stratified and the same in every run."""


def read_digits(root: Path, *, report: Report) -> TrainTest:
    """Digits (N, 1, 8, 8) uint8, 0 to 16. Nothing is read from `root`."""
    table = _table()
    images = table[:, :-1].reshape(-1, 1, 8, 8)
    labels = table[:, -1].astype(np.int64)
    kept, held = stratified_split(labels, fraction=TEST_FRACTION, rng=generator(0, "digits-test-split"))
    return TrainTest(
        train=Split(images[kept], labels[kept]),
        test=Split(images[held], labels[held]),
        n_classes=10,
        augment=False,  # a mirrored digit is no digit, and a crop of 8 pixels loses strokes
    )


def _table() -> np.ndarray:
    """Pixels and, in the last column, labels (1797, 65) uint8."""
    package = find_spec("sklearn")
    folder = package and package.submodule_search_locations
    path = Path(folder[0], "datasets", "data", "digits.csv.gz") if folder else Path()
    if path.is_file():
        return np.loadtxt(path, delimiter=",", dtype=np.uint8)
    # Where the file lies is promised nowhere, but its own reader takes two seconds to import.
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target]).astype(np.uint8)


DATASETS.register("digits", read_digits)
