"""The meso scale: circuit motifs, small signed graphs that fill the slots of a genome.

The five motifs are the circuit elements of Luo, "Architectures of neuronal circuits", Science 373 (2021) eabg7285,
Fig. 2: feed-forward excitation, feed-forward inhibition, feedback inhibition, lateral inhibition, mutual inhibition. An
interneuron is itself driven by excitation and only its outgoing synapses inhibit (Dale's law); what closes a loop
arrives one time step late. To add a motif, register one more entry at the foot of this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from genomes.registry import Registry

INPUT = -1
"""The index of the slot's input; a motif with several inputs has them at -1, -2, ..."""


@dataclass(frozen=True)
class MotifNode:
    """A population of the motif; `share` is its width as a fraction of the slot's width."""

    name: str
    share: Fraction = Fraction(1)


@dataclass(frozen=True)
class MotifEdge:
    """A link between two populations; `delay` is 0 or 1 time step.

    `sign` +1 excites and -1 inhibits, through a convolution; 0 hands the current on as it is. An edge that is `absent`
    carries nothing, though a published table lists it.
    """

    source: int
    target: int
    sign: int
    delay: int = 0
    absent: bool = False


@dataclass(frozen=True)
class Motif:
    """A signed circuit; `outputs` are the populations whose spikes leave the slot.

    In the motifs of `MOTIFS` these are together as wide as the slot, and macro feedback reaches the first population.
    """

    name: str
    nodes: tuple[MotifNode, ...]
    edges: tuple[MotifEdge, ...]
    outputs: tuple[int, ...]

    def width(self, node: int, *, slot_width: int) -> int:
        """Channels of population `node` in a slot of `slot_width` channels (at least 1)."""
        share = self.nodes[node].share
        return max(1, share.numerator * slot_width // share.denominator)


MOTIFS: Registry[Motif] = Registry("motif")


SIGNS = {">": 1, "-": -1, "=": 0, "~": 0}
"""The links of the wiring language: excites, inhibits, hands on, is absent."""


def wired(
    name: str, populations: Mapping[str, Fraction], wiring: str, *, inputs: str = "in", outputs: str
) -> Motif:
    """A motif from its wiring, such as ``"in>P P>I I-P@1"``: a link of `SIGNS` between two names, ``@1`` is late.

    Raises:
        ValueError: a word that is no edge.
    """
    index = {population: i for i, population in enumerate(populations)}
    index |= {source: INPUT - i for i, source in enumerate(inputs.split())}
    edges = []
    for word in wiring.split():
        parts = re.fullmatch(r"(\w+)([>=~-])(\w+?)(?:@([01]))?", word)
        if parts is None:
            raise ValueError(f"motif '{name}': '{word}' is no edge such as 'in>P' or 'I-P@1'")
        source, link, target, delay = parts.groups(default="0")
        edges.append(MotifEdge(index[source], index[target], SIGNS[link], int(delay), absent=link == "~"))
    nodes = tuple(MotifNode(population, share) for population, share in populations.items())
    return Motif(name, nodes, tuple(edges), tuple(index[p] for p in outputs.split()))


def _motif(name: str, populations: Mapping[str, Fraction], wiring: str, *, outputs: str) -> None:
    """Register a motif; see `wired`."""
    MOTIFS.register(name, wired(name, populations, wiring, outputs=outputs))


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
