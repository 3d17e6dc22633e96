"""The entropy of spike trains: how many bits the spike train of a neuron holds.

A spike train of T steps is a word of T bits. With p_w the share of all trains of a layer, those of every neuron for
every sample, that are the word w,

    temporal_entropy    the mean over layers of - sum over w of p_w log2 p_w        (bits, 0 .. T)

after Strong et al. 1998, doi 10.1103/PhysRevLett.80.197, where the words are those of one neuron. Longer trains are cut
into words of `LONGEST_WORD` steps, whose entropies are added. A silent layer has 0, and so has one that fires always.
Labels are not used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS, Statistic
from genomes.architecture import Architecture

SOURCE = "Strong et al. 1998, doi 10.1103/PhysRevLett.80.197"

LONGEST_WORD = 12
"""Steps in a word: a layer has many more trains than there are words of that length."""


def train_entropy(spikes: Tensor) -> float:
    """The entropy in bits of the spike trains of all neurons and samples, of spikes (T, B, C, H, W)."""
    entropy = 0.0
    for steps in spikes.split(LONGEST_WORD):
        words = torch.zeros_like(steps[0])
        for step in steps:
            words = 2.0 * words + step
        # In the order in which they lie in memory: which word is whose does not count.
        counts = torch.bincount(words.permute(0, 2, 3, 1).flatten().int())
        share = counts.double() / counts.sum()
        entropy -= float(torch.xlogy(share, share).sum()) / math.log(2.0)
    return entropy


TRAIN_ENTROPY = Statistic(train_entropy, spiking_only=True)


def _value(candidate: Candidate) -> Measured:
    layers = candidate.measured(TRAIN_ENTROPY).values()
    diagnostics = candidate.health()
    return Measured(sum(layers) / len(layers), diagnostics)


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return 0.0, float(stimulation.time_steps)


PROXIES.register(
    "temporal_entropy", Proxy("temporal_entropy", SOURCE, _bounds, (TRAIN_ENTROPY, COUNTS), _value)
)
