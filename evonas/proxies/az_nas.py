"""Expressivity, progressivity and trainability as in AZ-NAS (Lee and Ham, CVPR 2024, arXiv 2403.19232).

There they are merged by rank with the number of operations, which `evonas.ranking.merging` does. Blocks are the spiking
layers; a block follows another where it hears its spikes at the same time step with no layer that fires in between
(`followers`; edges with delay are left out). Labels are not used.

    az_expressivity     sum over blocks of s_l, the entropy (nats) of the spectrum of the covariance of the channels
                        over samples, time steps and places, normalised to sum 1
    az_progressivity    the smallest s_l - s_k of a block l that follows a block k
    az_trainability     the mean of 2 - sigma - 1 / sigma, with sigma the spectral norm of the Jacobian of a block with
                        respect to one that it follows: 0 at best, where sigma is 1

The Jacobian is estimated channel by channel: random signs g (Rademacher) are sent back from the spikes of block l to
those of block k through the surrogate, g' arrives, and the matrix is the mean of g' g^T over samples, time steps and
places; where block l is s times coarser, s x s places of g' count as channels. Where samples and places together are
hardly more than channels the estimate is noisy, and sigma too large. Batch norms are those of the scored pass, held
fixed; `MOST_SAMPLES` samples are used, and sigma is kept within `SMALLEST` and its inverse.

Other than in the paper, where inputs are random and a network is a chain of blocks, the scoring batch is shown and
every pair that follows counts. A network of one spiking layer has neither progress nor damping and 0 in both. A silent
layer has entropy 0, so a silent network has expressivity 0; its sigma is what the tails of the surrogate leave.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from evonas.proxies.backward import MOST_SAMPLES, copied
from evonas.proxies.candidate import MARGIN, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.snn.neurons import Simulate, State
from evonas.snn.statistics import COUNTS, Statistic
from evonas.snn.surrogates import Surrogate
from genomes.architecture import Architecture
from genomes.micro import Neuron
from genomes.operations import Zero

SOURCE = "Lee and Ham, CVPR 2024, arXiv 2403.19232"

SMALLEST = 0.01
"""A spectral norm below it, or above its inverse, counts as it: gradients are lost or burst within three blocks."""


def channel_entropy(spikes: Tensor) -> float:
    """The entropy (nats) of the spectrum of the channels' covariance over all else, of spikes (T, B, C, H, W)."""
    rows = spikes.permute(0, 1, 3, 4, 2).flatten(0, 3)
    mean = rows.mean(0, dtype=torch.float64)
    # Products of spikes are whole numbers, exact in single precision up to 2^24 rows.
    covariance = (rows.T @ rows).double() / len(rows) - mean[:, None] * mean[None, :]
    spectrum = torch.linalg.eigvalsh(covariance).clamp(min=0.0)
    total = float(spectrum.sum())
    if total <= 1e-9:
        return 0.0
    share = spectrum / total
    return -float(torch.xlogy(share, share).sum())


CHANNEL_ENTROPY = Statistic(channel_entropy, spiking_only=True)


def followers(architecture: Architecture) -> dict[int, list[int]]:
    """For each spiking layer those whose spikes it hears at the same time step, with none that fires in between."""
    heard: list[set[int]] = []
    found: dict[int, list[int]] = {}
    for node, into in zip(architecture.nodes, architecture.incoming, strict=True):
        edges = [architecture.synapses[index] for index in into]
        direct = [s.source for s in edges if not s.delay and not isinstance(s.operation, Zero)]
        sources = set().union(*(heard[source] for source in direct))
        if node.neuron:
            found[len(heard)] = sorted(sources)
            sources = {len(heard)}
        heard.append(sources)
    return found


def jacobian_norms(
    network: SpikingNetwork, inputs: Tensor, *, time_steps: int, rng: np.random.Generator
) -> dict[tuple[int, int], float]:
    """The spectral norm of the Jacobian of each block l for each block k that it follows, by (k, l).

    `inputs` is (1 or T, B, C, H, W); batch norms use their running statistics; the network is left as it is.
    """
    network = copied(network)
    fired: defaultdict[int, list[Tensor]] = defaultdict(list)
    handed_on: defaultdict[int, list[Tensor]] = defaultdict(list)

    def cut(node: int, simulate: Simulate) -> Simulate:
        """The same dynamics, whose spikes start a graph of their own: no gradient passes more than one block."""

        def simulate_and_cut(
            current: Tensor,
            state: State | None,
            *,
            neuron: Neuron,
            surrogate: Surrogate,
            parameters: Mapping[str, Tensor],
            overwrite: bool = False,
        ) -> tuple[Tensor, State]:
            spikes, state = simulate(
                current,
                state,
                neuron=neuron,
                surrogate=surrogate,
                parameters=parameters,
                overwrite=overwrite,
            )
            fired[node].append(spikes)
            handed_on[node].append(spikes.detach().requires_grad_())
            return handed_on[node][-1], state

        return simulate_and_cut

    for node in network.architecture.spiking:
        module = network.neuron(node)
        module.dynamics = replace(module.dynamics, simulate=cut(node, module.dynamics.simulate))
    norms = {}
    with torch.enable_grad():
        network(inputs, time_steps=time_steps)
        for block, sources in followers(network.architecture).items():
            signs = [_signs(spikes, rng=rng) for spikes in fired[block]]
            for source in sources:
                gradients = torch.autograd.grad(
                    fired[block],
                    handed_on[source],
                    signs,
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                norms[source, block] = _spectral_norm(torch.cat(gradients), torch.cat(signs))
    return norms


def _signs(like: Tensor, *, rng: np.random.Generator) -> Tensor:
    drawn = rng.integers(0, 2, size=tuple(like.shape), dtype=np.int8)
    return torch.from_numpy(drawn).to(like).mul_(2.0).sub_(1.0)


def _spectral_norm(arrived: Tensor, sent: Tensor) -> float:
    """The largest singular value of the mean of arrived sent^T, both (T, B, C, H, W)."""
    height, width = sent.shape[3:]
    rows, columns = (max(1, round(n / m)) for n, m in zip(arrived.shape[3:], sent.shape[3:], strict=True))
    # Rows and columns of places at the edge that make no whole tile are cut off or filled with zeros.
    extra = (0, width * columns - arrived.shape[4], 0, height * rows - arrived.shape[3])
    tiles = F.pad(arrived.flatten(0, 1), extra).unflatten(3, (width, columns)).unflatten(2, (height, rows))
    left = tiles.permute(0, 2, 4, 1, 3, 5).reshape(-1, arrived.shape[2] * rows * columns)
    right = sent.permute(0, 1, 3, 4, 2).reshape(len(left), -1)
    return float(torch.linalg.matrix_norm(left.T @ right / len(left), ord=2))


def damping(sigma: float) -> float:
    """2 - sigma - 1 / sigma, with sigma kept within `SMALLEST` and its inverse; a NaN counts as the worst."""
    sigma = min(max(sigma, SMALLEST), 1.0 / SMALLEST) if not math.isnan(sigma) else SMALLEST
    return 2.0 - sigma - 1.0 / sigma


def _expressivity(candidate: Candidate) -> Measured:
    return Measured(sum(candidate.measured(CHANNEL_ENTROPY).values()), candidate.health())


def _progressivity(candidate: Candidate) -> Measured:
    entropy = candidate.measured(CHANNEL_ENTROPY)
    pairs = followers(candidate.architecture).items()
    gains = [entropy[block] - entropy[source] for block, sources in pairs for source in sources]
    return Measured(min(gains, default=0.0), candidate.health())


def _trainability(candidate: Candidate) -> Measured:
    diagnostics = candidate.health()  # of the pass that the batch norms take their statistics from
    norms = jacobian_norms(
        candidate.network,
        candidate.inputs[:, :MOST_SAMPLES],
        time_steps=candidate.time_steps,
        rng=generator(candidate.seed, "jacobian signs"),
    )
    found = [damping(sigma) for sigma in norms.values()]
    return Measured(sum(found) / len(found) if found else 0.0, diagnostics)


def _widest(sample: Sequence[Architecture]) -> float:
    """The largest entropy of a block."""
    return math.log(MARGIN * max(found.nodes[i].shape[0] for found in sample for i in found.spiking))


def _expressivity_bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return 0.0, MARGIN * max(len(found.spiking) for found in sample) * _widest(sample)


def _progressivity_bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return -_widest(sample), _widest(sample)


def _trainability_bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return damping(SMALLEST), 0.0


for _proxy in (
    Proxy("az_expressivity", SOURCE, _expressivity_bounds, (CHANNEL_ENTROPY, COUNTS), _expressivity),
    Proxy("az_progressivity", SOURCE, _progressivity_bounds, (CHANNEL_ENTROPY, COUNTS), _progressivity),
    Proxy("az_trainability", SOURCE, _trainability_bounds, (COUNTS,), _trainability),
):
    PROXIES.register(_proxy.name, _proxy)
