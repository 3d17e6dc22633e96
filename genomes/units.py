"""Stacks of convolution units and the rules that connect them: plain, SEW, MS, densely additive, stacking, none.

With F a unit's convolutions, CB a convolution with batch norm, SN a layer of neurons, o spikes and m currents, a unit
of two convolutions is

    none         o = SN(CB(SN(CB(o'))))                      the control
    plain        o = SN(CB(SN(CB(o'))) + o')                 spiking ResNet, as Fang et al. 2021 describe it
    sew          o = SN(CB(SN(CB(o')))) + o'                 Fang et al., NeurIPS 2021 (arXiv 2102.04159), ADD
    ms           m = m' + CB(SN(CB(SN(m'))))                 Hu et al. 2021 (arXiv 2112.08954)
    dense_add    m = m' + CB(SN(m')), for each convolution   after DANet, Li et al. 2023 (arXiv 2311.05171)
    concatenate  as none, reading the last two units stacked

`dense_add` is our reading of that paper's title and abstract, not its definition: its body was not available. We take
"densely additive" to mean that every convolution is bridged, not every unit: its result is added to the latest signal
of the same shape within the unit, and no neuron stands on the sum. Unrolled, x_l = x_0 + sum of F_i(x_{i-1}) over all
convolutions before l: the wiring of a DenseNet with addition for stacking. In a bottleneck the narrow convolution so
gets a shortcut of its own beside the unit's. Where a unit is a single convolution, `dense_add` and `ms` are the same.

A unit that changes the shape bridges with a 1 x 1 CB of stride 2; `sew` puts an SN behind it; between currents an
average pool does the halving, in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from genomes.architecture import INPUT, Architecture, InputSpec
from genomes.canvas import Canvas
from genomes.micro import Kernel, Neuron
from genomes.operations import AveragePool, Convolution, Identity, MaxPool, Operation, Shape
from genomes.registry import Registry


@dataclass(frozen=True)
class Layer:
    """A convolution with batch norm, `expansion` times as wide as its stage."""

    kernel: Kernel
    expansion: int = 1


@dataclass(frozen=True)
class Unit:
    """Convolutions in a row; the one of index `strided` halves the resolution where a stage begins."""

    layers: tuple[Layer, ...]
    strided: int = 0


UNITS: Registry[Unit] = Registry("unit")
UNITS.register("residual", Unit((Layer(Kernel(3)), Layer(Kernel(3)))))
UNITS.register("vgg", Unit((Layer(Kernel(3)),)))
# No neuron and no norm between the depthwise and the 1 x 1 part, as everywhere in this engine: a layer of neurons in
# between would see one channel each, and the unit would spend two time constants on one spatial convolution.
UNITS.register("depthwise", Unit((Layer(Kernel(3, separable=True)),)))
UNITS.register(
    "bottleneck", Unit((Layer(Kernel(1)), Layer(Kernel(3)), Layer(Kernel(1), expansion=4)), strided=1)
)


@dataclass(frozen=True)
class Connection:
    """What leaves a unit and what its shortcuts bridge.

    With `currents` every convolution reads a layer of neurons of its own and currents are handed on; otherwise every
    convolution drives a layer of neurons and spikes are handed on. `bridges` is what one shortcut spans, "unit" or
    "convolution", None for no shortcuts; between spikes `sum_fires` tells whether the neurons stand behind the sum or
    in the branch. A unit reads the last `reads` units, stacked.
    """

    currents: bool = False
    bridges: str | None = None
    sum_fires: bool = False
    reads: int = 1

    def within(self, unit: Unit, *, n_units: int) -> Connection:
        """What the rule amounts to in a network of `n_units`: rules that come to the same are equal."""
        one = self.bridges == "convolution" and len(unit.layers) == 1
        return replace(self, bridges="unit" if one else self.bridges, reads=min(self.reads, n_units))


CONNECTIONS: Registry[Connection] = Registry("connection")
CONNECTIONS.register("none", Connection())
CONNECTIONS.register("plain", Connection(bridges="unit", sum_fires=True))
CONNECTIONS.register("sew", Connection(bridges="unit"))
CONNECTIONS.register("ms", Connection(currents=True, bridges="unit"))
CONNECTIONS.register("dense_add", Connection(currents=True, bridges="convolution"))
CONNECTIONS.register("concatenate", Connection(reads=2))


@dataclass(frozen=True)
class Stem:
    """The first convolution, as wide as the first stage, and a max pool behind it; 1 pools nothing."""

    kernel: Kernel
    stride: int
    pool: int


STEMS: Registry[Stem] = Registry("stem")
STEMS.register("small", Stem(Kernel(3), stride=1, pool=1))
# He et al. 2016 pool 3 x 3 windows with stride 2; windows here do not overlap, and parameters are the same.
STEMS.register("imagenet", Stem(Kernel(7), stride=2, pool=2))


def draw_stack(
    input_spec: InputSpec,
    *,
    stem: Stem,
    stages: Sequence[tuple[int, int]],
    unit: Unit,
    connection: Connection,
    neuron: Neuron,
) -> Architecture:
    """The architecture of a stem and `stages`, given as (width, number of units); each halves the resolution.

    Currents pass a last layer of neurons before the readout.

    Raises:
        IllegalGeneError: the input is too small for the number of stages.
    """
    canvas = _ShapedCanvas(input_spec.shape)
    convolution = Convolution(stem.kernel, channels=stages[0][0], stride=stem.stride)
    signal = canvas.join([INPUT], convolution, neuron=None if connection.currents else neuron)
    if stem.pool > 1:
        signal = canvas.through(signal, MaxPool(stem.pool))
    recent = [signal]
    for s, (width, n_units) in enumerate(stages):
        for u in range(n_units):
            stride = 2 if s and not u else 1
            if connection.reads > 1 and stride > 1:
                recent, stride = [canvas.through(node, MaxPool(stride)) for node in recent], 1
            entry = canvas.stacked(recent) if len(recent) > 1 else recent[0]
            signal = _draw_unit(canvas, entry, unit, connection, width=width, stride=stride, neuron=neuron)
            recent = [*recent, signal][-connection.reads :]
    if connection.currents:
        signal = canvas.spikes(signal, neuron)
    return canvas.architecture(input_spec, outputs=[signal])


class _ShapedCanvas(Canvas):
    """A canvas that knows the shape of every node."""

    def __init__(self, input_shape: Shape) -> None:
        super().__init__()
        self.shapes = [input_shape]

    def join(
        self,
        sources: Sequence[int],
        operation: Operation,
        *,
        neuron: Neuron | None = None,
        merge: str = "add",
    ) -> int:
        """A new node that reads each of `sources` through `operation`."""
        brought = [operation.out_shape(self.shapes[source]) for source in sources]
        channels = sum(shape[0] for shape in brought) if merge == "concatenate" else brought[0][0]
        self.shapes.append((channels, *brought[0][1:]))
        return super().join(sources, operation, neuron=neuron, merge=merge)


def _draw_unit(
    canvas: _ShapedCanvas,
    entry: int,
    unit: Unit,
    connection: Connection,
    *,
    width: int,
    stride: int,
    neuron: Neuron,
) -> int:
    """Draw one unit behind the node `entry`; returns the node that leaves."""
    operations = [
        Convolution(layer.kernel, channels=width * layer.expansion, stride=stride if i == unit.strided else 1)
        for i, layer in enumerate(unit.layers)
    ]
    shape = canvas.shapes[entry]
    for operation in operations:
        shape = operation.out_shape(shape)
    bridged: dict[Shape, int] = {}  # where a shortcut to a result of that shape begins
    if connection.bridges:
        bridged[shape] = _reshaped(canvas, entry, shape, connection, stride=stride, neuron=neuron)
    signal = entry
    for operation in operations:
        read = canvas.spikes(signal, neuron) if connection.currents else signal
        shape = operation.out_shape(canvas.shapes[read])
        has_shortcut = connection.bridges == "convolution" or operation is operations[-1]
        earlier = bridged.get(shape) if has_shortcut else None
        signal = canvas.join([read], operation, neuron=None if connection.currents else neuron)
        if earlier is not None and (connection.currents or connection.sum_fires):
            canvas.connect(earlier, signal, Identity())
        elif earlier is not None:
            signal = canvas.join([signal, earlier], Identity())
        if connection.bridges == "convolution":
            bridged[shape] = signal
    return signal


def _reshaped(
    canvas: _ShapedCanvas, entry: int, shape: Shape, connection: Connection, *, stride: int, neuron: Neuron
) -> int:
    """A node of shape `shape` from which the unit's shortcut begins: `entry` itself where it has that shape."""
    if canvas.shapes[entry] == shape:
        return entry
    if connection.currents and stride > 1:
        # Padded windows of 3 where a side is odd: they leave as many places as a convolution of stride 2 does.
        odd = any(side % 2 for side in canvas.shapes[entry][1:])
        entry, stride = canvas.through(entry, AveragePool(3 if odd else 2, stride)), 1
    adapted = canvas.join([entry], Convolution(Kernel(1), channels=shape[0], stride=stride))
    return adapted if connection.currents or connection.sum_fires else canvas.spikes(adapted, neuron)
