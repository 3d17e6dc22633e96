"""MeCo: the smallest eigenvalue of the correlation between a layer's channels, summed over layers.

    sum over layers l of lambda_min( P(f_l) ),    P(f_l)_ij = Pearson correlation of channels i and j

over the places of the feature map f_l of a single sample (Jiang, Wang and Bie, MeCo, NeurIPS 2023). A large one means
that no channel follows from the others. Labels are not used. Here time steps are further places, and the layers are

    meco           the currents that convolutions with batch norm deliver, still ones counted once
    meco_spikes    the spikes of the spiking layers

The mean is taken over the first `MOST_SAMPLES` samples of the batch, with the batch-norm statistics of the whole
batch. A channel without variance correlates with nothing, itself included, as in the released code: one channel that
stays silent takes a layer's share in `meco_spikes` to 0, and so does a map with fewer places than channels. A network
all of whose layers are silent has 0 in `meco_spikes`; currents are silent only where batch norms have been zeroed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from evonas.proxies.backward import MOST_SAMPLES, copied, listen
from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS, Statistic
from genomes.architecture import Architecture
from genomes.operations import Convolution

SOURCE = "Jiang et al., NeurIPS 2023, proceedings.neurips.cc bfa815ac6f08f4ada34fe22be054f2b9"


def least_correlation(maps: Tensor) -> float:
    """The smallest eigenvalue of the channels' correlation, mean over the first samples of maps (t, B, C, H, W)."""
    rows = maps[:, :MOST_SAMPLES].permute(1, 2, 0, 3, 4).flatten(2)
    if rows.shape[2] <= rows.shape[1]:
        return 0.0  # centred rows fill fewer directions than there are channels
    centred = rows - rows.mean(2, keepdim=True)
    size = torch.linalg.vector_norm(centred, dim=2, keepdim=True)
    unit = centred / torch.where(size > 1e-6 * rows.shape[2] ** 0.5, size, torch.inf)
    return float(torch.linalg.eigvalsh((unit @ unit.mT).double())[:, 0].clamp(min=0.0).mean())


LEAST_CORRELATION = Statistic(least_correlation, spiking_only=True)


def current_maps(candidate: Candidate) -> list[Tensor]:
    """What each convolution with batch norm delivers for the first `MOST_SAMPLES` samples: (t, B, C, H, W)."""
    candidate.measured(COUNTS)  # the pass that the batch norms take their statistics from
    x = candidate.inputs[:, :MOST_SAMPLES]
    network = copied(candidate.network)
    heard = listen(network, convolutions(candidate.architecture))
    with torch.no_grad():
        network(x, time_steps=candidate.time_steps)
    calls: defaultdict[int, list[Tensor]] = defaultdict(list)
    for index, current in heard:
        calls[index].append(current.unflatten(0, (-1, x.shape[1])))
    return [torch.cat(steps) for steps in calls.values()]


def convolutions(architecture: Architecture) -> list[int]:
    """The indices of the convolutions with batch norm."""
    return [
        i for i, synapse in enumerate(architecture.synapses) if isinstance(synapse.operation, Convolution)
    ]


def _of_currents(candidate: Candidate) -> Measured:
    diagnostics = candidate.health()
    return Measured(sum(map(least_correlation, current_maps(candidate))), diagnostics)


def _of_spikes(candidate: Candidate) -> Measured:
    diagnostics = candidate.health()
    return Measured(sum(candidate.measured(LEAST_CORRELATION).values()), diagnostics)


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    # No layer adds more than 1: the trace of a correlation matrix is its number of channels.
    return 0.0, MARGIN * max(len(found.synapses) for found in sample)


PROXIES.register("meco", Proxy("meco", SOURCE, _bounds, (COUNTS,), _of_currents))
PROXIES.register(
    "meco_spikes", Proxy("meco_spikes", SOURCE, _bounds, (LEAST_CORRELATION, COUNTS), _of_spikes)
)
