"""Where all parts meet: a config becomes a run, a run goes on, an elite is trained, a network is described,
an experiment gets its table, proxies are ranked."""

from evonas.pipeline.describing import describe
from evonas.pipeline.elites import train
from evonas.pipeline.experiments import experiment
from evonas.pipeline.ranking import rank
from evonas.pipeline.running import evolve, resume

__all__ = ["describe", "evolve", "experiment", "rank", "resume", "train"]
