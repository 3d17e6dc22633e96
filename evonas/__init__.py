"""Multi-scale evolutionary architecture search for spiking neural networks, guided by a training-free fitness.

>>> import evonas
>>> run = evonas.load_run("runs/digits")  # doctest: +SKIP
>>> run.pareto_front()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evonas.runs.experiment_table import ExperimentResult, load_experiment
    from evonas.runs.results import Run, load_run

__all__ = ["ExperimentResult", "Run", "__version__", "load_experiment", "load_run"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # pandas takes half a second to import, and `evonas --help` comes through here (PEP 562).
    if name in ("Run", "load_run"):
        from evonas.runs import results

        return getattr(results, name)
    if name in ("ExperimentResult", "load_experiment"):
        from evonas.runs import experiment_table

        return getattr(experiment_table, name)
    raise AttributeError(f"module 'evonas' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
