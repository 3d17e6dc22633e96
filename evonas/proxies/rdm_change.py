"""How RDMs change on the way from the input to the last layer.

RDMs are of squared Euclidean distances: of the input's pixels, over all time steps where it is not still, and of the
firing rates of each layer of neurons. Two of them differ by their angle, the arc cosine of the Pearson correlation of
their pairs (`evonas.proxies.similarity.angles`): 0 where the geometry is kept, and a right angle where it is lost or
where one of the two sees all stimuli equally far apart, as a silent layer does.

    rdm_path          the length of the longest path from the input to a last layer, a sum of such angles: each layer of
                      neurons is compared with those whose spikes it hears at the same time step, or with the input
    rdm_from_input    - the angle between the RDM of the input and that of the last layer

Networks as paths: Lange et al. 2022, arXiv 2206.10999, there with other distances. Layers behind a dense synapse are
left out, as in `evonas.proxies.rdm_geometry`; edges with delay are no part of a path. Labels are not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.rdm_geometry import spatial_layers
from evonas.proxies.registry import PROXIES
from evonas.proxies.similarity import angles, directions
from evonas.snn.statistics import COUNTS, RATE_GRAM, TRAIN_GRAM
from genomes.architecture import INPUT, Architecture
from genomes.operations import Zero

SOURCE = "Lange et al. 2022, arXiv 2206.10999; RDMs: Kriegeskorte et al. 2008, doi 10.3389/neuro.06.004.2008"


def between_layers(candidate: Candidate) -> Tensor:
    """The angle (1 + layers, 1 + layers) between each two RDMs: of the input, then of `spatial_layers` in order."""
    grams = [candidate.measured(RATE_GRAM)[node] for node in spatial_layers(candidate.architecture)]
    # What holds for spike trains holds for pixels: steps are further features.
    pixels = TRAIN_GRAM.measure(candidate.inputs.double())
    return angles(directions([pixels, *grams], "euclidean"))


def longest_path(architecture: Architecture, between: Tensor) -> float:
    """The longest path from the input to a layer that reaches an output through none, by the angles `between`."""
    place = {node: i for i, node in enumerate((INPUT, *spatial_layers(architecture)))}
    length = {INPUT: 0.0}
    ends: list[set[int]] = []  # for each node the layers, or the input, that are last on a path to it
    for node, incoming in enumerate(architecture.incoming):
        synapses = [architecture.synapses[index] for index in incoming]
        direct = [s.source for s in synapses if not s.delay and not isinstance(s.operation, Zero)]
        heard = set().union(*(ends[source] for source in direct))
        if node in place and node != INPUT:
            length[node] = max(
                (length[end] + float(between[place[end], place[node]]) for end in heard), default=0.0
            )
        ends.append({node} if node in place else heard)
    return max((length[end] for output in architecture.outputs for end in ends[output]), default=0.0)


def _register(
    name: str, read: Callable[[Architecture, Tensor], float], bounds: Callable[[int], tuple[float, float]]
) -> None:
    """`bounds` are those of networks of a number of layers of neurons."""

    def value(candidate: Candidate) -> Measured:
        diagnostics = candidate.health()
        return Measured(read(candidate.architecture, candidate.once(between_layers)), diagnostics)

    def within(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
        return bounds(max(architecture.depth for architecture in sample))

    PROXIES.register(name, Proxy(name, SOURCE, within, (RATE_GRAM, COUNTS), value))


_register("rdm_path", longest_path, lambda depth: (0.0, MARGIN * depth * math.pi))
_register("rdm_from_input", lambda _, between: -float(between[0, -1]), lambda _: (-math.pi, 0.0))
