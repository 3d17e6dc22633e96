"""Every gene of a multi-scale genome: what can vary alone at each scale, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from genomes.genome import Genome, Merge, Slot
from genomes.macro import (
    last_slot,
    off_cycles,
    settled,
    shortened,
    with_another_slot,
    with_another_stage,
    with_predecessors,
    with_slot,
    with_width,
    without_last_stage,
    without_slot,
)
from genomes.micro import Kernel, Neuron
from genomes.neuron_choice import neuron_genes, others
from genomes.space import Gene
from genomes.variation import pick

if TYPE_CHECKING:
    from genomes.spaces.evonas import EvonasSpace

T = TypeVar("T")


def genes(space: EvonasSpace, genome: Genome) -> list[Gene[Genome]]:
    """Every gene of `genome` that has an alternative in this space, macro first."""
    found = [*_macro_genes(space, genome), *_stem_genes(space, genome)]
    for number, slot in enumerate(genome.slots(), start=1):
        found += _slot_genes(space, genome, number, slot)
    if space.attention:
        found += _attention_genes(space, genome)
    varying = [gene for gene in found if gene.alternatives]
    if not space.attention:
        return varying
    return [replace(gene, change=_settling(gene.change)) for gene in varying]


def _settling(
    change: Callable[[Any, np.random.Generator], Genome],
) -> Callable[[Any, np.random.Generator], Genome]:
    return lambda value, rng: settled(change(value, rng))


def _attention_genes(space: EvonasSpace, genome: Genome) -> list[Gene[Genome]]:
    """One gene per slot off every feedback cycle: no attention, or a variant."""
    legal = off_cycles(genome)
    found = []
    for number, slot in enumerate(genome.slots(), start=1):

        def change_attention(
            variant: str | None, rng: np.random.Generator, number: int = number, slot: Slot = slot
        ) -> Genome:
            return with_slot(genome, number, replace(slot, attention=variant))

        variants = others((None, *space.attention), slot.attention) if number in legal else ()
        found.append(Gene("meso", f"slot {number} attention", slot.attention, variants, change_attention))
    return found


def _macro_genes(space: EvonasSpace, genome: Genome) -> list[Gene[Genome]]:
    n_stages = len(genome.stages)

    def change_stages(n: int, rng: np.random.Generator) -> Genome:
        if n < n_stages:
            return without_last_stage(genome)
        slot = space.sample_slot(genome.n_slots + 1, rng)
        return with_another_stage(genome, width=pick(space.widths(n_stages), rng), slot=slot)

    legal = [n for n in (n_stages - 1, n_stages + 1) if space.min_stages <= n <= space.max_stages]
    found = [Gene("macro", "stages", n_stages, tuple(legal), change_stages)]
    for s, stage in enumerate(genome.stages):

        def change_width(width: int, rng: np.random.Generator, s: int = s) -> Genome:
            return with_width(genome, s, width)

        def change_slots(n: int, rng: np.random.Generator, s: int = s) -> Genome:
            if n < len(genome.stages[s].slots):
                changed = without_slot(genome, last_slot(genome, s))
            else:
                changed = with_another_slot(genome, s, space.sample_slot(last_slot(genome, s) + 1, rng))
            return shortened(changed, space.sources)

        n_slots = len(stage.slots)
        legal = [n for n in (n_slots - 1, n_slots + 1) if 1 <= n <= space.max_slots]
        found.append(Gene("macro", f"stage {s} slots", n_slots, tuple(legal), change_slots))
        found.append(
            Gene(
                "macro",
                f"stage {s} width",
                stage.width,
                others(space.widths(s), stage.width),
                change_width,
            )
        )
    return [*found, *_wiring_genes(space, genome)]


def _wiring_genes(space: EvonasSpace, genome: Genome) -> list[Gene[Genome]]:
    """One gene per possible edge between slots: present or not."""
    found = []
    for target, slot in enumerate(genome.slots(), start=1):
        for source in space.sources(target):
            read = set(slot.predecessors) ^ {source}

            def change_edge(
                _: bool,
                rng: np.random.Generator,
                target: int = target,
                slot: Slot = slot,
                read: set[int] = read,
            ) -> Genome:
                merge = lambda: space.sample_merge(rng)  # noqa: E731
                return with_slot(genome, target, with_predecessors(slot, read, merge=merge))

            present = source in slot.predecessors
            legal = (not present,) if 1 <= len(read) <= space.max_predecessors else ()
            found.append(Gene("macro", f"edge {source} to {target}", present, legal, change_edge))
    for pair in space.feedback_pairs(genome.n_slots):
        edges = tuple(sorted(set(genome.feedback) ^ {pair}))

        def change_feedback(
            _: bool, rng: np.random.Generator, edges: tuple[tuple[int, int], ...] = edges
        ) -> Genome:
            return replace(genome, feedback=edges)

        present = pair in genome.feedback
        legal = (not present,) if len(edges) <= max(space.max_feedback, len(genome.feedback)) else ()
        found.append(Gene("macro", f"feedback {pair[0]} to {pair[1]}", present, legal, change_feedback))
    return found


def _stem_genes(space: EvonasSpace, genome: Genome) -> list[Gene[Genome]]:
    stem = genome.stem

    def set_stem(**field: Any) -> Genome:
        return replace(genome, stem=replace(stem, **field))

    return [
        Gene(
            "macro",
            "stem stride",
            stem.stride,
            others(space.stem_strides, stem.stride),
            lambda stride, rng: set_stem(stride=stride),
        ),
        Gene(
            "micro",
            "stem kernel",
            stem.kernel,
            others(space.kernels(), stem.kernel),
            lambda kernel, rng: set_stem(kernel=kernel),
        ),
        *neuron_genes(space, "stem", stem.neuron, lambda neuron: set_stem(neuron=neuron)),
    ]


def _slot_genes(space: EvonasSpace, genome: Genome, number: int, slot: Slot) -> list[Gene[Genome]]:
    def put(**field: Any) -> Genome:
        return with_slot(genome, number, replace(slot, **field))

    def change_motif(motif: str, rng: np.random.Generator) -> Genome:
        neurons, kernels = space.parts(motif, rng, like=slot)
        return put(motif=motif, neurons=neurons, kernels=kernels)

    def change_merge(rule: str, rng: np.random.Generator) -> Genome:
        return put(merge=space.merge(rule, rng))

    name = f"slot {number}"
    found = [Gene("meso", f"{name} motif", slot.motif, others(space.motifs, slot.motif), change_motif)]
    if slot.merge:
        rules = others(space.merges, slot.merge.rule)
        found.append(Gene("macro", f"{name} merge", slot.merge.rule, rules, change_merge))
        if slot.merge.neuron:
            found += neuron_genes(
                space, f"{name} merge", slot.merge.neuron, lambda neuron: put(merge=Merge("add", neuron))
            )
    for i, neuron in enumerate(slot.neurons):

        def put_neuron(new: Neuron, i: int = i) -> Genome:
            return put(neurons=_with(slot.neurons, i, new))

        found += neuron_genes(space, f"{name} neuron {i}", neuron, put_neuron)
    kernels = space.kernels()
    for i, kernel in enumerate(slot.kernels):

        def put_kernel(new: Kernel, rng: np.random.Generator, i: int = i) -> Genome:
            return put(kernels=_with(slot.kernels, i, new))

        found.append(Gene("micro", f"{name} kernel {i}", kernel, others(kernels, kernel), put_kernel))
    return found


def _with(parts: tuple[T, ...], index: int, part: T) -> tuple[T, ...]:
    return (*parts[:index], part, *parts[index + 1 :])
