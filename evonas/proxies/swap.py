"""SWAP: how many different answers a batch gets from the neurons of a network.

The sample-wise activation pattern of a neuron says for which samples of the batch it is active; the score is the number
of different patterns among all neurons (Peng et al., ICLR 2024, arXiv 2403.04161). A spike is
such a bit already. One layer at one time step is one layer of activations, as in `evonas.proxies.sahd`: a neuron adds a
pattern for each step. Labels are not used, and the regularised variant, a factor for the number of parameters, is not
applied.

The first `MOST_BITS` samples are used; a larger batch would leave hardly two patterns equal and count neurons. A silent
network has one pattern. Bounds and differences are those of the log10.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS, Statistic
from genomes.architecture import Architecture

SOURCE = "Peng et al., ICLR 2024, arXiv 2403.04161"

MOST_BITS = 32
"""Samples in a pattern."""


def patterns(spikes: Tensor) -> Tensor:
    """The different patterns of spikes (T, B, C, H, W), each as the whole number whose bits it is."""
    found = torch.zeros_like(spikes[:, 0], dtype=torch.int64)
    for place, fired in enumerate(spikes[:, :MOST_BITS].unbind(1)):
        found += fired.long() << place
    different: Tensor = found.unique()
    return different


PATTERNS = Statistic(patterns, spiking_only=True)


def _value(candidate: Candidate) -> Measured:
    layers = list(candidate.measured(PATTERNS).values())
    diagnostics = candidate.health()
    return Measured(float(len(torch.cat(layers).unique())), diagnostics)


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return 1.0, MARGIN * stimulation.time_steps * max(architecture.n_neurons for architecture in sample)


PROXIES.register("swap", Proxy("swap", SOURCE, _bounds, (PATTERNS, COUNTS), _value, scale="log10"))
