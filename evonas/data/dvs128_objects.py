"""Objects moved by hand before a DVS128 event camera, in two recording sessions three weeks apart.

The five objects that both sessions show are the classes. Session 1 is for training, session 2 for testing, and no
recording is in both: the accuracy on the test split is that on another day.

Session 1 holds one recording of each object (two of the cutter), so a validation split of whole recordings would lack
classes. Instead the last tenth of the windows of every training recording is held out, as one block: no event is in
both splits, but it is the same scene seconds later. Accuracy on the validation split therefore says how well a network
knows session 1, and only that on the test split says how well it generalises.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evonas.data.aedat2 import read_dvs128
from evonas.data.dataset import DATASETS, EventTrainTest, Recordings, Report
from evonas.data.events import Events, subsampled, windows
from evonas.data.loading import VALIDATION_FRACTION
from evonas.errors import DataError, DataMissingError

FOLDER = "dvs128-objects"
CLASSES = ("Caixa", "Caneca", "Estilete", "Lapiseira", "Tesoura")
"""Box, mug, cutter, mechanical pencil, scissors: as the files are named, ``Caixa.aedat``, ``Estilete_1.aedat``."""
WINDOW_US = 500_000
"""Length of an example, about 2,000 to 11,000 events."""
FACTOR = 4
"""128 x 128 pixels become 32 x 32, as in ASA-SNN (Yao et al. 2023, arXiv 2308.08227)."""
LEAST_WINDOWS = 2
"""Of a training recording: one to train on, one for validation."""

Labelled = list[tuple[Events, int]]


def read_dvs128_objects(root: Path, *, report: Report) -> EventTrainTest:
    """Windows of `WINDOW_US`, 2 x 32 x 32, from ``session1`` and ``session2`` of the folder ``dvs128-objects``.

    Raises:
        DataMissingError: a session is not there.
        DataError: a class has no recording in a session; a recording is cut, too short or not in order of time.
    """
    train: Labelled = []
    validation: Labelled = []
    test: Labelled = []
    for label, name in enumerate(CLASSES):
        for path in _recordings(root / FOLDER / "session1", name=name):
            examples = _examples(path, label=label)
            n_held = max(1, round(VALIDATION_FRACTION * len(examples)))
            train += examples[:-n_held]
            validation += examples[-n_held:]
        for path in _recordings(root / FOLDER / "session2", name=name):
            test += _examples(path, label=label)
    n_train = len(train) + len(validation)
    report(f"DVS128 objects: {n_train} windows of session 1 and {len(test)} of session 2 in {root / FOLDER}")
    return EventTrainTest(
        train=_labelled(train),
        validation=_labelled(validation),
        test=_labelled(test),
        n_classes=len(CLASSES),
    )


def _recordings(session: Path, *, name: str) -> list[Path]:
    if not session.is_dir():
        raise DataMissingError(
            f"{session}: no such folder; put the recordings of the DVS128 objects there, or set data.root"
        )
    paths = sorted([*session.glob(f"{name}.aedat"), *session.glob(f"{name}_*.aedat")])
    if not paths:
        raise DataError(f"{session}: {name}.aedat expected, none found; unpack the recordings again")
    return paths


def _examples(path: Path, *, label: int) -> Labelled:
    examples = windows(subsampled(read_dvs128(path), factor=FACTOR), length_us=WINDOW_US)
    if len(examples) < LEAST_WINDOWS:
        expected = f"at least {LEAST_WINDOWS} windows of {WINDOW_US / 1e6:g} s expected"
        raise DataError(f"{path}: too short: {expected}, {len(examples)} found; fetch it again")
    return [(example, label) for example in examples]


def _labelled(examples: Labelled) -> Recordings:
    labels = np.array([label for _, label in examples], dtype=np.int64)
    return Recordings([events for events, _ in examples], labels)


DATASETS.register("dvs128_objects", read_dvs128_objects)
