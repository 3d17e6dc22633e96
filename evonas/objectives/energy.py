"""Energy of one inference, from measured spikes.

    E = 0.9 pJ x accumulates + 4.6 pJ x multiply-accumulates

with the costs of 32-bit floating-point operations in 45 nm (Horowitz, "Computing's energy problem", ISSCC 2014,
Fig. 1.1.9: addition 0.9 pJ, multiplication 3.7 pJ). A synapse whose input is 0 or 1 accumulates once for every spike
and every connection of that spike, borders counted exactly; a synapse whose input is real (the encoding, added spikes,
added or resized currents, the 1 x 1 part of a separable convolution) multiplies at every step whatever its input, and
so does attention, whose maps over space count at every step though they are made once an inference. The encoding
of a still image is computed once an inference, that of event frames at every step; the readout acts once on the
averaged rates. A spike is charged for every synapse of its neuron, also where a delay carries it beyond the last
step. Batch norm folds into the convolution before it; neuron updates, memory traffic and leakage are not
counted.

What is measured is the network at its first weights. Of 186 networks of SpikeNAS-Bench it orders the accumulates after
training with Kendall's tau 0.77, at equal numbers of convolutions 0.70 (experiments/fitness/README.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from evonas.objectives.objective import OBJECTIVES, Objective
from evonas.proxies import MARGIN, Candidate, Measured, Stimulation
from evonas.snn.statistics import COUNTS
from genomes.architecture import Architecture, Synapse

ACCUMULATE_PJ = 0.9
MULTIPLY_ACCUMULATE_PJ = 4.6

LOWEST_RATE = 0.005
"""Firing rate at which the bounds of the hypervolume place the cheapest architecture."""


def energy_nj(
    architecture: Architecture, *, time_steps: int, static: bool, spikes: Callable[[int], Tensor]
) -> float:
    """Energy of one inference in nanojoule; `spikes` gives the spikes per inference (H, W) of a binary node."""
    accumulates, multiplies = 0.0, float(architecture.n_features * architecture.n_voters)
    for synapse in architecture.synapses:
        shape = architecture.nodes[synapse.source].shape
        reading, inner = synapse.operation.macs(shape)
        multiplies += inner * _steps(architecture, synapse, time_steps, static)
        connections = synapse.operation.connections(shape)
        if connections is not None and architecture.binary[synapse.source]:
            accumulates += float((spikes(synapse.source) * torch.from_numpy(connections)).sum())
        else:
            multiplies += reading * _steps(architecture, synapse, time_steps, static)
    return (ACCUMULATE_PJ * accumulates + MULTIPLY_ACCUMULATE_PJ * multiplies) / 1000.0


def _steps(architecture: Architecture, synapse: Synapse, time_steps: int, static: bool) -> int:
    """How often a synapse is computed: once where a still input leaves it still, and it does not tell steps apart."""
    still = architecture.static[synapse.source] and not synapse.operation.needs_sequence
    return 1 if static and still else time_steps


def _energy(candidate: Candidate) -> Measured:
    counts = candidate.measured(COUNTS)
    static = candidate.inputs.shape[0] == 1
    return Measured(
        energy_nj(
            candidate.architecture,
            time_steps=candidate.time_steps,
            static=static,
            spikes=lambda node: counts[node].per_pixel,
        )
    )


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    time_steps = stimulation.time_steps

    def at(architecture: Architecture, rate: float) -> float:
        def spikes(node: int) -> Tensor:
            channels, height, width = architecture.nodes[node].shape
            return torch.full((height, width), rate * channels * time_steps, dtype=torch.float64)

        return energy_nj(architecture, time_steps=time_steps, static=stimulation.static, spikes=spikes)

    return min(at(a, LOWEST_RATE) for a in sample) / MARGIN, max(at(a, 1.0) for a in sample) * MARGIN


OBJECTIVES.register("energy_nj", Objective("energy_nj", "min", "nJ", "log10", (COUNTS,), _energy, _bounds))
