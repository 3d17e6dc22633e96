"""Measurements: what can be said of a network of a finished run beyond accuracy, size, energy and firing rate.

To add one, put a file into this package that defines a `Measurement` and registers it:

    def measure(run: Run, architecture_id: str, dataset: Dataset) -> dict[str, float]: ...
    MEASUREMENTS.register("name", measure)

Its keys become columns of the table of an experiment.
"""

from evonas.measurements.measurement import MEASUREMENTS, Measurement
from genomes.registry import load_modules

load_modules(__name__)

__all__ = ["MEASUREMENTS", "Measurement"]
