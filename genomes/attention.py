"""Advance spatial attention: which parts of a current it scales, by name.

Yao et al., "Inherent Redundancy in Spiking Neural Networks", ICCV 2023, arXiv 2308.08227: the maps (one channel at one
step) of a sample are an important set and the rest, and each set has a spatial map of its own. What is important, and
how the maps come about, is in `evonas.snn.attention`.
"""

from __future__ import annotations

from dataclasses import dataclass

from genomes.registry import Registry

SETS = ("important", "rest")
"""The two sets into which the maps of a sample fall."""


@dataclass(frozen=True)
class Attention:
    """A variant: the sets of `gated` are scaled by a learnt map, what is in no such set by the constant `otherwise`."""

    gated: tuple[str, ...]
    otherwise: float


ATTENTIONS: Registry[Attention] = Registry("attention")
ATTENTIONS.register("asa", Attention(SETS, otherwise=1.0))
ATTENTIONS.register("asa_important", Attention(("important",), otherwise=1.0))
ATTENTIONS.register("asa_rest", Attention(("rest",), otherwise=1.0))
# The control: neurons fire less for smaller currents alone, and the maps start around a half.
ATTENTIONS.register("half", Attention((), otherwise=0.5))
