"""The meso scale: circuit motifs, small signed graphs that fill the slots of a genome.

The five motifs are the circuit elements of Luo, "Architectures of neuronal circuits", Science 373 (2021) eabg7285,
Fig. 2: feed-forward excitation, feed-forward inhibition, feedback inhibition, lateral inhibition, mutual inhibition. An
interneuron is itself driven by excitation and only its outgoing synapses inhibit (Dale's law); what closes a loop
arrives one time step late. To add a motif, register one more entry at the foot of this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from genomes.registry import Registry

INPUT = -1
"""The source index of an edge that comes from the slot's input."""


@dataclass(frozen=True)
class MotifNode:
    """A population of the motif; `share` is its width as a fraction of the slot's width."""

    name: str
    share: Fraction = Fraction(1)


@dataclass(frozen=True)
class MotifEdge:
    """A signed synapse between two populations: `sign` is +1 or -1, `delay` is 0 or 1 time step."""

    source: int
    target: int
    sign: int
    delay: int = 0


@dataclass(frozen=True)
class Motif:
    """A signed circuit; `outputs` are the populations whose spikes leave the slot, together as wide as the slot.

    The first population is the one that macro feedback reaches.
    """

    name: str
    nodes: tuple[MotifNode, ...]
    edges: tuple[MotifEdge, ...]
    outputs: tuple[int, ...]

    def width(self, node: int, *, slot_width: int) -> int:
        """Channels of population `node` in a slot of `slot_width` channels (at least 1)."""
        return max(1, int(self.nodes[node].share * slot_width))


MOTIFS: Registry[Motif] = Registry("motif")


def _motif(name: str, populations: dict[str, Fraction], wiring: str, outputs: str) -> None:
    """Register a motif from its wiring, e.g. ``"in>P P>I I-P@1"``: ``>`` excites, ``-`` inhibits, ``@1`` is late."""
    index = {"in": INPUT, **{p: i for i, p in enumerate(populations)}}
    edges = []
    for word in wiring.split():
        link, _, delay = word.partition("@")
        source, sign, target = link.partition(">" if ">" in link else "-")
        edges.append(MotifEdge(index[source], index[target], 1 if sign == ">" else -1, int(delay or 0)))
    nodes = tuple(MotifNode(population, share) for population, share in populations.items())
    motif = Motif(name, nodes, tuple(edges), tuple(index[p] for p in outputs.split()))
    MOTIFS.register(name, motif)


_WHOLE, _HALF, _QUARTER = Fraction(1), Fraction(1, 2), Fraction(1, 4)

_motif(
    "feedforward_excitation",
    {"A": _WHOLE, "B": _WHOLE},
    "in>A A>B",
    outputs="B",
)
_motif(
    "feedforward_inhibition",
    {"P": _WHOLE, "I": _QUARTER},
    "in>P in>I I-P",
    outputs="P",
)
_motif(
    "feedback_inhibition",
    {"P": _WHOLE, "I": _QUARTER},
    "in>P P>I I-P@1",
    outputs="P",
)
_motif(
    "lateral_inhibition",
    {"P": _HALF, "Q": _HALF, "I": _QUARTER},
    "in>P in>Q P>I I-Q",
    outputs="P Q",
)
_motif(
    "mutual_inhibition",
    {"P": _HALF, "Q": _HALF, "I": _QUARTER, "J": _QUARTER},
    "in>P in>Q in>I in>J I-J@1 J-I@1 I-P J-Q",
    outputs="P Q",
)
