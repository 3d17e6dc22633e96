"""The genome: everything evolution varies, at three scales, as one frozen value.

Slots are numbered 1, 2, ... through all stages; 0 stands for the stem. A slot reads any non-empty set of earlier slots;
feedback runs from a later slot to an earlier one and takes one time step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from genomes.attention import ATTENTIONS
from genomes.codec import ADDED_LATER
from genomes.errors import IllegalGeneError
from genomes.meso import MOTIFS
from genomes.micro import Kernel, Neuron

MERGES = ("add", "concatenate", "dense_add")
STRIDES = (1, 2)


@dataclass(frozen=True)
class Merge:
    """How a slot joins several inputs.

    "concatenate" stacks the spikes of the predecessors. "add" sends each through a 1 x 1 convolution and sums the
    currents in one more layer of neurons, `neuron`. "dense_add" sums the spikes as they are, with no neuron on the sum;
    a predecessor of another width, or of several populations stacked, whose channels have no order to add up by, goes
    through a 1 x 1 convolution first.

    The last is our reading of the densely additive connection of Li, Lei and Yang, "Rethinking Residual Connection in
    Training Large-Scale Spiking Neural Networks", arXiv 2311.05171, whose formula is not known to us, for spikes: how
    densely slots add is a matter of the wiring. For currents, in stacks of fixed wiring, see `genomes.units`.
    """

    rule: str
    neuron: Neuron | None = None

    def __post_init__(self) -> None:
        if self.rule not in MERGES:
            raise IllegalGeneError(f"merge: rule must be one of {', '.join(MERGES)}, got {self.rule!r}")
        if (self.rule == "add") != (self.neuron is not None):
            raise IllegalGeneError(
                f"merge: rule '{self.rule}' {'needs a' if self.rule == 'add' else 'has no'} neuron"
            )


@dataclass(frozen=True)
class Slot:
    """One place of the macro graph: its motif (meso), its neurons and kernels (micro), what it reads (macro).

    `neurons` has one entry per population of the motif and `kernels` one per edge, in the motif's order. `merge` is
    None for a slot with a single predecessor, which it reads directly. With `attention`, a name of `genomes.attention`,
    the summed current of every population of the motif goes through a spatial attention of its own; such a slot lies on
    no feedback cycle.
    """

    motif: str
    neurons: tuple[Neuron, ...]
    kernels: tuple[Kernel, ...]
    predecessors: tuple[int, ...]
    merge: Merge | None = None
    attention: str | None = field(default=None, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        motif = MOTIFS.get(self.motif)
        if len(self.neurons) != len(motif.nodes):
            raise IllegalGeneError(
                f"slot: motif '{self.motif}' has {len(motif.nodes)} populations, got {len(self.neurons)} neurons"
            )
        if len(self.kernels) != len(motif.edges):
            raise IllegalGeneError(
                f"slot: motif '{self.motif}' has {len(motif.edges)} edges, got {len(self.kernels)} kernels"
            )
        if not self.predecessors or list(self.predecessors) != sorted(set(self.predecessors)):
            raise IllegalGeneError(
                f"slot: predecessors must be sorted, distinct, not empty, got {self.predecessors}"
            )
        if (len(self.predecessors) > 1) != (self.merge is not None):
            raise IllegalGeneError(f"slot: {len(self.predecessors)} predecessors, got merge {self.merge}")
        if self.attention is not None:
            ATTENTIONS.get(self.attention)


@dataclass(frozen=True)
class Stage:
    """Slots of one resolution and one width (channels)."""

    width: int
    slots: tuple[Slot, ...]

    def __post_init__(self) -> None:
        if self.width < 4 or self.width % 4:
            # A quarter of it, the width of an interneuron, must be whole.
            raise IllegalGeneError(f"stage: width must be a multiple of 4 channels, got {self.width}")


@dataclass(frozen=True)
class Stem:
    """The layer that turns the input into spikes; `stride` 2 halves the resolution at once."""

    neuron: Neuron
    kernel: Kernel
    stride: int

    def __post_init__(self) -> None:
        if self.stride not in STRIDES:
            raise IllegalGeneError(f"stem: stride must be 1 or 2, got {self.stride}")


@dataclass(frozen=True)
class Genome:
    """A whole genotype. `feedback` holds (source slot, target slot) pairs, source later than target, sorted.

    Raises:
        IllegalGeneError: wiring that points outside the graph or the wrong way.
    """

    stem: Stem
    stages: tuple[Stage, ...]
    feedback: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        n = self.n_slots
        if not n:
            raise IllegalGeneError("genome: at least one slot is needed, got none")
        for k, slot in enumerate(self.slots(), start=1):
            if slot.predecessors[0] < 0 or slot.predecessors[-1] >= k:
                raise IllegalGeneError(f"genome: slot {k} can read 0..{k - 1}, got {slot.predecessors}")
        if list(self.feedback) != sorted(set(self.feedback)):
            raise IllegalGeneError(f"genome: feedback must be sorted and distinct, got {self.feedback}")
        for source, target in self.feedback:
            if not 1 <= target < source <= n:
                raise IllegalGeneError(
                    f"genome: feedback runs from a later slot to an earlier one of 1..{n}, got {source} to {target}"
                )

    @property
    def n_slots(self) -> int:
        """Number of slots in all stages."""
        return sum(len(stage.slots) for stage in self.stages)

    def slots(self) -> Iterator[Slot]:
        """The slots in order of number, starting with slot 1."""
        for stage in self.stages:
            yield from stage.slots
