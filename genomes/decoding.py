"""From genome to architecture: each slot's motif drawn as nodes and signed synapses, then made canonical."""

from __future__ import annotations

from collections.abc import Sequence

from genomes.architecture import INPUT, Architecture, Draft, InputSpec
from genomes.canvas import Canvas
from genomes.genome import Genome, Merge, Slot
from genomes.meso import INPUT as SLOT_INPUT
from genomes.meso import MOTIFS
from genomes.micro import Kernel
from genomes.operations import Convolution, Identity, MaxPool, Resize, SpatialAttention

ADAPTER = Kernel(1)
"""The kernel of an adapter, the unsigned synapse that brings a signal to another width."""


def decode(genome: Genome, *, input_spec: InputSpec) -> Architecture:
    """The architecture of a genome.

    - The stem is an unsigned convolution of the input into a layer of neurons, as wide as the first stage.
    - A slot reads its predecessors' spikes, max-pooled to its own resolution, and joins them by its merge rule.
    - Within a slot the motif is drawn with one signed synapse per edge; its outputs are stacked.
    - In a slot with attention each population is a sum of currents, and the attention leads from it to the neurons.
    - Macro feedback is an adapter with a delay of one time step into the first population of the target's motif.
    - The readout reads every slot (or stem) that no other slot reads.

    Raises:
        IllegalGeneError: the input is too small for the number of stages; a slot with attention on a feedback cycle.
    """
    canvas = _StageCanvas()
    stem = canvas.add(Draft("add", genome.stem.neuron))
    first_width = genome.stages[0].width
    canvas.connect(
        INPUT, stem, Convolution(genome.stem.kernel, channels=first_width, stride=genome.stem.stride)
    )
    outputs, entries, stage_of = [stem], [stem], [0]
    slots, widths = list(genome.slots()), [first_width]
    for s, stage in enumerate(genome.stages):
        for slot in stage.slots:
            sources = [canvas.pooled(outputs[k], 2 ** (s - stage_of[k])) for k in slot.predecessors]
            alike = [_adds_up(slots[k - 1] if k else None, widths[k], stage.width) for k in slot.predecessors]
            entry, output = _draw_slot(canvas, slot, sources, alike=alike, width=stage.width)
            entries.append(entry)
            outputs.append(output)
            stage_of.append(s)
            widths.append(stage.width)
    side = input_spec.shape[1:]
    sides = [tuple((n - 1) // genome.stem.stride + 1 >> s for n in side) for s in range(len(genome.stages))]
    for source, target in genome.feedback:
        adapter = Convolution(ADAPTER, channels=_entry_width(genome, target, stage_of[target]))
        if stage_of[source] == stage_of[target]:
            canvas.connect(outputs[source], entries[target], adapter, delay=1)
        else:
            height, width = sides[stage_of[target]]
            coarse = canvas.add(Draft("add"))
            canvas.connect(outputs[source], coarse, adapter)
            canvas.connect(coarse, entries[target], Resize(height, width), delay=1)
    read = {k for slot in genome.slots() for k in slot.predecessors}
    ends = [outputs[k] for k in range(len(outputs)) if k not in read]
    return canvas.architecture(input_spec, outputs=ends)


class _StageCanvas(Canvas):
    """A canvas that pools a signal once, however many slots of coarser stages read it."""

    def __init__(self) -> None:
        super().__init__()
        self._pooled: dict[tuple[int, int], int] = {}

    def pooled(self, source: int, size: int) -> int:
        """`source` max-pooled by `size`."""
        if size == 1:
            return source
        if (source, size) not in self._pooled:
            self._pooled[source, size] = self.join([source], MaxPool(size))
        return self._pooled[source, size]


def _draw_slot(
    canvas: Canvas, slot: Slot, sources: Sequence[int], *, alike: Sequence[bool], width: int
) -> tuple[int, int]:
    """Draw one slot that reads `sources`; returns the node that feedback enters and the output."""
    entry = _merged(canvas, slot.merge, sources, alike=alike, width=width)
    motif = MOTIFS.get(slot.motif)
    currents = populations = [canvas.add(Draft("add", neuron)) for neuron in slot.neurons]
    if slot.attention:
        currents = [canvas.add(Draft("add")) for _ in slot.neurons]
        for current, population in zip(currents, populations, strict=True):
            canvas.connect(current, population, SpatialAttention(slot.attention))
    for edge, kernel in zip(motif.edges, slot.kernels, strict=True):
        source = entry if edge.source == SLOT_INPUT else populations[edge.source]
        channels = motif.width(edge.target, slot_width=width)
        operation = Convolution(kernel, channels=channels, sign=edge.sign)
        canvas.connect(source, currents[edge.target], operation, delay=edge.delay)
    outputs = [populations[i] for i in motif.outputs]
    return currents[0], canvas.stacked(outputs)


def _merged(
    canvas: Canvas, merge: Merge | None, sources: Sequence[int], *, alike: Sequence[bool], width: int
) -> int:
    """Draw how a slot joins what it reads; returns the node that it reads then. `alike` are those that add up as is."""
    adapter = Convolution(ADAPTER, channels=width)
    if merge and merge.rule == "add":
        return canvas.join(sources, adapter, neuron=merge.neuron)
    if merge and merge.rule == "dense_add":
        total = canvas.add(Draft("add"))
        for source, adds_up in zip(sources, alike, strict=True):
            canvas.connect(source, total, Identity() if adds_up else adapter)
        return total
    return canvas.stacked(sources)


def _adds_up(slot: Slot | None, own: int, width: int) -> bool:
    """Whether the spikes of `slot`, the stem if None, `own` channels wide, can be added as they are at `width`.

    The channels of several populations, stacked, have no order that a sum could go by.
    """
    return own == width and (slot is None or len(MOTIFS.get(slot.motif).outputs) == 1)


def _entry_width(genome: Genome, number: int, stage: int) -> int:
    """Channels of the population of slot `number` that feedback enters."""
    motif = MOTIFS.get(list(genome.slots())[number - 1].motif)
    return motif.width(0, slot_width=genome.stages[stage].width)
