"""The mean number of spikes per neuron and time step.

Every neuron of the network counts once, so a large layer weighs more than a small one: the network average spiking
firing rate of Yao et al. (arXiv 2308.08227), here of the network at its first weights on the scoring batch. A
silent network is best at it: a run that minimises it needs another objective that silence is bad for. Of 186 networks
of SpikeNAS-Bench it orders the rates after training with Kendall's tau 0.75 (experiments/fitness/README.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from evonas.objectives.objective import OBJECTIVES, Objective
from evonas.proxies import Candidate, Measured, Stimulation
from evonas.snn.statistics import COUNTS
from genomes.architecture import Architecture


def _firing_rate(candidate: Candidate) -> Measured:
    return Measured(candidate.health()["firing_rate"])


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return 0.0, 1.0


OBJECTIVES.register(
    "firing_rate", Objective("firing_rate", "min", "", "linear", (COUNTS,), _firing_rate, _bounds)
)
