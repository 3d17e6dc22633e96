"""Advance spatial attention: scales the summed currents of a population before its neurons integrate them.

Yao et al., "Inherent Redundancy in Spiking Neural Networks", ICCV 2023, arXiv 2308.08227. X (T, B, C, H, W) are the
currents of the whole sequence. For each sample, with A and M the mean and the maximum of X over space (T, B, C):

    D = (A + M) / 2 + alpha A + beta M             what a map, one channel at one step, looks like
    R = w_1 D_{t-1} + w_2 D_t + w_3 D_{t+1}        its score
    P = g(R - q_C) g(R - q_T), Q = 1 - P           how far it is important, and how far it is of the rest
    F_P = sigmoid(conv3x3([mean_P(X), max(P X)]))  a map over space for each set, and the same for Q
    Y = F_P P X + F_Q Q X

q_C is the score that the share `SHARE` of the channels of a step exceed, q_T that which this share of the steps of a
channel exceed, g(r) = sigmoid(r / `TEMPERATURE`), mean_P the mean weighted with P over channels and steps.

It departs from the authors' code (BICLab/ASA-SNN, models/module/Attn.py) where that does not do what the paper asks:

- The sets are those of each sample; there an index runs over the batch, and a sample's output depends on its mates.
- The gate g is soft, so that the score learns; there it is a top-k, through which no gradient comes. It is also
  continuous, so that sums taken in another order, as in a batch of another size, do not move a map between the sets.
- A map is important if it is high among the channels and among the steps; there, if it is one but not the other.
- The score mixes neighbouring steps, not all T with all T: an architecture must know its parameters without knowing T.
- The score starts as D itself and not at random, so that important means strong until training says otherwise.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genomes.attention import ATTENTIONS
from genomes.operations import SpatialAttention

SHARE = 0.5
"""lambda: the share of channels, and of steps, that counts as high; the authors' default."""

TEMPERATURE = 0.1
"""Width of the gate, in units of the current, whose standard deviation batch norm makes 1 at first."""


class AttentionSynapse(nn.Module):
    """A `genomes.operations.SpatialAttention`; `rng` draws the convolutions over space.

    They are uniform within 1 / sqrt(18), as in the authors' code: the maxima that they read are several standard
    deviations high, and with the wider He-normal weights most sigmoids would start saturated.
    """

    def __init__(self, operation: SpatialAttention, *, rng: np.random.Generator) -> None:
        super().__init__()
        variant = ATTENTIONS.get(operation.variant)
        self.otherwise = variant.otherwise
        self.maps = nn.ParameterDict({part: _map_weight(rng) for part in variant.gated})
        if variant.gated:
            self.alpha = nn.Parameter(torch.tensor(0.5))
            self.beta = nn.Parameter(torch.tensor(0.5))
            self.over_time = nn.Parameter(torch.tensor([0.0, 1.0, 0.0]))

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        """The currents `x` (T, B, C, H, W), each multiplied by a factor between 0 and 1."""
        if not self.maps:
            return x * self.otherwise
        important = self._important(x)
        rest_factor = self._factor("rest", 1.0 - important, x)
        return x * (rest_factor + important * (self._factor("important", important, x) - rest_factor))

    def _important(self, x: Tensor) -> Tensor:
        """P (T, B, C, 1, 1) in the dtype of `x`."""
        mean = x.mean((3, 4), dtype=torch.float32)
        peak = x.amax((3, 4)).float()
        described = (0.5 + self.alpha) * mean + (0.5 + self.beta) * peak
        before, now, after = self.over_time
        padded = F.pad(described, (0, 0, 0, 0, 1, 1))
        score = before * padded[:-2] + now * padded[1:-1] + after * padded[2:]
        high = [
            torch.sigmoid((score - score.quantile(1.0 - SHARE, dim=dim, keepdim=True)) / TEMPERATURE)
            for dim in (0, 2)
        ]
        return (high[0] * high[1])[..., None, None].to(x.dtype)

    def _factor(self, part: str, weight: Tensor, x: Tensor) -> Tensor:
        """What multiplies one part of `x`, to which each map belongs by its `weight`: (B, 1, H, W), or a number."""
        if part not in self.maps:
            return x.new_tensor(self.otherwise)
        weighted = weight * x
        described = torch.stack([weighted.sum((0, 2)) / weight.sum((0, 2)), weighted.amax(2).amax(0)], dim=1)
        return torch.sigmoid(F.conv2d(described, self.maps[part], padding=1))


def _map_weight(rng: np.random.Generator) -> nn.Parameter:
    bound = 18**-0.5
    return nn.Parameter(torch.from_numpy(rng.uniform(-bound, bound, (1, 2, 3, 3)).astype(np.float32)))
