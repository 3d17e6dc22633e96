"""Jacobian covariance: do the samples of a batch pull at the network in different directions?

Row i of J is the gradient of the sum of all logits for the input of sample i; with the eigenvalues s of the correlation
matrix of the rows,

    - sum over eigenvalues of log(s + k) + 1 / (s + k),    k = 1e-5

(Mellor et al., arXiv 2006.04647, version 1; as `jacob_cov` in Abdelfattah et al., ICLR 2021, arXiv 2101.08134). Labels
are not used. It is best, a little under minus the number of samples, where the rows are uncorrelated.

A row without variance tells nothing: it counts as equal to all other such rows and as uncorrelated with the rest. So a
network through which no gradient passes has the worst value of all, about -1e5 (B - 1). The first `MOST_SAMPLES`
samples are used; of event frames a row holds all time steps; for the pass back see `evonas.proxies.backward`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evonas.proxies.backward import MOST_SAMPLES, input_gradient
from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS
from genomes.architecture import Architecture

SOURCE = "Mellor et al. 2020, arXiv 2006.04647v1; Abdelfattah et al., ICLR 2021, arXiv 2101.08134"

AVOIDS_ZERO = 1e-5
"""k of the released code."""


def correlation(rows: Tensor) -> Tensor:
    """The Pearson correlation (B, B) of rows (B, D), float64; constant rows correlate with each other alone."""
    centred = rows.double()
    largest = centred.abs().amax(1, keepdim=True)
    centred = centred / torch.where(largest > 0, largest, 1.0)  # squares of small gradients would underflow
    centred = centred - centred.mean(1, keepdim=True)
    size = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    constant = (size <= 1e-9 * centred.shape[1] ** 0.5).double()
    unit = centred * (1.0 - constant) / torch.where(size > 0, size, 1.0)
    matrix: Tensor = unit @ unit.T + constant @ constant.T
    return matrix


def spread(matrix: Tensor) -> float:
    """The score of a correlation matrix (B, B)."""
    eigenvalues = torch.linalg.eigvalsh(matrix).clamp(min=0.0) + AVOIDS_ZERO
    return -float((eigenvalues.log() + 1.0 / eigenvalues).sum())


def _value(candidate: Candidate) -> Measured:
    rows = input_gradient(candidate).transpose(0, 1).flatten(1)
    diagnostics = candidate.health()
    return Measured(spread(correlation(rows)), diagnostics)


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    # The worst value lies so far out that all that live would look alike beside it.
    best = spread(torch.eye(min(stimulation.batch, MOST_SAMPLES), dtype=torch.float64))
    return MARGIN * best, best


PROXIES.register("jacob_cov", Proxy("jacob_cov", SOURCE, _bounds, (COUNTS,), _value))
