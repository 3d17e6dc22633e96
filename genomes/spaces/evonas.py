"""The default space: multi-scale genomes of motifs in stages, with any forward wiring and delayed feedback."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from genomes.architecture import Architecture, InputSpec
from genomes.attention import ATTENTIONS
from genomes.codec import ADDED_LATER
from genomes.decoding import decode
from genomes.errors import IllegalGeneError
from genomes.gene_space import GeneSpace, among
from genomes.genes import genes
from genomes.genome import MERGES, STRIDES, Genome, Merge, Slot, Stage, Stem
from genomes.macro import off_cycles, settled
from genomes.meso import MOTIFS
from genomes.micro import NEURON_MODELS, RESETS, Kernel, Neuron
from genomes.neuron_choice import check_neuron, sample_neuron
from genomes.space import SPACES, Gene
from genomes.variation import pick

P_CHAIN = 0.8
"""Chance that a sampled slot reads the one before it."""

P_SKIP = 0.15
"""Chance of each longer forward edge in a sampled genome."""

P_ATTENTION = 0.5
"""Chance that a sampled slot has attention, where the space offers any and the slot lies off every feedback cycle."""


@dataclass(frozen=True)
class EvonasSpace(GeneSpace[Genome]):
    """All genomes of `min_stages` to `max_stages` stages of 1 to `max_slots` slots.

    Stage s (0-based) is base_width x 2^s x one of `width_factors` channels wide and works at half the resolution of
    the stage before. A slot reads at most `max_predecessors` earlier slots, none more than `max_reach` back (0: any, 1:
    the one before it alone); at most `max_feedback` feedback edges, of any length, run from a later slot to an earlier
    one. Thresholds suit currents of unit variance; `taus` are in time steps. `attention` are the variants of spatial
    attention that a slot off every feedback cycle can have; without any there is no such gene.
    """

    input: InputSpec
    base_width: int = 16
    width_factors: tuple[float, ...] = (1.0, 1.5, 2.0)
    min_stages: int = 2
    max_stages: int = 3
    max_slots: int = 2
    max_predecessors: int = 3
    max_feedback: int = 2
    stem_strides: tuple[int, ...] = (1, 2)
    motifs: tuple[str, ...] = (
        "feedback_inhibition",
        "feedforward_excitation",
        "feedforward_inhibition",
        "lateral_inhibition",
        "mutual_inhibition",
    )
    models: tuple[str, ...] = ("if", "lif", "plif", "alif")
    thresholds: tuple[float, ...] = (0.25, 0.5, 0.75)
    taus: tuple[float, ...] = (1.5, 2.0, 3.0)
    resets: tuple[str, ...] = RESETS
    kernel_sizes: tuple[int, ...] = (1, 3, 5, 7)
    separable: bool = True
    merges: tuple[str, ...] = ("add", "concatenate")
    attention: tuple[str, ...] = ()
    max_reach: int = field(default=0, metadata=ADDED_LATER)

    name: ClassVar[str] = "evonas"
    genome_type: ClassVar[type] = Genome

    def __post_init__(self) -> None:
        for option, low in (
            ("base_width", 4),
            ("min_stages", 1),
            ("max_stages", self.min_stages),
            ("max_slots", 1),
            ("max_predecessors", 1),
            ("max_feedback", 0),
            ("max_reach", 0),
        ):
            if getattr(self, option) < low:
                raise IllegalGeneError(
                    f"space.{option}: expected at least {low}, got {getattr(self, option)}"
                )
        for option, legal, expected in (
            (
                "width_factors",
                lambda x: 4 <= self.base_width * x < math.inf,
                "factors that leave 4 channels or more",
            ),
            ("stem_strides", lambda x: x in STRIDES, "1 or 2"),
            ("thresholds", lambda x: 0 < x < math.inf, "numbers above 0"),
            ("taus", lambda x: 1 < x < math.inf, "time steps above 1"),
            ("resets", lambda x: x in RESETS, f"some of {', '.join(RESETS)}"),
            ("kernel_sizes", lambda x: x > 0 and x % 2 == 1, "odd sizes"),
            ("motifs", MOTIFS.get, "names of motifs"),
            ("models", NEURON_MODELS.get, "names of neuron models"),
            ("merges", lambda x: x in MERGES, f"some of {', '.join(MERGES)}"),
            ("attention", ATTENTIONS.get, "names of attentions"),
        ):
            values = getattr(self, option)
            if not values and option != "attention":
                raise IllegalGeneError(f"space.{option}: expected at least one value, got none")
            if not all(map(legal, values)):
                raise IllegalGeneError(
                    f"space.{option}: expected {expected}, got {', '.join(map(str, values))}"
                )
        side = min(self.input.shape[1:])
        if side // max(self.stem_strides) // 2 ** (self.max_stages - 1) < 1:
            raise IllegalGeneError(
                f"space.max_stages: {self.max_stages} stages and a stem stride of {max(self.stem_strides)} leave"
                f" nothing of {side} x {side} inputs; lower space.max_stages or space.stem_strides"
            )

    # sampling -------------------------------------------------------------------------------------------------------

    def sample(self, *, rng: np.random.Generator) -> Genome:
        """A random genome: parts uniform, wiring mostly a chain with a few longer edges."""
        n_stages = int(rng.integers(self.min_stages, self.max_stages + 1))
        stages, number = [], 0
        for s in range(n_stages):
            slots = []
            for _ in range(int(rng.integers(1, self.max_slots + 1))):
                number += 1
                slots.append(self.sample_slot(number, rng))
            stages.append(Stage(pick(self.widths(s), rng), tuple(slots)))
        pairs = self.feedback_pairs(number)
        n_feedback = min(int(rng.integers(self.max_feedback + 1)), len(pairs))
        chosen = rng.permutation(len(pairs))[:n_feedback]
        stem = Stem(self.sample_neuron(rng), pick(self.kernels(), rng), pick(self.stem_strides, rng))
        return settled(Genome(stem, tuple(stages), tuple(sorted(pairs[int(i)] for i in chosen))))

    def widths(self, stage: int) -> tuple[int, ...]:
        """The channel counts that stage `stage` can have, multiples of 4."""
        quarters = {round(self.base_width * 2**stage * factor / 4) for factor in self.width_factors}
        return tuple(4 * quarter for quarter in sorted(quarters))

    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels that a synapse can have."""
        full = [Kernel(size) for size in self.kernel_sizes]
        depthwise = (
            [Kernel(size, separable=True) for size in self.kernel_sizes if size > 1] if self.separable else []
        )
        return tuple(full + depthwise)

    def sources(self, number: int) -> range:
        """The slots, 0 for the stem, that slot `number` can read."""
        return range(max(0, number - self.max_reach) if self.max_reach else 0, number)

    def feedback_pairs(self, n_slots: int) -> list[tuple[int, int]]:
        return [(a, b) for a in range(1, n_slots + 1) for b in range(1, a)]

    def sample_neuron(self, rng: np.random.Generator) -> Neuron:
        return sample_neuron(self, rng)

    def sample_merge(self, rng: np.random.Generator) -> Merge:
        # Counted from the end: the two rules that came first are drawn as they were before there was a third.
        return self.merge(self.merges[-1 - int(rng.random() * len(self.merges))], rng)

    def merge(self, rule: str, rng: np.random.Generator) -> Merge:
        """The merge of `rule`, its neuron drawn where it has one."""
        return Merge(rule, self.sample_neuron(rng) if rule == "add" else None)

    def sample_slot(self, number: int, rng: np.random.Generator) -> Slot:
        chances = {k: P_CHAIN if k == number - 1 else P_SKIP for k in self.sources(number)}
        read = [k for k, chance in chances.items() if rng.random() < chance] or [number - 1]
        read = read[-self.max_predecessors :]
        merge = self.sample_merge(rng) if len(read) > 1 else None
        motif = pick(self.motifs, rng)
        neurons, kernels = self.parts(motif, rng)
        attention = pick(self.attention, rng) if self.attention and rng.random() < P_ATTENTION else None
        return Slot(motif, neurons, kernels, tuple(read), merge, attention)

    def parts(
        self, motif: str, rng: np.random.Generator, *, like: Slot | None = None
    ) -> tuple[tuple[Neuron, ...], tuple[Kernel, ...]]:
        """Neurons and kernels for `motif`: those of `like` as far as they go, drawn beyond."""
        n_neurons, n_kernels = len(MOTIFS.get(motif).nodes), len(MOTIFS.get(motif).edges)
        neurons = list(like.neurons if like else ())[:n_neurons]
        kernels = list(like.kernels if like else ())[:n_kernels]
        neurons += [self.sample_neuron(rng) for _ in range(n_neurons - len(neurons))]
        kernels += [pick(self.kernels(), rng) for _ in range(n_kernels - len(kernels))]
        return tuple(neurons), tuple(kernels)

    # variation ------------------------------------------------------------------------------------------------------

    def genes(self, genome: Genome) -> list[Gene[Genome]]:
        """Every gene of `genome` that has an alternative in this space."""
        return genes(self, genome)

    def crossover(self, first: Genome, second: Genome, *, rng: np.random.Generator) -> Genome:
        """A child with the wiring of `first` (macro) that takes parts of `second` at each scale.

        Stage by stage the width, slot by slot the motif with its parts and its attention (meso), or, where both have
        the same motif, each neuron and kernel (micro) and the attention, come from either parent with equal chance.
        Attention that the wiring does not allow is dropped.
        """

        def coin() -> bool:
            return bool(rng.random() < 0.5)

        stem = Stem(
            pick((first.stem.neuron, second.stem.neuron), rng),
            pick((first.stem.kernel, second.stem.kernel), rng),
            pick((first.stem.stride, second.stem.stride), rng),
        )
        stages = []
        for s, stage in enumerate(first.stages):
            other = second.stages[s] if s < len(second.stages) else stage
            slots = []
            for slot, theirs in zip(
                stage.slots, (*other.slots, *stage.slots[len(other.slots) :]), strict=False
            ):
                if slot.motif == theirs.motif:
                    neurons = tuple(
                        pick(pair, rng) for pair in zip(slot.neurons, theirs.neurons, strict=True)
                    )
                    kernels = tuple(
                        pick(pair, rng) for pair in zip(slot.kernels, theirs.kernels, strict=True)
                    )
                    slot = replace(slot, neurons=neurons, kernels=kernels)
                    if self.attention and coin():
                        slot = replace(slot, attention=theirs.attention)
                elif coin():
                    slot = replace(theirs, predecessors=slot.predecessors, merge=slot.merge)
                slots.append(slot)
            stages.append(Stage(other.width if coin() else stage.width, tuple(slots)))
        return settled(Genome(stem, tuple(stages), first.feedback))

    # reading --------------------------------------------------------------------------------------------------------

    def draw(self, genome: Genome) -> Architecture:
        """The architecture of `genome`."""
        return decode(genome, input_spec=self.input)

    def check(self, genome: Genome) -> None:
        """Refuse a genome outside this space.

        Raises:
            IllegalGeneError: the first gene with a value that the space does not offer.
        """
        among("stages", len(genome.stages), tuple(range(self.min_stages, self.max_stages + 1)))
        among("stem stride", genome.stem.stride, self.stem_strides)
        among("stem kernel", genome.stem.kernel, self.kernels())
        check_neuron(self, "stem", genome.stem.neuron)
        among("number of feedback edges", len(genome.feedback), tuple(range(self.max_feedback + 1)))
        for s, stage in enumerate(genome.stages):
            among(f"stage {s} width", stage.width, self.widths(s))
            among(f"stage {s} slots", len(stage.slots), tuple(range(1, self.max_slots + 1)))
        for number, slot in enumerate(genome.slots(), start=1):
            among(f"slot {number} motif", slot.motif, self.motifs)
            among(f"slot {number} inputs", len(slot.predecessors), tuple(range(1, self.max_predecessors + 1)))
            for source in slot.predecessors:
                among(f"slot {number} predecessor", source, self.sources(number))
            if slot.merge:
                among(f"slot {number} merge", slot.merge.rule, self.merges)
            among(f"slot {number} attention", slot.attention, (None, *self.attention))
            if slot.attention and number not in off_cycles(genome):
                raise IllegalGeneError(
                    f"slot {number}: attention needs all time steps at once, so the slot must lie off every feedback"
                    f" cycle; take the attention, the feedback or the motif '{slot.motif}' away"
                )
            for neuron in (*slot.neurons, *([slot.merge.neuron] if slot.merge and slot.merge.neuron else [])):
                check_neuron(self, f"slot {number}", neuron)
            for kernel in slot.kernels:
                among(f"slot {number} kernel", kernel, self.kernels())

    def summary(self, genome: Genome) -> list[str]:
        """The genome in words, one line for the stem and one per slot."""
        stem = genome.stem
        lines = [f"stem: {stem.kernel} stride {stem.stride}, {stem.neuron}"]
        number = 0
        for s, stage in enumerate(genome.stages):
            for slot in stage.slots:
                number += 1
                read = " + ".join("stem" if k == 0 else f"slot {k}" for k in slot.predecessors)
                merge = f" ({slot.merge.rule})" if slot.merge else ""
                back = [f"slot {a}" for a, b in genome.feedback if b == number]
                feedback = f", feedback from {' and '.join(back)}" if back else ""
                kernels = " ".join(map(str, slot.kernels))
                attention = f" with attention '{slot.attention}'" if slot.attention else ""
                lines.append(
                    f"slot {number}: {slot.motif}{attention}, stage {s}, {stage.width} channels,"
                    f" reads {read}{merge}{feedback}; {kernels}; {'; '.join(map(str, slot.neurons))}"
                )
        return lines


SPACES.register("evonas", EvonasSpace)
