"""A drawn graph on its way to an architecture: what means nothing is cut, what only hands on is skipped, shapes follow.

Everything is done near the place that changed, so that a network of a thousand nodes costs no more per node than one
of ten.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from genomes.errors import DisconnectedError, IllegalGeneError
from genomes.graph import reachable
from genomes.micro import Neuron
from genomes.operations import Identity, Operation, Shape

INPUT = 0
"""The index of the input node."""


@dataclass(frozen=True)
class Draft:
    """A node as drawn by a decoder: `merge` is "input", "add" or "concatenate"; its shape follows from its synapses."""

    merge: str
    neuron: Neuron | None = None


@dataclass(frozen=True)
class Synapse:
    """A connection from node `source` to node `target`; `delay` is 0 or 1 time step."""

    source: int
    target: int
    operation: Operation
    delay: int = 0

    def between(self, *, source: int, target: int) -> Synapse:
        """The same connection between other nodes; `dataclasses.replace` is several times slower."""
        return Synapse(source, target, self.operation, self.delay)


class Drawing:
    """Nodes and synapses that can be rewired; `nodes[0]` is the input.

    Synapses are kept at both of their ends, by number, which is their age.

    Raises:
        DisconnectedError: no output can be reached from the input.
    """

    def __init__(self, nodes: Sequence[Draft], synapses: Sequence[Synapse], outputs: Sequence[int]) -> None:
        edges = [(s.source, s.target) for s in synapses]
        driven = reachable([INPUT], edges)
        used = reachable(outputs, [(target, source) for source, target in edges])
        self.alive = driven & used
        self.nodes = list(nodes)
        self.outputs = [node for node in outputs if node in self.alive]
        self._check_outputs()
        self.into: list[dict[int, Synapse]] = [{} for _ in nodes]
        self.out_of: list[dict[int, Synapse]] = [{} for _ in nodes]
        self._n_drawn = 0
        for synapse in synapses:
            if synapse.source in self.alive and synapse.target in self.alive:
                self._connect(synapse)

    def _check_outputs(self) -> None:
        if not self.outputs or INPUT in self.outputs:
            raise DisconnectedError(
                "architecture: no output is reached from the input; connect at least one path"
            )

    def _connect(self, synapse: Synapse) -> None:
        self.into[synapse.target][self._n_drawn] = self.out_of[synapse.source][self._n_drawn] = synapse
        self._n_drawn += 1

    def _cut(self, number: int, synapse: Synapse) -> None:
        del self.into[synapse.target][number], self.out_of[synapse.source][number]

    def _remove(self, node: int) -> None:
        for number, synapse in list(self.into[node].items()):
            self._cut(number, synapse)
        self.alive.remove(node)

    def merge(self, node: int) -> str:
        """The merge of a node; with a single synapse adding and stacking are the same."""
        return "add" if len(self.into[node]) == 1 else self.nodes[node].merge

    def n_uses(self, node: int) -> int:
        """How often a node is read, by synapses and by the readout."""
        return len(self.out_of[node]) + self.outputs.count(node)

    def skip_what_hands_on(self) -> None:
        """Skip, one at a time, the nodes that only hand on and that their consumers can do without.

        Nodes behind a single identity go first: how many consumers a node has, and whether they merge alike, depends on
        them. Among equals the first drawn goes first.
        """
        relays, sums = sorted(self.alive), sorted(self.alive)  # heaps of nodes to look at
        while relays or sums:
            heap = relays or sums
            node = heapq.heappop(heap)
            if node not in self.alive or not self._is_passive(node):
                continue
            changed = self._skip_relay(node) if heap is relays else self._dissolve(node)
            for neighbour in changed:
                heapq.heappush(relays, neighbour)
                heapq.heappush(sums, neighbour)

    def _is_passive(self, node: int) -> bool:
        return (
            node != INPUT
            and not self.nodes[node].neuron
            and all(s.source != node for s in self.into[node].values())
        )

    def _skip_relay(self, node: int) -> set[int]:
        """Skip a node with a single incoming identity; returns the nodes of which more may hold now than before."""
        into = list(self.into[node].values())
        if len(into) != 1 or not _hands_on(into[0]):
            return set()
        source = into[0].source
        for number, synapse in self.out_of[node].items():
            moved = synapse.between(source=source, target=synapse.target)
            self.into[synapse.target][number] = self.out_of[source][number] = moved
        self.outputs = [source if output == node else output for output in self.outputs]
        self._check_outputs()
        self.out_of[node].clear()
        self._remove(node)
        return self._around(source)

    def _dissolve(self, node: int) -> set[int]:
        """Let one consumer of `node` take over its synapses, if one can; returns nodes as `_skip_relay` does.

        A consumer can that merges alike (weights must not be doubled, so then it has to be the only one), or that reads
        nothing else.
        """
        into = list(self.into[node].values())
        doubles = self.n_uses(node) > 1 and any(map(_weighs, into))
        for number, out in sorted(
            self.out_of[node].items()
        ):  # what was taken over may be older than what was there
            if not _hands_on(out):
                continue
            alike = self.merge(out.target) == self.merge(node) and not doubles
            if alike or (self.n_uses(node) == 1 and len(self.into[out.target]) == 1):
                self.nodes[out.target] = Draft(self.merge(node), self.nodes[out.target].neuron)
                self._cut(number, out)
                for synapse in into:
                    self._connect(synapse.between(source=synapse.source, target=out.target))
                if not self.n_uses(node):
                    self._remove(node)
                return self._around(out.target) | {node}
        return set()

    def _around(self, node: int) -> set[int]:
        """A node, those that it reads, and those that read it."""
        read = {s.source for s in self.into[node].values()}
        return {node} | read | {s.target for s in self.out_of[node].values()}

    def renumbered(self) -> tuple[list[Draft], list[Synapse], list[int]]:
        """Nodes with the merge they come down to, synapses and outputs, numbered without gaps."""
        order = sorted(self.alive)
        number = {old: new for new, old in enumerate(order)}
        synapses = [
            s.between(source=number[s.source], target=number[s.target])
            for node in order
            for s in self.into[node].values()
        ]
        nodes = [Draft(self.merge(node), self.nodes[node].neuron) for node in order]
        return nodes, synapses, [number[node] for node in self.outputs]


def _weighs(synapse: Synapse) -> bool:
    return synapse.operation.n_parameters((1, 1, 1)) > 0


def _hands_on(synapse: Synapse) -> bool:
    return isinstance(synapse.operation, Identity) and not synapse.delay


def shapes(nodes: Sequence[Draft], synapses: Iterable[Synapse], *, input_shape: Shape) -> list[Shape]:
    """The shape of every node, from what its synapses bring.

    Raises:
        IllegalGeneError: nodes that stack their own output, or synapses that bring what does not fit together.
    """
    into: list[list[Synapse]] = [[] for _ in nodes]
    out_of: list[list[Synapse]] = [[] for _ in nodes]
    for synapse in synapses:
        into[synapse.target].append(synapse)
        out_of[synapse.source].append(synapse)
    found = {INPUT: input_shape}
    unknown = [len(synapses) for synapses in into]
    ready = [INPUT]
    for node in ready:
        for synapse in out_of[node]:
            target = synapse.target
            unknown[target] -= 1
            stacks = nodes[target].merge == "concatenate"
            if target in found or (stacks and unknown[target]):
                continue
            known = [s.operation.out_shape(found[s.source]) for s in into[target] if s.source in found]
            found[target] = (sum(shape[0] for shape in known), *known[0][1:]) if stacks else known[0]
            ready.append(target)
    if len(found) < len(nodes):
        raise IllegalGeneError(
            "architecture: nodes that stack channels form a cycle, their width has no bound"
        )
    for i, draft in enumerate(nodes):
        brought = [s.operation.out_shape(found[s.source]) for s in into[i]]
        first = 1 if draft.merge == "concatenate" else 0
        if min(found[i]) < 1 or any(shape[first:] != found[i][first:] for shape in brought):
            raise IllegalGeneError(f"architecture: node {i} is {found[i]}, but its synapses bring {brought}")
    return [found[i] for i in range(len(nodes))]
