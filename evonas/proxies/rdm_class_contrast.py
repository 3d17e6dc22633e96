"""Class contrast of RDMs: how much further apart a layer sees stimuli of different classes. Labels are used.

The mean dissimilarity of pairs from two classes, less that of pairs from one class, in the RDM (correlation distance)
of a layer's firing rates, as Mur et al. 2013 (doi 10.3389/fpsyg.2013.00128) measure how categories cluster. Layers
behind a dense synapse are left out, as in `evonas.proxies.rdm_geometry`.

    rdm_class_contrast         the mean over layers
    rdm_class_contrast_last    the last layer

0 says that classes do not show, and silent layers have it; untrained networks are not far from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evonas.errors import ConfigError
from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.rdm import rdm
from evonas.proxies.rdm_geometry import spatial_layers
from evonas.proxies.registry import PROXIES
from evonas.snn.statistics import COUNTS, RATE_GRAM
from genomes.architecture import Architecture

SOURCE = "Mur et al. 2013, doi 10.3389/fpsyg.2013.00128"


def class_contrast(matrix: Tensor, labels: Tensor) -> float:
    """The mean dissimilarity between classes less that within, of an RDM (B, B) and the class of each stimulus (B,).

    Raises:
        ConfigError: no two stimuli are of one class, or all are.
    """
    same = labels[:, None] == labels[None, :]
    within = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    if not within.any() or same.all():
        raise ConfigError(
            f"labels: class contrast needs two samples of one class and two classes, got {labels.tolist()};"
            " use a larger batch"
        )
    return float(matrix[~same].mean() - matrix[within].mean())


def _register(name: str, layers: slice) -> None:
    def value(candidate: Candidate) -> Measured:
        grams = candidate.measured(RATE_GRAM)
        found = [
            class_contrast(rdm(grams[node], "correlation"), candidate.labels)
            for node in spatial_layers(candidate.architecture)[layers]
        ]
        diagnostics = candidate.health()
        return Measured(sum(found) / len(found), diagnostics)

    PROXIES.register(name, Proxy(name, SOURCE, _bounds, (RATE_GRAM, COUNTS), value))


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    # Correlation distances are 0 .. 2.
    return -2.0, 2.0


_register("rdm_class_contrast", slice(None))
_register("rdm_class_contrast_last", slice(-1, None))
