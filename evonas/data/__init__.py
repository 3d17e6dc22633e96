"""Data sets: each gives train, validation and test, and a spec that says what the arrays mean.

To add one, put a file into this package that defines a reader and registers it:

    def read(root: Path, *, report: Report) -> TrainTest: ...
    DATASETS.register("name", read)

A reader of event recordings returns an `EventTrainTest` of them. Everything else (the frames of events, the validation
split, the statistics, the digest, the command line) follows from that.
"""

from __future__ import annotations

from evonas.data.batches import normalise, scoring_batch
from evonas.data.dataset import (
    DATASETS,
    Dataset,
    DataSpec,
    EventTrainTest,
    Reader,
    Recordings,
    Report,
    Split,
    TrainTest,
)
from evonas.data.events import FRAMINGS, Events, frames
from evonas.data.loading import load
from genomes.registry import load_modules

load_modules(__name__)

__all__ = [
    "DATASETS",
    "FRAMINGS",
    "DataSpec",
    "Dataset",
    "EventTrainTest",
    "Events",
    "Reader",
    "Recordings",
    "Report",
    "Split",
    "TrainTest",
    "frames",
    "load",
    "normalise",
    "scoring_batch",
]
