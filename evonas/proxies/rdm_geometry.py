"""The geometry of spike responses through a network: the default training-free fitness.

A layer of neurons answers a fixed batch of B stimuli twice: with the currents that drive it, averaged over time, and
with its spikes. What the spikes keep, add and cost, how far the geometry drifts from layer to layer, and how many
layers there are give

    rdm_geometry = 10 A + S + 2.5 E - 1.5 W - 12.5 / D

    A  rdm_alignment  mean over layers of the alignment (CKA) of the Gram matrices of currents and of firing rates:
                      how much of the geometry that reaches a layer passes through its threshold
    S  rdm_sparsity   - mean over layers of ln r, r the firing rate of a layer in spikes per neuron and time step
                      (at least `LEAST_RATE`): few spikes
    E  rdm_expansion  mean over layers of ln (participation ratio of the rates / of the currents):
                      directions that the threshold adds
    W  -rdm_drift     mean over pairs of layers of the angle between the RDMs of their currents (correlation distance):
                      how much of the geometry of one layer is lost in another
    D  depth          layers of neurons on the longest path, dense ones included

A is high and S is high for a network whose layers pass on what they get with few spikes; alone, either is easy: low
thresholds pass all, high ones are sparse. Labels, gradients and numbers of parameters are not used. Layers behind a
dense synapse are left out: without a batch norm their currents at first weights are far below threshold, in every
network alike.

Networks are scored narrow, at `CHANNELS` channels where one number divides all widths (`genomes.narrowing`), and the
ingredients are means over `N_SEEDS` sets of first weights.

What it fails at: among 150 networks of the default space after one short training tau is 0.23, that of their
parameters 0.44, and 0.12 among networks of about equal size. Alignment and depth, which carry it on the cells of
SpikeNAS-Bench, say nothing there; drift and expansion may (0.31 and 0.29 at equal size, 0.22 and 0.27 on those that
were trained after this had been seen). Nearly all networks of that space have a layer of 16 channels and are scored as
wide as they are.

Alignment: Kornblith et al., ICML 2019, arXiv 1905.00414; RDMs: Kriegeskorte et al. 2008,
doi 10.3389/neuro.06.004.2008; the combination is ours. How it was found, what it ranks how well, and where it fails:
experiments/fitness/README.md. The weights are those of a ridge regression on the accuracies of 200 networks of
SpikeNAS-Bench, to the nearest half with that of A set to 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.proxies.similarity import alignment, angles, directions, participation_ratio
from evonas.rng import generator
from evonas.snn.statistics import COUNTS, CURRENT_GRAM, RATE_GRAM, Statistic
from genomes.architecture import Architecture
from genomes.narrowing import narrowed
from genomes.operations import Linear

SOURCE = "evonas, experiments/fitness/README.md; alignment after Kornblith et al. 2019, arXiv 1905.00414"

CHANNELS = 16
"""Channels of the narrowest convolution of the network that is scored, where the architecture has more."""

N_SEEDS = 2
"""Sets of first weights that are averaged."""

LEAST_RATE = 0.01
"""Firing rate below which being sparser does not count: such a layer is all but silent."""

STATISTICS: tuple[Statistic, ...] = (CURRENT_GRAM, RATE_GRAM, COUNTS)


@dataclass(frozen=True)
class Geometry:
    """The ingredients of the score, each so that more is better."""

    alignment: float
    sparsity: float
    expansion: float
    drift: float
    depth: float

    @property
    def score(self) -> float:
        """The weighted sum."""
        return (
            10.0 * self.alignment
            + self.sparsity
            + 2.5 * self.expansion
            + 1.5 * self.drift
            - 12.5 / self.depth
        )


def spatial_layers(architecture: Architecture) -> list[int]:
    """The layers of neurons that no dense synapse drives; all where there are none."""
    dense = {synapse.target for synapse in architecture.synapses if isinstance(synapse.operation, Linear)}
    return [i for i in architecture.spiking if i not in dense] or list(architecture.spiking)


def geometry(candidate: Candidate) -> Geometry:
    """The ingredients for one set of first weights, of the network as wide as it is."""
    layers = spatial_layers(candidate.architecture)
    currents = [candidate.measured(CURRENT_GRAM)[i] for i in layers]
    rates = [candidate.measured(RATE_GRAM)[i] for i in layers]
    spikes = [candidate.measured(COUNTS)[i].firing_rate for i in layers]
    between = angles(directions(currents, "correlation"))
    n_pairs = len(layers) * (len(layers) - 1)
    gains = [
        math.log(participation_ratio(out) / participation_ratio(into))
        for into, out in zip(currents, rates, strict=True)
    ]
    return Geometry(
        alignment=_mean([alignment(into, out) for into, out in zip(currents, rates, strict=True)]),
        sparsity=-_mean([math.log(max(rate, LEAST_RATE)) for rate in spikes]),
        expansion=_mean(gains),
        drift=-float(between.fill_diagonal_(0.0).sum()) / n_pairs if n_pairs else 0.0,
        depth=float(candidate.architecture.depth),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _scored(candidate: Candidate) -> list[Candidate]:
    """The networks that are scored for a candidate: narrow, with `N_SEEDS` sets of first weights.

    The candidate itself is the first of them where it is narrow already, so that its pass serves other objectives too.
    """
    narrow = narrowed(candidate.architecture, channels=CHANNELS)
    more = generator(candidate.seed, "more first weights").integers(2**32, size=N_SEEDS - 1)
    return [
        candidate
        if narrow is candidate.architecture and seed == candidate.seed
        else Candidate(
            narrow,
            inputs=candidate.inputs,
            time_steps=candidate.time_steps,
            seed=seed,
            statistics=STATISTICS,
        )
        for seed in (candidate.seed, *map(int, more))
    ]


def measure(candidate: Candidate) -> tuple[Geometry, dict[str, float]]:
    """The ingredients of the score of a candidate, and how it fires, if it is itself among those that are scored."""
    scored = _scored(candidate)
    found = [geometry(one) for one in scored]
    mean = Geometry(*(_mean([getattr(one, field.name) for one in found]) for field in fields(Geometry)))
    return mean, candidate.health() if candidate in scored else {}


def _register(name: str, read: Callable[[Geometry], float]) -> None:
    def value(candidate: Candidate) -> Measured:
        found, diagnostics = candidate.once(measure)
        return Measured(read(found), diagnostics)

    def between(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
        worst, best = extremes(sample, stimulation)
        return read(worst), read(best)

    PROXIES.register(name, Proxy(name, SOURCE, between, STATISTICS, value))


def extremes(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[Geometry, Geometry]:
    """The least and the most that each ingredient can be; for the depth from a sample, with margin."""
    most_gain = math.log(max(stimulation.batch - 1, 2))
    depths = [architecture.depth for architecture in sample]
    return (
        Geometry(alignment=0.0, sparsity=0.0, expansion=-most_gain, drift=-math.pi, depth=min(depths)),
        Geometry(
            alignment=1.0,
            sparsity=-math.log(LEAST_RATE),
            expansion=most_gain,
            drift=0.0,
            depth=max(depths) * MARGIN,
        ),
    )


_register("rdm_geometry", lambda found: found.score)
_register("rdm_alignment", lambda found: found.alignment)
_register("rdm_sparsity", lambda found: found.sparsity)
_register("rdm_expansion", lambda found: found.expansion)
_register("rdm_drift", lambda found: found.drift)
