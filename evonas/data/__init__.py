"""Data sets: each gives train, validation and test, and a spec that says what the arrays mean.

To add one, put a file into this package that defines a reader and registers it:

    def read(root: Path, *, report: Report) -> TrainTest: ...
    DATASETS.register("name", read)

Everything else (the validation split, the statistics, the digest, the command line) follows from that.
"""

from __future__ import annotations

from evonas.data.batches import normalise, scoring_batch
from evonas.data.dataset import DATASETS, Dataset, DataSpec, Reader, Report, Split, TrainTest
from evonas.data.loading import load
from genomes.registry import load_modules

load_modules(__name__)

__all__ = [
    "DATASETS",
    "DataSpec",
    "Dataset",
    "Reader",
    "Report",
    "Split",
    "TrainTest",
    "load",
    "normalise",
    "scoring_batch",
]
