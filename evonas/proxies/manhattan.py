"""The summed Manhattan distance of spike patterns: the training-free fitness of MSE-NAS as its code is released.

    (1 / (L T)) sum over layers l, time steps t, samples i and j of |x_i - x_j|_1

for L spiking layers and T time steps, x_i the spikes of sample i in layer l at step t (Pan et al., arXiv 2304.10749;
the paper's body was not to be had, so this is the function `LSP` of the release). It is neither divided by the number
of neurons nor by that of pairs: it grows with the size of the layers, and values for different batches cannot be
compared. `rdm_trains_hamming` is the same number per neuron and pair. Bounds and differences are those of its log10;
a network that answers all samples alike has 0, which has none, and is refused as an evaluation that failed.

Departures from the release: 1e-6 is not added to every element of every difference; there is one fixed batch instead of
the mean of two shuffled and augmented ones; batch norm takes the statistics of all time steps together instead of those
of each; and the score is maximised itself instead of 1000 minus it being minimised.
"""

from __future__ import annotations

from collections.abc import Sequence

from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.proxies.sahd import FAR, NEAR, layer_sizes
from evonas.snn.statistics import COUNTS, TRAIN_GRAM, Gram
from genomes.architecture import Architecture

SOURCE = "Pan et al. 2023, arXiv 2304.10749"


def summed_distance(gram: Gram) -> float:
    """The sum over all ordered pairs of the Manhattan distance of their spike trains."""
    # |x - y| of zeros and ones is x + y - 2 x y.
    return 2.0 * float(len(gram.sums) * gram.sums.sum() - gram.products.sum())


def _value(candidate: Candidate) -> Measured:
    layers = candidate.measured(TRAIN_GRAM).values()
    n_calls = len(layers) * candidate.time_steps
    diagnostics = candidate.health()
    return Measured(sum(summed_distance(gram) for gram in layers) / n_calls, diagnostics)


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    least, most = layer_sizes(sample)
    n_pairs = stimulation.batch * (stimulation.batch - 1)
    return NEAR * n_pairs * least, FAR * n_pairs * most


PROXIES.register(
    "rdm_manhattan_summed",
    Proxy("rdm_manhattan_summed", SOURCE, _bounds, (TRAIN_GRAM, COUNTS), _value, scale="log10"),
)
