"""Connection sensitivity: what the loss would feel, to first order, if single weights were cut.

    sum over all weights w of | w dL / dw |

(Lee et al., ICLR 2019, arXiv 1810.02340, who normalise it to rank the weights of one network; summed to rank networks
by Abdelfattah et al., ICLR 2021, arXiv 2101.08134). L is the mean cross-entropy of the true labels; `snip_unlabelled`
is the same for <logits, random direction> and needs none. Weights, samples, scale and the value of a network that no
gradient reaches are as in `evonas.proxies.grad_norm`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from evonas.proxies.backward import weight_gradients
from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS
from genomes.architecture import Architecture

SOURCE = "Lee et al., ICLR 2019, arXiv 1810.02340"

LOW, HIGH = 1e-2, 1e4
"""Bounds: samples of the default space and of SpikeNAS-Bench lie within 0.5 and 200."""


def _register(name: str, *, labelled: bool) -> None:
    def value(candidate: Candidate) -> Measured:
        gradients = weight_gradients(candidate, labelled=labelled).values()
        total = sum(
            float((weight * gradient).abs().sum(dtype=torch.float64)) for weight, gradient in gradients
        )
        return Measured(total, candidate.health())

    PROXIES.register(name, Proxy(name, SOURCE, _bounds, (COUNTS,), value, scale="log10"))


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return LOW, HIGH


_register("snip", labelled=True)
_register("snip_unlabelled", labelled=False)
