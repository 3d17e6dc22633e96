"""What the front of a run dominates, in a box that does not depend on the options of its space.

The hypervolume that a run reports is normalised by bounds from a sample of its own space. Here the sample is of the
default space for the same inputs, so that runs of narrower spaces compare.
"""

from __future__ import annotations

from dataclasses import replace

from evonas.data import Dataset
from evonas.evolution.archive import hypervolume
from evonas.measurements.measurement import MEASUREMENTS
from evonas.objectives import OBJECTIVES
from evonas.proxies import Stimulation
from evonas.rng import generator
from evonas.runs.results import Run
from genomes.spaces.evonas import EvonasSpace

N_SAMPLED = 200


def front_hypervolume(run: Run, architecture_id: str, dataset: Dataset) -> dict[str, float]:
    """The share of the box that the run's front dominates, column ``hypervolume``; whichever network is asked for."""
    space = EvonasSpace(run.space().input)
    sample = [space.decode(space.sample(rng=generator(0, "bounds", i))) for i in range(N_SAMPLED)]
    settings = run.record.config.evaluation
    stimulation = Stimulation(
        time_steps=settings.time_steps, batch=settings.batch, static=dataset.spec.static
    )
    specs = [
        replace(spec, bounds=OBJECTIVES.get(spec.name).bounds(sample, stimulation)) for spec in run.specs
    ]
    return {"hypervolume": hypervolume([member.values(run.specs) for member in run.front], specs)}


MEASUREMENTS.register("hypervolume", front_hypervolume)
