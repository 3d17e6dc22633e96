"""Nodes and synapses while a decoder draws them."""

from __future__ import annotations

from collections.abc import Sequence

from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.micro import Neuron
from genomes.operations import Identity, Operation


class Canvas:
    """A graph in the making; node 0 is the input, `INPUT` of `genomes.architecture`."""

    def __init__(self) -> None:
        self.nodes = [Draft("input")]
        self.synapses: list[Synapse] = []

    def add(self, node: Draft) -> int:
        """The number of a new node."""
        self.nodes.append(node)
        return len(self.nodes) - 1

    def connect(self, source: int, target: int, operation: Operation, *, delay: int = 0) -> None:
        """Draw a synapse."""
        self.synapses.append(Synapse(source, target, operation, delay))

    def join(
        self,
        sources: Sequence[int],
        operation: Operation,
        *,
        neuron: Neuron | None = None,
        merge: str = "add",
    ) -> int:
        """A new node that reads each of `sources` through `operation`."""
        node = self.add(Draft(merge, neuron))
        for source in sources:
            self.connect(source, node, operation)
        return node

    def through(self, source: int, *operations: Operation) -> int:
        """The last of a row of new nodes without neurons, each one `operation` behind the one before."""
        for operation in operations:
            source = self.join([source], operation)
        return source

    def spikes(self, source: int, neuron: Neuron) -> int:
        """A new layer of neurons that the signal of `source` drives."""
        return self.join([source], Identity(), neuron=neuron)

    def stacked(self, sources: Sequence[int]) -> int:
        """A new node that stacks the channels of `sources`."""
        return self.join(sources, Identity(), merge="concatenate")

    def architecture(self, input_spec: InputSpec, *, outputs: Sequence[int], voters: int = 1) -> Architecture:
        """The canonical architecture of what was drawn; see `canonical`."""
        return canonical(
            input_spec=input_spec,
            nodes=self.nodes,
            synapses=self.synapses,
            outputs=outputs,
            voters=voters,
        )
