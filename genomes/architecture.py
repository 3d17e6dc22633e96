"""The decoded blueprint of a network: typed nodes and synapses with shapes, no weights, canonical.

A node joins the signals of its incoming synapses, by addition or by stacking channels, and either fires (it has a
neuron, its output is 0 or 1) or hands the result on. Node 0 is the input. The readout averages the output nodes over
time and space, stacks them and applies one linear layer to `voters` outputs per class, whose mean is the class's logit.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from genomes.drawing import INPUT, Draft, Drawing, Synapse, shapes
from genomes.errors import IllegalGeneError
from genomes.graph import canonical_order, components, levels, reachable
from genomes.micro import NEURON_MODELS, Neuron
from genomes.operations import CONVOLUTIONS, Shape

BYTES = 4
"""Bytes of one stored number (32-bit float)."""


@dataclass(frozen=True)
class InputSpec:
    """What enters and what is asked for: shape of one image or event frame (C, H, W) and number of classes.

    Raises:
        IllegalGeneError: a size below 1.
    """

    shape: Shape
    n_classes: int

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or self.n_classes < 1:
            raise IllegalGeneError(
                f"input: shape and n_classes must be 1 or more, got {self.shape}, {self.n_classes}"
            )


@dataclass(frozen=True)
class Node:
    """`merge` is "input", "add" or "concatenate"; `shape` is (C, H, W); `neuron` is None for a node that hands on."""

    merge: str
    shape: Shape
    neuron: Neuron | None = None


@dataclass(frozen=True)
class Architecture:
    """A canonical blueprint, made by `canonical`; nodes are in topological order of the edges without delay."""

    input: InputSpec
    nodes: tuple[Node, ...]
    synapses: tuple[Synapse, ...]
    outputs: tuple[int, ...]
    voters: int = 1

    @cached_property
    def id(self) -> str:
        """Identifies the architecture, never its weights: equal ids mean equal blueprints (SHA-256, 64 bits)."""
        voters = () if self.voters == 1 else (self.voters,)
        text = repr((self.input, self.nodes, self.synapses, self.outputs, *voters))
        return "a" + hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def incoming(self) -> tuple[tuple[int, ...], ...]:
        """For each node the indices of its incoming synapses."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for i, synapse in enumerate(self.synapses):
            found[synapse.target].append(i)
        return tuple(map(tuple, found))

    @cached_property
    def schedule(self) -> tuple[tuple[int, ...], ...]:
        """Groups of nodes in order of execution; a group of several, or one that feeds itself, is a feedback cycle."""
        edges = [(s.source, s.target) for s in self.synapses]
        return tuple(tuple(group) for group in components(len(self.nodes), edges))

    @cached_property
    def spiking(self) -> tuple[int, ...]:
        """The nodes that fire."""
        return tuple(i for i, node in enumerate(self.nodes) if node.neuron)

    @cached_property
    def binary(self) -> tuple[bool, ...]:
        """For each node whether its output is 0 or 1: it fires, or stacks or pools what fires without adding."""
        found: list[bool] = []
        for i, node in enumerate(self.nodes):
            into = [self.synapses[s] for s in self.incoming[i]]
            apart = node.merge == "concatenate" or len(into) == 1
            passed = apart and all(
                s.source < i and found[s.source] and s.operation.keeps_spikes for s in into
            )
            found.append(node.neuron is not None or (i != INPUT and passed))
        return tuple(found)

    @cached_property
    def static(self) -> tuple[bool, ...]:
        """For each node whether a still input gives it a still output.

        So it is where no neuron, no delay and no operation that treats time steps differently is on any way to it.
        """
        found = [True]
        for i, node in enumerate(self.nodes[1:], start=1):
            into = [self.synapses[s] for s in self.incoming[i]]
            same = [s for s in into if not s.delay and not s.operation.needs_sequence]
            still = len(same) == len(into) and all(s.source < i and found[s.source] for s in same)
            found.append(not node.neuron and still)
        return tuple(found)

    @cached_property
    def weight_keys(self) -> tuple[str, ...]:
        """A name for the first weights of each synapse, shared by architectures that have the same synapse.

        It says operation, shapes, and which one of its like it is, in canonical order.
        """
        seen: Counter[str] = Counter()
        keys = []
        for synapse in self.synapses:
            source, target = self.nodes[synapse.source].shape, self.nodes[synapse.target].shape
            kind = f"{synapse.operation!r} {source} {target}"
            keys.append(f"{kind} {seen[kind]}")
            seen[kind] += 1
        return tuple(keys)

    @property
    def n_features(self) -> int:
        """Width of the readout's input."""
        return sum(self.nodes[i].shape[0] for i in self.outputs)

    @property
    def n_voters(self) -> int:
        """Width of the readout's output."""
        return self.voters * self.input.n_classes

    @cached_property
    def n_parameters(self) -> int:
        """Learnable numbers: convolutions, batch norms, readout, learnt time constants; not neuron constants."""
        synapses = sum(s.operation.n_parameters(self.nodes[s.source].shape) for s in self.synapses)
        neurons = sum(NEURON_MODELS.get(n.neuron.model).n_parameters for n in self.nodes if n.neuron)
        return synapses + neurons + (self.n_features + 1) * self.n_voters

    def macs(self, synapse: Synapse) -> int:
        """Multiply-accumulates of one synapse in one time step, were every input non-zero."""
        return sum(synapse.operation.macs(self.nodes[synapse.source].shape))

    @cached_property
    def macs_per_step(self) -> int:
        """Multiply-accumulates of one time step, encoding included; the readout acts once per inference."""
        return sum(map(self.macs, self.synapses))

    @cached_property
    def n_neurons(self) -> int:
        """Neurons in all spiking nodes."""
        return sum(c * h * w for c, h, w in (self.nodes[i].shape for i in self.spiking))

    @property
    def memory_bytes(self) -> int:
        """Memory of an inference of one sample: parameters and one membrane potential per neuron, 4 bytes each."""
        return BYTES * (self.n_parameters + self.n_neurons)

    @cached_property
    def depth(self) -> int:
        """Spiking nodes on the longest path from input to readout, edges with delay left out."""
        longest = [0] * len(self.nodes)
        for i, node in enumerate(self.nodes):
            sources = [self.synapses[s].source for s in self.incoming[i] if not self.synapses[s].delay]
            longest[i] = max((longest[s] for s in sources), default=0) + (node.neuron is not None)
        return max(longest[i] for i in self.outputs)

    @cached_property
    def chain_length(self) -> int:
        """Spiking nodes that a convolution follows on a path from input to readout, the most of any path.

        Edges with delay are left out. How deep a network is in layers of neurons that a convolution reads.
        """
        n = len(self.nodes)
        done = [0] * n  # on the best path to a node: spiking nodes with a convolution behind them
        waiting = [-1] * n  # the same where a last spiking node still waits for its; -1 for no path
        for i, node in enumerate(self.nodes):
            for synapse in (self.synapses[s] for s in self.incoming[i]):
                if synapse.delay:
                    continue
                found, open_ones = done[synapse.source], waiting[synapse.source]
                if isinstance(synapse.operation, CONVOLUTIONS):
                    found, open_ones = max(found, open_ones + 1), -1
                done[i], waiting[i] = max(done[i], found), max(waiting[i], open_ones)
            if node.neuron:
                waiting[i] = max(done[i], waiting[i])
        return max(done[i] for i in self.outputs)

    @property
    def n_convolutions(self) -> int:
        """Synapses that convolve; every one of them lies on a path from input to readout."""
        return sum(isinstance(synapse.operation, CONVOLUTIONS) for synapse in self.synapses)

    @property
    def has_feedback(self) -> bool:
        """Whether any synapse has a delay."""
        return any(s.delay for s in self.synapses)


def canonical(
    *,
    input_spec: InputSpec,
    nodes: Sequence[Draft],
    synapses: Sequence[Synapse],
    outputs: Sequence[int],
    voters: int = 1,
) -> Architecture:
    """The architecture of a drawn graph, in the one form that all graphs of the same meaning share.

    `nodes[0]` is the input. Nodes that nothing drives or that reach no output go, nodes that only hand on are skipped
    where their consumer can do without them, and what is left is numbered by structure.

    Raises:
        IllegalGeneError: no output can be reached from the input, a cycle without delay, on a cycle an operation that
            needs all time steps at once, stacks added channel by channel, or shapes that do not fit.
    """
    drawing = Drawing(nodes, synapses, outputs)
    drawing.skip_what_hands_on()
    drafts, drawn, ends = drawing.renumbered()
    try:
        level = levels(len(drafts), [(s.source, s.target) for s in drawn if not s.delay])
    except ValueError as error:
        raise IllegalGeneError(f"architecture: {error}") from error
    placed = [
        Node(draft.merge, shape, draft.neuron)
        for draft, shape in zip(drafts, shapes(drafts, drawn, input_shape=input_spec.shape), strict=True)
    ]
    n_ends = Counter(ends)
    # A node that is driven by feedback alone has level 0 too, but the input comes first.
    colours = [(level[i], i != INPUT, repr(node), n_ends[i]) for i, node in enumerate(placed)]
    labels = [f"{s.delay} {s.operation!r}" for s in drawn]
    order = canonical_order(
        colours, [(s.source, s.target, label) for s, label in zip(drawn, labels, strict=True)]
    )
    number = {old: new for new, old in enumerate(order)}
    renumbered = [
        (number[s.target], number[s.source], label, s) for s, label in zip(drawn, labels, strict=True)
    ]
    renumbered.sort(key=lambda found: found[:3])
    architecture = Architecture(
        input=input_spec,
        nodes=tuple(placed[i] for i in order),
        synapses=tuple(s.between(source=source, target=target) for target, source, _, s in renumbered),
        outputs=tuple(sorted(number[i] for i in ends)),
        voters=voters,
    )
    _check_sequences(architecture)
    _check_stacks(architecture)
    return architecture


def _check_sequences(architecture: Architecture) -> None:
    """Refuse an operation that needs all time steps where feedback hands it one at a time."""
    group_of = {node: group for group in architecture.schedule for node in group}
    for synapse in architecture.synapses:
        if synapse.operation.needs_sequence and synapse.target in group_of[synapse.source]:
            raise IllegalGeneError(
                f"architecture: '{synapse.operation}' needs all time steps at once and cannot lie on a feedback cycle"
            )


def _check_stacks(architecture: Architecture) -> None:
    """Refuse a sum of two stacks, whose meaning hangs on the order of their channels, which is not kept."""
    n_into = [len(into) for into in architecture.incoming]
    stacks = [i for i, n in enumerate(architecture.nodes) if n.merge == "concatenate" and n_into[i] > 1]
    edges = [(s.source, s.target) for s in architecture.synapses if not s.operation.mixes_channels]
    ordered = reachable(stacks, edges)
    n_ordered = Counter(target for source, target in edges if source in ordered)
    for node, n in n_ordered.items():
        if n > 1 and architecture.nodes[node].merge == "add":
            raise IllegalGeneError(
                f"architecture: node {node} adds stacks channel by channel; bring them to it through a convolution"
            )
