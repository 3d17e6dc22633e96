"""Where all parts meet: a config becomes a run, a run goes on, an elite is trained, a network is described,
an experiment gets its table, proxies are ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evonas.pipeline.describing import describe
from evonas.pipeline.elites import train
from evonas.pipeline.experiments import experiment
from evonas.pipeline.running import evolve, resume

if TYPE_CHECKING:
    from evonas.pipeline.ranking import rank

__all__ = ["describe", "evolve", "experiment", "rank", "resume", "train"]


def __getattr__(name: str) -> Any:
    # What ranking needs (pandas, scipy) takes a second to import, which a run need not wait for (PEP 562).
    if name == "rank":
        from evonas.pipeline import ranking

        return ranking.rank
    raise AttributeError(f"module 'evonas.pipeline' has no attribute '{name}'")
