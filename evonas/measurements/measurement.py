"""What a measurement is, and the registry of them."""

from __future__ import annotations

from typing import Protocol

from evonas.data import Dataset
from evonas.runs.results import Run
from genomes.registry import Registry


class Measurement(Protocol):
    """Measures one network of a finished run."""

    def __call__(self, run: Run, architecture_id: str, dataset: Dataset) -> dict[str, float]:
        """What was measured, by column; the columns are the same for every network of a space, NaN where undefined.

        Two calls with the same arguments find the same, but for times. `dataset` is the one of the run.

        Raises:
            RunError: the run has no such architecture, or is not one that this can be measured of.
        """
        ...


MEASUREMENTS: Registry[Measurement] = Registry("measurement")
"""Measurements of a network of a finished run, one file each; a file registers its own."""
