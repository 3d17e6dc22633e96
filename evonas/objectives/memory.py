"""Memory of an inference.

What counts stands with `Architecture.memory_bytes`: the learnable parameters and one membrane potential per neuron, as
32-bit numbers. Running statistics of batch norms (they fold into the weights), further states of a neuron, spikes,
currents on their way and the input are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from evonas.objectives.objective import OBJECTIVES, Objective
from evonas.proxies import MARGIN, Candidate, Measured, Stimulation
from genomes.architecture import Architecture

BYTES_PER_MB = 1e6


def memory_mb(architecture: Architecture) -> float:
    """Memory of an inference of one sample in megabytes."""
    return architecture.memory_bytes / BYTES_PER_MB


def _memory(candidate: Candidate) -> Measured:
    return Measured(memory_mb(candidate.architecture))


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    sizes = [memory_mb(architecture) for architecture in sample]
    return min(sizes) / MARGIN, max(sizes) * MARGIN


OBJECTIVES.register("memory_mb", Objective("memory_mb", "min", "MB", "log10", (), _memory, _bounds))
