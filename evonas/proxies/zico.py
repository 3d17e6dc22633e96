"""ZiCo: gradients that are large and hardly change from batch to batch.

    sum over layers l of log( sum over weights w of l of  E|g_w| / sqrt(Var|g_w|) )

with g_w the gradient of the mean cross-entropy of the true labels, mean and variance (that of the population) over
batches (Li et al., ICLR 2023, arXiv 2301.11300). `zico_unlabelled` takes <logits, random direction> in the place of the
cross-entropy, other directions in each batch, and needs no labels.

Two batches are compared: the scoring batch is cut into halves of at most `MOST_SAMPLES` samples each.
Weights whose variance is zero, and layers without any other, are left out: a network that no gradient reaches has 0,
the least there is, since with two batches no ratio is below 1. The sum runs over layers and their weights, so that it
grows with depth and size. Layers are those of `evonas.proxies.grad_norm`; for the pass back see
`evonas.proxies.backward`. The released code divides by the variance of g_w itself; this is the published equation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from evonas.errors import ConfigError
from evonas.proxies.backward import MOST_SAMPLES, weight_gradients
from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS
from genomes.architecture import Architecture

SOURCE = "Li et al., ICLR 2023, arXiv 2301.11300"


def inverse_variation(layers: Iterable[Tensor]) -> float:
    """The score of gradients (n_batches, ...), one tensor a layer."""
    total = 0.0
    for gradients in layers:
        size = gradients.abs().double()
        deviation = size.std(0, correction=0)
        ratio = float((size.mean(0) / deviation)[deviation > 0].sum())
        if ratio > 0.0:
            total += math.log(ratio)
    return total


def _register(name: str, *, labelled: bool) -> None:
    def value(candidate: Candidate) -> Measured:
        half = min(candidate.inputs.shape[1] // 2, MOST_SAMPLES)
        if half < 1:
            raise ConfigError(f"batch: {name} compares two batches; expected 2 samples or more, got 1")
        batches = [
            weight_gradients(candidate, labelled=labelled, samples=slice(start, start + half))
            for start in (0, half)
        ]
        layers = (torch.stack([batch[layer][1] for batch in batches]) for layer in batches[0])
        diagnostics = candidate.health()
        return Measured(inverse_variation(layers), diagnostics)

    PROXIES.register(name, Proxy(name, SOURCE, _bounds, (COUNTS,), value))


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    # Most layers of a network have a separable convolution's two tensors, and the readout is one more.
    most = max((2 * len(found.synapses) + 1) * math.log(MARGIN * found.n_parameters) for found in sample)
    return 0.0, most


_register("zico", labelled=True)
_register("zico_unlabelled", labelled=False)
