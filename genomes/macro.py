"""The macro scale: edits of the graph between slots that keep a genome well-formed.

Every function returns a new genome; slots stay numbered 1, 2, ... and every slot keeps at least one predecessor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from genomes.genome import Genome, Merge, Slot, Stage
from genomes.graph import components
from genomes.meso import MOTIFS


def with_slot(genome: Genome, number: int, slot: Slot) -> Genome:
    """The genome with slot `number` replaced."""
    slots = list(genome.slots())
    slots[number - 1] = slot
    return _rebuilt(genome, slots)


def with_width(genome: Genome, stage: int, width: int) -> Genome:
    """The genome with another width in stage `stage` (0-based)."""
    stages = list(genome.stages)
    stages[stage] = replace(stages[stage], width=width)
    return replace(genome, stages=tuple(stages))


def with_predecessors(slot: Slot, predecessors: set[int], *, merge: Callable[[], Merge]) -> Slot:
    """The slot reading other predecessors; `merge` is asked for a rule when a second one joins the first."""
    rule = None if len(predecessors) < 2 else slot.merge or merge()
    return replace(slot, predecessors=tuple(sorted(predecessors)), merge=rule)


def stage_of(genome: Genome, number: int) -> int:
    """The stage (0-based) of slot `number`."""
    for s, stage in enumerate(genome.stages):
        number -= len(stage.slots)
        if number <= 0:
            return s
    raise IndexError(number)


def last_slot(genome: Genome, stage: int) -> int:
    """The number of the last slot of stage `stage`."""
    return sum(len(s.slots) for s in genome.stages[: stage + 1])


def off_cycles(genome: Genome) -> set[int]:
    """The slots on no feedback cycle, neither within their motif nor between slots."""
    edges = [(k, number) for number, slot in enumerate(genome.slots(), start=1) for k in slot.predecessors]
    groups = components(genome.n_slots + 1, [*edges, *genome.feedback])
    straight = {group[0] for group in groups if len(group) == 1}
    return {k for k, slot in enumerate(genome.slots(), start=1) if k in straight and not _loops(slot.motif)}


def _loops(name: str) -> bool:
    motif = MOTIFS.get(name)
    edges = [(edge.source, edge.target) for edge in motif.edges if edge.source >= 0]
    groups = components(len(motif.nodes), edges)
    return len(groups) < len(motif.nodes) or any(source == target for source, target in edges)


def settled(genome: Genome) -> Genome:
    """The genome without attention on feedback cycles, where no slot can wait for all time steps."""
    if not any(slot.attention for slot in genome.slots()):
        return genome
    legal = off_cycles(genome)
    slots = [
        slot if number in legal else replace(slot, attention=None)
        for number, slot in enumerate(genome.slots(), start=1)
    ]
    return _rebuilt(genome, slots)


def shortened(genome: Genome, sources: Callable[[int], range]) -> Genome:
    """The genome with every edge that reaches farther back than it may moved to the farthest slot in reach.

    `sources` gives the slots that a slot of that number can read.
    """
    slots = []
    for number, slot in enumerate(genome.slots(), start=1):
        read = {max(k, sources(number).start) for k in slot.predecessors}
        merge = slot.merge if len(read) > 1 else None
        slots.append(replace(slot, predecessors=tuple(sorted(read)), merge=merge))
    return _rebuilt(genome, slots)


def with_another_slot(genome: Genome, stage: int, slot: Slot) -> Genome:
    """The genome with `slot` put at the end of a stage, between the slot before it and the one that follows."""
    new = last_slot(genome, stage) + 1
    slots = [_renumbered(old, lambda k: k + (k >= new)) for old in genome.slots()]
    if new <= len(slots) and new - 1 in slots[new - 1].predecessors:
        after = slots[new - 1]
        slots[new - 1] = replace(
            after, predecessors=tuple(new if k == new - 1 else k for k in after.predecessors)
        )
    slots.insert(new - 1, replace(slot, predecessors=(new - 1,), merge=None))
    feedback = tuple((a + (a >= new), b + (b >= new)) for a, b in genome.feedback)
    sizes = [len(s.slots) + (i == stage) for i, s in enumerate(genome.stages)]
    return _assembled(genome, slots, sizes, feedback)


def without_slot(genome: Genome, number: int) -> Genome:
    """The genome without slot `number`; a slot that read only that one reads what it read."""
    removed = list(genome.slots())[number - 1]
    slots = []
    for other, slot in enumerate(genome.slots(), start=1):
        if other == number:
            continue
        kept = set(slot.predecessors) - {number}
        if kept:
            slot = replace(
                slot, predecessors=tuple(sorted(kept)), merge=slot.merge if len(kept) > 1 else None
            )
        else:
            slot = replace(slot, predecessors=removed.predecessors, merge=removed.merge)
        slots.append(_renumbered(slot, lambda k: k - (k > number)))
    feedback = tuple((a - (a > number), b - (b > number)) for a, b in genome.feedback if number not in (a, b))
    stage = stage_of(genome, number)
    sizes = [len(s.slots) - (i == stage) for i, s in enumerate(genome.stages)]
    return _assembled(genome, slots, sizes, feedback)


def with_another_stage(genome: Genome, *, width: int, slot: Slot) -> Genome:
    """The genome with one more stage of a single slot, which reads the last slot."""
    last = replace(slot, predecessors=(genome.n_slots,), merge=None)
    return replace(genome, stages=(*genome.stages, Stage(width, (last,))))


def without_last_stage(genome: Genome) -> Genome:
    """The genome without its last stage."""
    kept = genome.n_slots - len(genome.stages[-1].slots)
    feedback = tuple(pair for pair in genome.feedback if pair[0] <= kept)
    return replace(genome, stages=genome.stages[:-1], feedback=feedback)


def _renumbered(slot: Slot, number: Callable[[int], int]) -> Slot:
    return replace(slot, predecessors=tuple(number(k) for k in slot.predecessors))


def _rebuilt(genome: Genome, slots: list[Slot]) -> Genome:
    return _assembled(genome, slots, [len(s.slots) for s in genome.stages], genome.feedback)


def _assembled(
    genome: Genome, slots: list[Slot], sizes: list[int], feedback: tuple[tuple[int, int], ...]
) -> Genome:
    stages, start = [], 0
    for stage, size in zip(genome.stages, sizes, strict=True):
        if size:
            stages.append(replace(stage, slots=tuple(slots[start : start + size])))
        start += size
    return replace(genome, stages=tuple(stages), feedback=tuple(sorted(feedback)))
