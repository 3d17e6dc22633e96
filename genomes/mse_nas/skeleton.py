"""What all networks of MSE-NAS share: stem, chain of motifs and reductions, adapters, readout; and how it is drawn.

Pan et al., arXiv 2304.10749, as in the authors' release (BrainCog, commit 3998fd5). What a motif reads and writes are
currents; whatever reads a current does so through a layer of neurons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genomes.architecture import INPUT, Architecture, Draft, InputSpec
from genomes.canvas import Canvas
from genomes.errors import IllegalGeneError
from genomes.meso import INPUT as FIRST
from genomes.meso import Motif, MotifEdge
from genomes.micro import Kernel, Neuron
from genomes.operations import BareConvolution, Convolution, Identity, Operation, Shift, Zero

NEURON = Neuron("lif", v_threshold=0.5, tau=2.0, reset="hard")
"""The one neuron of all networks."""

STEM = 3
"""Width of the stem, and of a reduction's output, in widths of a motif."""

EVENT_REDUCTIONS = (1, 3, 5, 7)
"""The layers that reduce in networks for event frames."""

SizedMotif = tuple[Motif, Sequence[int]]
"""A motif and the kernel size of each of its convolutions."""


@dataclass(frozen=True)
class Skeleton:
    """`n_layers` layers, some of which halve the resolution and double the width; the others hold a motif each.

    A motif is `channels` wide before the first reduction. For event frames the layers 1, 3, 5 and 7 reduce, for images
    (not `for_events`) those at a quarter, a half and three quarters of the depth.

    Raises:
        IllegalGeneError: an odd width; a depth that leaves no layer for a motif.
    """

    input: InputSpec
    n_layers: int
    channels: int
    for_events: bool

    def __post_init__(self) -> None:
        if self.channels < 2 or self.channels % 2:
            raise IllegalGeneError(
                f"space.channels: expected an even number above 0, reductions have equal halves, got {self.channels}"
            )
        if not self.motif_layers:
            raise IllegalGeneError(
                f"space.layers: expected a depth that leaves a layer for a motif, got {self.n_layers}"
            )

    @property
    def reductions(self) -> frozenset[int]:
        """The layers that reduce."""
        quarters = [quarter * self.n_layers // 4 for quarter in (1, 2, 3)]
        return frozenset(range(self.n_layers)) & set(EVENT_REDUCTIONS if self.for_events else quarters)

    @property
    def motif_layers(self) -> tuple[int, ...]:
        """The layers that hold a motif."""
        return tuple(layer for layer in range(self.n_layers) if layer not in self.reductions)

    def draw(
        self, motifs: Mapping[int, SizedMotif], *, n_predecessors: int, as_released: bool
    ) -> Architecture:
        """The architecture whose motif layers hold `motifs` and read the `n_predecessors` layers before them.

        Where fewer precede, the stem is read several times, each time through an adapter of its own. `as_released`
        gives each convolution neurons of its own and keeps feedback, always excitatory, within the time step.
        """
        canvas = _Canvas(as_released=as_released)
        channels, level = self.channels, 0
        stem = canvas.join([INPUT], Convolution(Kernel(3), channels=STEM * channels))
        layers = [(stem, level)] * n_predecessors
        for layer in range(self.n_layers):
            read = layers[-n_predecessors:]
            if layer in self.reductions:
                channels, level = 2 * channels, level + 1
                output = canvas.reduced(read[-1][0], STEM * channels)
            else:
                inputs = [canvas.adapted(node, channels, halvings=level - at) for node, at in read]
                output = canvas.motif(inputs, *motifs[layer], channels=channels)
            layers.append((output, level))
        return canvas.architecture(self.input, outputs=[canvas.fired(layers[-1][0])])


class _Canvas(Canvas):
    """A canvas with the parts of a network of this kind. A node is a current unless `fired` says that it is spikes."""

    def __init__(self, *, as_released: bool) -> None:
        super().__init__()
        self.as_released = as_released
        self._fired: dict[int, int] = {}

    def fired(self, current: int) -> int:
        """The spikes that `current` drives: for each reader anew as released, else one layer of neurons for all."""
        if self.as_released:
            return self.spikes(current, NEURON)
        if current not in self._fired:
            self._fired[current] = self.spikes(current, NEURON)
        return self._fired[current]

    def reduced(self, current: int, channels: int) -> int:
        """Half the resolution: two convolutions with batch norm, stacked, the second on spikes moved by a pixel."""
        fired = self.fired(current)
        half = Convolution(Kernel(3), channels=channels // 2, stride=2)
        node = self.add(Draft("concatenate"))
        self.connect(fired, node, half)
        self.connect(self.join([fired], Shift(1)), node, half)
        return node

    def adapted(self, current: int, channels: int, *, halvings: int) -> int:
        """`current` brought to the width of a motif and to a resolution `halvings` halvings lower."""
        if not halvings:
            return self.join([self.fired(current)], Convolution(Kernel(1), channels=channels))
        halve = BareConvolution(3, channels=channels, stride=2)
        return self.through(self.reduced(current, channels), *[halve] * (halvings - 1))

    def motif(self, inputs: Sequence[int], motif: Motif, kernels: Sequence[int], *, channels: int) -> int:
        """The output of `motif` that reads `inputs`: its populations, stacked."""
        current = {FIRST - i: node for i, node in enumerate(inputs)}
        current |= {i: self.add(Draft("add")) for i in range(len(motif.nodes))}
        sizes = iter(kernels)
        edges = [(edge, next(sizes) if edge.sign else 0) for edge in motif.edges]
        # In the order of the release: a population, then what it feeds back, then the next population.
        for edge, size in sorted(edges, key=lambda e: (e[0].source, 1) if e[0].delay else (e[0].target, 0)):
            at_once = self.as_released and edge.delay > 0
            source, operation = current[edge.source], _operation(edge, size, channels, excites=at_once)
            if edge.sign:
                source = self.fired(source)
            if at_once:
                # Who has read the target already has missed this; the sum replaces it for all others.
                current[edge.target] = self.join([current[edge.target]], Identity())
            self.connect(source, current[edge.target], operation, delay=0 if at_once else edge.delay)
        outputs = [current[i] for i in motif.outputs]
        if self.as_released:
            return self.stacked(outputs)
        stack = self.stacked([self.fired(output) for output in outputs])
        self._fired[stack] = stack
        return stack


def _operation(edge: MotifEdge, size: int, channels: int, *, excites: bool) -> Operation:
    """What an edge of a motif does; with `excites` its sign is lost."""
    if edge.absent:
        return Zero()
    if not edge.sign:
        return Identity()
    return Convolution(Kernel(size), channels=channels, sign=1 if excites else edge.sign)
