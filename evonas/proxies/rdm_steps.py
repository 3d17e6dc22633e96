"""RDMs of single time steps: how far apart the answers of a layer are at each step, and how that grows.

Every spiking layer has one RDM for each time step, of the spikes of that step (`evonas.proxies.rdm` has those of whole
spike trains); d_lt is the mean over pairs of stimuli of the RDM of layer l at step t, L the number of layers.

    rdm_steps_<distance>    (1 / (L T)) sum over l, t of d_lt
    rdm_growth              (1 / L) sum over l of d_lT - d_l1, by the Hamming distance

Growth is by the Hamming distance because many layers are silent at the first step: by correlation, silent patterns are
at distance 1 from all others, and a layer that wakes up would seem to lose. One time step is no growth. The Hamming
distance adds up over steps, so its mean over them is `rdm_trains_hamming`. Labels are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.rdm import mean_dissimilarity, rdm
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS, STEP_GRAMS, Gram, StepGrams
from genomes.architecture import Architecture

SOURCE = "RDMs: Kriegeskorte et al. 2008, doi 10.3389/neuro.06.004.2008; over time steps: evonas"


def step_dissimilarity(steps: StepGrams, distance: str) -> list[float]:
    """The mean dissimilarity of a layer's answers at each time step; for `distance` see `evonas.proxies.rdm`."""
    return [
        mean_dissimilarity(rdm(Gram(products, sums, steps.n), distance))
        for products, sums in zip(steps.products, steps.sums, strict=True)
    ]


def _register(
    name: str, distance: str, read: Callable[[list[float]], float], *, bounds: tuple[float, float]
) -> None:
    """`read` makes the number of a layer from its dissimilarity at each step."""

    def value(candidate: Candidate) -> Measured:
        layers = candidate.measured(STEP_GRAMS).values()
        found = [read(step_dissimilarity(steps, distance)) for steps in layers]
        diagnostics = candidate.health()
        return Measured(sum(found) / len(found), diagnostics)

    def within(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
        return bounds

    PROXIES.register(name, Proxy(name, SOURCE, within, (STEP_GRAMS, COUNTS), value))


for _distance in ("correlation", "cosine"):
    _register(f"rdm_steps_{_distance}", _distance, lambda steps: sum(steps) / len(steps), bounds=(0.0, 1.0))
_register("rdm_growth", "hamming", lambda steps: steps[-1] - steps[0], bounds=(-1.0, 1.0))
