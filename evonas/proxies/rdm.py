"""Representational dissimilarity matrices of spike responses: the mean dissimilarity of stimuli as a fitness.

Every spiking layer answers a fixed batch of B stimuli; its RDM holds the dissimilarity of each pair of answers
(Kriegeskorte, Mur and Bandettini, Front. Syst. Neurosci. 2008, doi 10.3389/neuro.06.004.2008). The score is the mean
over layers of the mean over pairs: a network that tells stimuli apart from the start has more to learn from. Labels
are not used. With G = X X^T the Gram matrix of the patterns x_i, n their length, m_i their means:

    correlation   1 - (g_ij / n - m_i m_j) / sqrt((g_ii / n - m_i^2) (g_jj / n - m_j^2))
    cosine        1 - g_ij / sqrt(g_ii g_jj)
    euclidean     (g_ii + g_jj - 2 g_ij) / n        (squared)
    hamming       the same, for patterns of 0 and 1: the share of differing entries

A pattern without variance (correlation) or without spikes (cosine) is at distance 1 from every other: it tells nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS, RATE_GRAM, TRAIN_GRAM, Gram, Statistic
from genomes.architecture import Architecture

SOURCE = "Kriegeskorte et al. 2008, doi 10.3389/neuro.06.004.2008; as fitness after MSE-NAS, arXiv 2304.10749"

DISTANCES = ("correlation", "cosine", "euclidean", "hamming")


def rdm(gram: Gram, distance: str) -> Tensor:
    """The RDM (B, B) of one layer, float64, zero on the diagonal; `distance` is one of `DISTANCES`."""
    g, power = gram.products, gram.products.diagonal()
    if distance in ("euclidean", "hamming"):
        matrix = (power[:, None] + power[None, :] - 2.0 * g).clamp_(min=0.0) * (gram.unit**2 / gram.n)
    else:
        if distance == "correlation":
            # n^2 times the covariance: whole numbers for spike trains, so that a constant pattern has exactly none.
            g = gram.n * g - gram.sums[:, None] * gram.sums[None, :]
            power = g.diagonal()
        norm = power.clamp(min=0.0).sqrt()
        scale = norm[:, None] * norm[None, :]
        matrix = 1.0 - torch.where(scale > 0.0, g / scale.clamp(min=torch.finfo(scale.dtype).tiny), 0.0)
    return matrix.fill_diagonal_(0.0)


def mean_dissimilarity(matrix: Tensor) -> float:
    """The mean over all pairs of different stimuli."""
    n = len(matrix)
    return float(matrix.sum()) / (n * (n - 1))


def effective_rank(gram: Gram) -> float:
    """How many directions the B patterns fill: exp of the entropy of the spectrum of their covariance, 1 .. B - 1.

    Roy and Vetterli, EUSIPCO 2007, definition 1, on the singular values' squares. 0 where all patterns are equal.
    """
    g = gram.products
    centred = g - g.mean(0) - g.mean(1, keepdim=True) + g.mean()
    spectrum = torch.linalg.eigvalsh(centred).clamp(min=0.0)
    total = float(spectrum.sum())
    if total <= 1e-9 * max(1.0, float(g.diagonal().sum())):
        return 0.0
    share = spectrum / total
    return math.exp(-float(torch.xlogy(share, share).sum()))


def _unit_range(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return 0.0, 1.0


def _register(name: str, statistic: Statistic, distance: str) -> None:
    def value(candidate: Candidate) -> Measured:
        layers = list(candidate.measured(statistic).values())
        dissimilarity = [mean_dissimilarity(rdm(gram, distance)) for gram in layers]
        ranks = [effective_rank(gram) for gram in layers]
        diagnostics = candidate.health()
        diagnostics["effective_rank"] = sum(ranks) / len(ranks)
        return Measured(sum(dissimilarity) / len(dissimilarity), diagnostics)

    PROXIES.register(name, Proxy(name, SOURCE, _unit_range, (statistic, COUNTS), value))


_register("rdm", TRAIN_GRAM, "correlation")
for _distance in DISTANCES:
    if _distance != "correlation":
        _register(f"rdm_trains_{_distance}", TRAIN_GRAM, _distance)
    if _distance != "hamming":
        _register(f"rdm_rates_{_distance}", RATE_GRAM, _distance)
