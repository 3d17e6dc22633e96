"""The number of learnable parameters."""

from __future__ import annotations

from collections.abc import Sequence

from evonas.objectives.objective import OBJECTIVES, Objective
from evonas.proxies import MARGIN, Candidate, Measured, Stimulation
from genomes.architecture import Architecture


def _parameters(candidate: Candidate) -> Measured:
    return Measured(float(candidate.architecture.n_parameters))


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    counts = [architecture.n_parameters for architecture in sample]
    return min(counts) / MARGIN, max(counts) * MARGIN


OBJECTIVES.register("parameters", Objective("parameters", "min", "", "log10", (), _parameters, _bounds))
