"""A network in words: what it costs, the parts of its genome, and every node with shapes and synapses."""

from __future__ import annotations

from typing import Any

from genomes.architecture import Architecture
from genomes.space import Space


def describe(genome: Any, space: Space[Any]) -> str:
    """Several lines: totals, one line per part of the genome, one per node and synapse of the architecture."""
    architecture = space.decode(genome)
    lines = [
        f"architecture {architecture.id}, space {space.name}",
        f"input {_shape(architecture.input.shape)}, {architecture.input.n_classes} classes",
        f"{architecture.n_parameters:,} parameters, {architecture.macs_per_step:,} MACs per time step,"
        f" {architecture.n_neurons:,} neurons, {architecture.memory_bytes:,} bytes, depth {architecture.depth}"
        f"{', with feedback' if architecture.has_feedback else ''}",
        "",
        *space.summary(genome),
        "",
    ]
    for i, node in enumerate(architecture.nodes):
        kind = (
            str(node.neuron)
            if node.neuron
            else {"input": "input", "add": "sum", "concatenate": "stack"}[node.merge]
        )
        lines.append(f"node {i}: {_shape(node.shape)}, {kind}")
        lines += [f"    from {_synapse(architecture, index)}" for index in architecture.incoming[i]]
    outputs = ", ".join(map(str, architecture.outputs))
    votes = f", the mean of {architecture.voters} per class" if architecture.voters > 1 else ""
    lines.append(
        f"readout: mean over time and space of {outputs}; linear {architecture.n_features} to"
        f" {architecture.n_voters}{votes}, {(architecture.n_features + 1) * architecture.n_voters:,} parameters"
    )
    return "\n".join(lines)


def _synapse(architecture: Architecture, index: int) -> str:
    synapse = architecture.synapses[index]
    text = f"{synapse.source}: {synapse.operation}"
    if synapse.delay:
        text += f", {synapse.delay} step late"
    n_parameters = synapse.operation.n_parameters(architecture.nodes[synapse.source].shape)
    for number, unit in ((n_parameters, "parameters"), (architecture.macs(synapse), "MACs")):
        if number:
            text += f", {number:,} {unit}"
    return text


def _shape(shape: tuple[int, int, int]) -> str:
    return " x ".join(map(str, shape))
