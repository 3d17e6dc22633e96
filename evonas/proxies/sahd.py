"""Log-determinant kernels of spike patterns: sparsity-aware Hamming distance (SAHD) and plain Hamming distance.

A network whose layers answer different inputs with different spikes has a kernel far from singular. For one call of a
spiking layer, that is one layer at one time step, with N neurons, h_ij the differing spikes of samples i and j, r_i the
share of neurons that fire for i, and e_ij = r_i (1 - r_j) + (1 - r_i) r_j, the share that would differ by chance:

    hamming_kernel       N - h_ij                              (Mellor et al., ICML 2021, arXiv 2006.04647)
    sahd_until_2022_07   N - (N / 2) h_ij / (N (e_ij + 0.001))
    sahd_since_2022_07   N - (1 / 2) h_ij / (N e_ij + 0.001)

The two forms of SAHD are those of the released code of SNASNet (Kim et al., ECCV 2022, arXiv 2201.10355), which changed
on 2022-07-19; the first lets large layers count for more, the second does not. Kernels are summed over all calls and
divided by their number; the score is the log of the absolute determinant, in float64.

Samples that no layer tells apart make the kernel singular. Its eigenvalues are therefore taken no smaller than B
epsilon times the largest, the usual tolerance of a numerical rank: each such direction costs a large but finite amount,
and `singular_directions` counts them. A kernel without any has exactly the published score.

Other than in the release, one batch is scored instead of two, every pass starts at rest, there is neither dropout nor
augmentation, and the encoding has no spikes to be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS, STEP_GRAMS, StepGrams
from genomes.architecture import Architecture

SAHD_SOURCE = "Kim et al., ECCV 2022, arXiv 2201.10355"
HAMMING_SOURCE = "Mellor et al., ICML 2021, arXiv 2006.04647"

AVOIDS_ZERO = 0.001
"""Added to the chance distance in the released code."""

Distance = Callable[[StepGrams], Tensor]
"""From the Grams of a layer to the distances (T, B, B) that are taken off N."""


def hamming(steps: StepGrams) -> Tensor:
    """Differing spikes of each pair at each step (T, B, B)."""
    return steps.sums[:, :, None] + steps.sums[:, None, :] - 2.0 * steps.products


def sahd_until_2022_07(steps: StepGrams) -> Tensor:
    """The distances (T, B, B) of the first release, of order N / 2."""
    return 0.5 * hamming(steps) / (_by_chance(steps) + AVOIDS_ZERO)


def sahd_since_2022_07(steps: StepGrams) -> Tensor:
    """The distances (T, B, B) of the second release, of order 1 / 2."""
    return 0.5 * hamming(steps) / (steps.n * _by_chance(steps) + AVOIDS_ZERO)


def _by_chance(steps: StepGrams) -> Tensor:
    """The share of neurons in which independent patterns of the same rates would differ."""
    one, other = steps.sums[:, :, None] / steps.n, steps.sums[:, None, :] / steps.n
    return one * (1.0 - other) + (1.0 - one) * other


def kernel(layers: Iterable[StepGrams], distance: Distance) -> Tensor:
    """The kernel (B, B), float64: the mean of N - distance over all layers and time steps."""
    calls = torch.cat([steps.n - distance(steps) for steps in layers])
    return calls.mean(0)


def log_determinant(matrix: Tensor) -> tuple[float, int]:
    """The log of the absolute determinant of a symmetric matrix, and how many eigenvalues count as zero.

    Those are taken as B epsilon times the largest (B if all are zero: nothing is left but the smallest number).
    """
    sizes = torch.linalg.eigvalsh(matrix).abs()
    least = sizes.max() * len(matrix) * torch.finfo(matrix.dtype).eps
    least = least.clamp(min=torch.finfo(matrix.dtype).tiny)
    return float(sizes.clamp(min=least).log().sum()), int((sizes < least).sum())


def equidistant(distance: float, *, n: float, batch: int) -> float:
    """The log-determinant of a kernel whose pairs are all at the same distance: n on the diagonal, n - distance off."""
    return (batch - 1) * math.log(distance) + math.log(batch * n - (batch - 1) * distance)


FAR, NEAR = 0.5, 0.005
"""Share of neurons in which all pairs differ, for the bounds: the most that a large batch can reach (Plotkin 1960), and
a network that hardly tells its inputs apart."""


def layer_sizes(sample: Sequence[Architecture]) -> tuple[float, float]:
    """Neurons of a mean spiking layer for the bounds: those of the smallest and of the largest network, with margin."""
    n = [architecture.n_neurons / len(architecture.spiking) for architecture in sample]
    return min(n) / MARGIN, max(n) * MARGIN


def _register(name: str, source: str, distance: Distance, *, grows: bool) -> None:
    """`grows`: whether distances are of order N, or of order 1."""

    def bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
        least, most = layer_sizes(sample)
        return (
            equidistant(NEAR * (least if grows else 1.0), n=least, batch=stimulation.batch),
            equidistant(FAR * (most if grows else 1.0), n=most, batch=stimulation.batch),
        )

    def value(candidate: Candidate) -> Measured:
        found, n_singular = log_determinant(kernel(candidate.measured(STEP_GRAMS).values(), distance))
        diagnostics = candidate.health()
        return Measured(found, diagnostics | {"singular_directions": float(n_singular)})

    PROXIES.register(name, Proxy(name, source, bounds, (STEP_GRAMS, COUNTS), value))


_register("hamming_kernel", HAMMING_SOURCE, hamming, grows=True)
_register("sahd_until_2022_07", SAHD_SOURCE, sahd_until_2022_07, grows=True)
_register("sahd_since_2022_07", SAHD_SOURCE, sahd_since_2022_07, grows=False)
