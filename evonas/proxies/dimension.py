"""How many directions the answers of a layer to the batch fill, averaged over spiking layers.

    effective_dimension    the participation ratio of the firing rates' covariance (Gao et al. 2017, bioRxiv,
                           doi 10.1101/214262, equation 5; `evonas.proxies.similarity.participation_ratio`)
    effective_rank         exp of the entropy of the spectrum of the spike trains' covariance (Roy and Vetterli, EUSIPCO
                           2007, definition 1; `evonas.proxies.rdm.effective_rank`), which `rdm` shows beside its score

At most B - 1 for B stimuli; a layer that answers all alike has 1 of the first and 0 of the second. Labels are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.rdm import effective_rank
from evonas.proxies.registry import PROXIES
from evonas.proxies.similarity import participation_ratio
from evonas.snn.statistics import COUNTS, RATE_GRAM, TRAIN_GRAM, Gram, Statistic
from genomes.architecture import Architecture


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return 0.0, max(stimulation.batch - 1.0, 1.0)


def _register(name: str, source: str, statistic: Statistic, n_directions: Callable[[Gram], float]) -> None:
    def value(candidate: Candidate) -> Measured:
        found = [n_directions(gram) for gram in candidate.measured(statistic).values()]
        diagnostics = candidate.health()
        return Measured(sum(found) / len(found), diagnostics)

    PROXIES.register(name, Proxy(name, source, _bounds, (statistic, COUNTS), value))


_register("effective_dimension", "Gao et al. 2017, doi 10.1101/214262", RATE_GRAM, participation_ratio)
_register("effective_rank", "Roy and Vetterli, EUSIPCO 2007 proceedings, 606-610", TRAIN_GRAM, effective_rank)
