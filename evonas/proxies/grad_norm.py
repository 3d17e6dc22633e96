"""How large the gradient for the first weights is: the sum over layers of its Euclidean norm.

    sum over layers l of | dL / dW_l |_2

with one weight tensor (convolution, either half of a separable one, readout) a layer and L the mean cross-entropy of
the true labels (Abdelfattah et al., ICLR 2021, arXiv 2101.08134). `grad_norm_unlabelled` is the same for
<logits, random direction> in the place of the cross-entropy and needs no labels. Biases, batch norms and learnt time
constants are left out; the first `MOST_SAMPLES` samples are used; for the pass back see `evonas.proxies.backward`.
Bounds and differences are those of the log10. A network that no gradient reaches has 0, which has none, and is refused
as an evaluation that failed; silence alone does not do that, since the surrogate's tails reach below the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from evonas.proxies.backward import weight_gradients
from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS
from genomes.architecture import Architecture

SOURCE = "Abdelfattah et al., ICLR 2021, arXiv 2101.08134"

LOW, HIGH = 1e-3, 1e3
"""Bounds: samples of the default space and of SpikeNAS-Bench lie within 0.1 and 30."""


def _register(name: str, *, labelled: bool) -> None:
    def value(candidate: Candidate) -> Measured:
        gradients = weight_gradients(candidate, labelled=labelled)
        norms = [
            float(torch.linalg.vector_norm(gradient, dtype=torch.float64))
            for _, gradient in gradients.values()
        ]
        return Measured(sum(norms), candidate.health())

    PROXIES.register(name, Proxy(name, SOURCE, _bounds, (COUNTS,), value, scale="log10"))


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return LOW, HIGH


_register("grad_norm", labelled=True)
_register("grad_norm_unlabelled", labelled=False)
