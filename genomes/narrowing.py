"""A narrower copy of an architecture: the same wiring with a fraction of the channels."""

from __future__ import annotations

from dataclasses import replace
from math import gcd

from genomes.architecture import Architecture, Draft, canonical
from genomes.operations import CONVOLUTIONS, Linear, Operation


def narrowed(architecture: Architecture, *, channels: int) -> Architecture:
    """The architecture with every layer divided by the largest number that leaves each convolution `channels` or more.

    The number divides all widths, so that what is added still fits. Where there is none but 1, and where a layer is
    that narrow already, the architecture itself is returned.

    >>> from genomes.architecture import InputSpec
    >>> from genomes.spaces.spikenas_bench import SpikenasBenchSpace
    >>> from genomes.cells import from_code
    >>> space = SpikenasBenchSpace(InputSpec((3, 32, 32), 10))
    >>> wide = space.decode(space.genome(from_code("230004")))
    >>> [sorted({node.shape[0] for node in narrowed(wide, channels=c).nodes}) for c in (16, 48, 100)]
    [[3, 16, 32, 128], [3, 64, 128, 512], [3, 128, 256, 1024]]
    """
    operations = [synapse.operation for synapse in architecture.synapses]
    convolved = [o.channels for o in operations if isinstance(o, CONVOLUTIONS)]
    common = gcd(*convolved, *(o.features for o in operations if isinstance(o, Linear)))
    divisors = [
        n for n in range(1, common + 1) if common % n == 0 and min(convolved, default=0) >= n * channels
    ]
    if not divisors or divisors[-1] == 1:
        return architecture
    return canonical(
        input_spec=architecture.input,
        nodes=[Draft(node.merge, node.neuron) for node in architecture.nodes],
        synapses=[
            replace(synapse, operation=_divided(synapse.operation, divisors[-1]))
            for synapse in architecture.synapses
        ],
        outputs=architecture.outputs,
        voters=architecture.voters,
    )


def _divided(operation: Operation, divisor: int) -> Operation:
    if isinstance(operation, CONVOLUTIONS):
        return replace(operation, channels=operation.channels // divisor)
    if isinstance(operation, Linear):
        return replace(operation, features=operation.features // divisor)
    return operation
