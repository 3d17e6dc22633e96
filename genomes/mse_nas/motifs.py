"""The wiring tables of MSE-NAS (Pan et al., arXiv 2304.10749): as released, and corrected.

A motif has 2 or 3 inputs, from i0, the oldest predecessor, to the newest; its populations A, B, D, E, F are equally
wide, and all of them leave it, stacked. The release (BrainCog, commit 3998fd5) numbers the motifs 0 to 5; the
names are read off the wiring. What is corrected, and why, is in `CORRECTIONS`.
"""

from __future__ import annotations

from fractions import Fraction

from genomes.meso import Motif, wired

NAMES = (
    "zero_map",
    "feedforward_excitation",
    "feedforward_inhibition",
    "feedback_inhibition",
    "lateral_inhibition",
    "mutual_inhibition",
)
"""The motifs in the order of their numbers in the release."""

PREDECESSORS = (2, 3)
"""How many preceding outputs the motifs of a network can read."""

CORRECTIONS: dict[str, str] = {
    "driven interneurons": (
        "With three inputs, B of feed-forward and of mutual inhibition is fed by -A alone: its current is never"
        " positive, it never fires, and its inhibition is a constant. In feedback inhibition with two inputs B is"
        " inhibited by the population that it is to sense. An interneuron that nothing excites is excited by what it is"
        " to sense: A>B, and for mutual inhibition, where A and B inhibit each other, i0>B. Where the release drives it"
        " by a current that is handed on, as B of feed-forward inhibition with two inputs, nothing is changed; there"
        " and in feedback inhibition with two inputs a population can excite one and inhibit another."
    ),
    "feedback keeps its sign": (
        "Decoding takes feedback from the first two of four operations, both excitatory, so that feedback inhibition"
        " excites. Feedback of an interneuron inhibits, through a convolution with a kernel of its own: handed on as it"
        " is, the current of a B that is excited would excite."
    ),
    "feedback takes a time step": (
        "Feedback is added within the time step to a current that has been read already, so that it is one more path"
        " forward and nothing ever returns. It arrives one time step late."
    ),
    "inhibition in every motif named after it": (
        "With two inputs, lateral and mutual inhibition have excitatory edges only. They get those of their names: the"
        " shared D inhibits E and F, and A and B inhibit each other."
    ),
    "no zero edges": (
        "Edges that multiply by zero are gone, and with them motif 0, which has no others: before a reduction, which"
        " reads one layer only, it cuts the network in two."
    ),
    "no inert genes": (
        "Of 121 genes at most 40 act: reduction layers ignore their 20, gene 19 of a layer is never read, edges without"
        " a convolution have a gene. Only motif layers have genes: the motif, and one kernel for each convolution,"
        " feedback included."
    ),
    "colour": (
        "The stem for images reads one channel and refuses colour. Here, in both forms, it is a 3x3 convolution of what"
        " the input has."
    ),
    "one layer of neurons for each population": (
        "Every convolution has neurons of its own before it. Those that read the same current fire alike; they are"
        " computed once, and counted once."
    ),
}
"""Where the default departs from the release, and why."""


def _table(tables: dict[int, dict[str, str]]) -> dict[tuple[str, int], Motif]:
    """The motifs by name and number of inputs."""
    found = {}
    for n_inputs, wirings in tables.items():
        inputs = [f"i{k}" for k in range(n_inputs)]
        for name, wiring in wirings.items():
            populations = {p: Fraction(1) for p in "ABDEF" if p in wiring}
            outputs = " ".join(populations)
            found[name, n_inputs] = wired(name, populations, wiring, inputs=" ".join(inputs), outputs=outputs)
    return found


RELEASED = _table(
    {
        2: {
            "zero_map": "i0~A i1~A",
            "feedforward_excitation": "i0>A i1>A i0=B A>B",
            "feedforward_inhibition": "i0>A i1>A i0=B A-B A>D B-D",
            "feedback_inhibition": "i0>A i1>A i0=B A-B i0=D B>D B=A@1 D>B@1",
            "lateral_inhibition": "i0>A i1>A i0>B i1>B A>D B>D i0=E D>E i0=F D>F",
            "mutual_inhibition": "i0>A i1>A i0=B A>B B=A@1",
        },
        3: {
            "zero_map": "i0~A i1~A i2~A",
            "feedforward_excitation": "i0>A i1>A i2>A i0~B A>B i1~B",
            "feedforward_inhibition": "i0>A i1>A i2>A i0~B A-B i1~B A>D B-D i1~D",
            "feedback_inhibition": "i0>A i1>A i2>A i0~B A>B i1~B i0~D A>D i1~D B-A@1 D~i2@1",
            "lateral_inhibition": "i0>A i1>A i2>A i0>B i1>B i2>B i0~D A>D B>D i0~E A>E D-E i0~F B>F D-F",
            "mutual_inhibition": "i0>A i1>A i2>A i0~B i1~B A-B B=A@1",
        },
    }
)
"""As written in the release, in its order, which numbers the genes; ``@1`` marks what it calls feedback."""

CORRECTED = _table(
    {
        2: {
            "feedforward_excitation": "i0>A i1>A i0=B A>B",
            "feedforward_inhibition": "i0>A i1>A i0=B A-B A>D B-D",
            "feedback_inhibition": "i0>A i1>A i0=B A>B i0=D B>D B-A@1 D>B@1",
            "lateral_inhibition": "i0>A i1>A i0>B i1>B A>D B>D i0=E D-E i0=F D-F",
            "mutual_inhibition": "i0>A i1>A i0=B A-B B-A@1",
        },
        3: {
            "feedforward_excitation": "i0>A i1>A i2>A A>B",
            "feedforward_inhibition": "i0>A i1>A i2>A A>B A>D B-D",
            "feedback_inhibition": "i0>A i1>A i2>A A>B A>D B-A@1",
            "lateral_inhibition": "i0>A i1>A i2>A i0>B i1>B i2>B A>D B>D A>E D-E B>F D-F",
            "mutual_inhibition": "i0>A i1>A i2>A i0>B A-B B-A@1",
        },
    }
)
"""The default of the space."""


def convolutions(motif: Motif) -> tuple[str, ...]:
    """The edges of a motif that have a kernel, in words such as "A to B" and in the motif's order."""

    def name(node: int) -> str:
        return motif.nodes[node].name if node >= 0 else f"i{-1 - node}"

    return tuple(f"{name(e.source)} to {name(e.target)}" for e in motif.edges if e.sign)
