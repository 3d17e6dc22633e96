"""Expressivity, progressivity and trainability: against NumPy and against Jacobians by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.az_nas import (
    SMALLEST,
    channel_entropy,
    damping,
    followers,
    jacobian_norms,
)
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes import library
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Identity, MaxPool

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]
IF = Neuron("if", 1.0, None, "hard")


def drawn(*, channels: int = 6, rate: float = 0.3) -> Tensor:
    found = np.random.default_rng(0).random((3, 4, channels, 5, 5)) < rate
    return torch.from_numpy(found.astype(np.float32))


def test_the_entropy_is_that_of_the_covariance_of_numpy() -> None:
    spikes = drawn()
    spikes[:, :, 1] = spikes[:, :, 0]
    rows = spikes.double().numpy().transpose(2, 0, 1, 3, 4).reshape(6, -1)
    share = np.linalg.eigvalsh(np.cov(rows))
    share = share[share > 1e-12] / share.sum()
    assert len(share) == 5
    assert channel_entropy(spikes) == pytest.approx(-float(np.sum(share * np.log(share))), rel=1e-6)


def test_the_entropy_of_known_spectra() -> None:
    patterns = torch.tensor([[1.0, 0, 1, 0], [1, 1, 0, 0]])  # two channels over four places, uncorrelated
    apart = patterns.view(1, 1, 2, 2, 2)
    assert channel_entropy(apart) == pytest.approx(math.log(2))
    assert channel_entropy(apart[:, :, [0, 0]]) == pytest.approx(0.0, abs=1e-9)
    assert channel_entropy(torch.zeros(2, 3, 4, 5, 5)) == channel_entropy(torch.ones(2, 3, 4, 5, 5)) == 0.0


def test_the_order_of_memory_changes_nothing() -> None:
    spikes = drawn()
    last = spikes.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (3, 4))
    assert channel_entropy(last) == pytest.approx(channel_entropy(spikes), rel=1e-9)


def branching() -> Architecture:
    """1 -> sum <- 2 and sum -> 3; 3 -> 1 with a delay; 2 alone is behind a pool."""
    conv = Convolution(Kernel(3), channels=4)
    nodes = [Draft("input"), Draft("add", IF), Draft("add", IF), Draft("add"), Draft("add", IF)]
    synapses = [
        *(Synapse(0, 1, conv), Synapse(1, 2, conv), Synapse(1, 3, Identity()), Synapse(2, 3, conv)),
        *(Synapse(3, 4, MaxPool(1)), Synapse(4, 1, conv, delay=1)),
    ]
    return canonical(input_spec=InputSpec((2, 6, 6), 4), nodes=nodes, synapses=synapses, outputs=[4])


def test_a_block_follows_those_it_hears_at_once(chain: Chain) -> None:
    three = chain([1.0, 1.0, 1.0], loop=True)
    assert followers(three) == {1: [], 2: [1], 3: [2]}
    found = followers(branching())
    assert sorted(map(len, found.values())) == [0, 1, 2]
    assert list(found) == list(branching().spiking)


def test_the_jacobian_of_a_block_is_weights_times_the_slope_of_the_spike(chain: Chain) -> None:
    architecture = chain([0.1, 1.0], shape=(2, 16, 16), channels=5, kernel=1)
    network = SpikingNetwork(architecture, seed=0).eval()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 16, 2, 16, 16), dtype=np.float32))
    seen: list[Tensor] = []
    with torch.no_grad():
        network(x, time_steps=1, observe=lambda node, spikes: seen.append(spikes[0]))
        current = network.synapses[1](seen[0], False)
        slope = network.neuron(2).surrogate.gradient(current - 1.0).mean((0, 2, 3))
        expected = network.synapses[1].weight[:, :, 0, 0] * slope[:, None]  # type: ignore[union-attr, index]
    found = jacobian_norms(network, x, time_steps=1, rng=generator(0, "signs"))
    assert set(found) == {(1, 2)}
    assert found[1, 2] == pytest.approx(float(torch.linalg.matrix_norm(expected, ord=2)), rel=0.05)


def test_no_gradient_passes_more_than_one_block(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([0.5, 0.5, 0.5], channels=8))

    def found(scale: float) -> dict[tuple[int, int], float]:
        network = SpikingNetwork(candidate.architecture, seed=0)
        with torch.no_grad():
            network.eval()(candidate.inputs, time_steps=4, calibrate=True)
            # A gain behind the block in question: its own spikes are the same, what follows is not.
            network.synapses[2].norm.weight.mul_(scale)  # type: ignore[union-attr, operator]
            network.readout.weight.mul_(scale)
        return jacobian_norms(network, candidate.inputs, time_steps=4, rng=generator(0, "signs"))

    plain, scaled = found(1.0), found(3.0)
    assert list(plain) == [(1, 2), (2, 3)]
    assert plain[1, 2] == scaled[1, 2]
    assert plain[2, 3] != pytest.approx(scaled[2, 3], rel=0.1)


def test_coarser_blocks_are_compared_place_by_place() -> None:
    """Sums of 2 x 2 places, the last row of them half outside: each place of a tile is a channel of its own."""

    def sigma(*, stride: int) -> float:
        conv = Convolution(Kernel(1), channels=1)
        wide = Convolution(Kernel(3), channels=1, stride=stride)
        synapses = [Synapse(0, 1, conv), Synapse(1, 2, wide)]
        nodes = [Draft("input"), Draft("add", IF), Draft("add", IF)]
        spec = InputSpec((1, 17 if stride == 2 else 16, 16), 4)
        architecture = canonical(input_spec=spec, nodes=nodes, synapses=synapses, outputs=[2])
        network = SpikingNetwork(architecture, seed=0)
        with torch.no_grad():
            network.synapses[1].weight.zero_()  # type: ignore[union-attr, operator]
            network.synapses[1].weight[0, 0, 1:, 1:] = 0.5  # type: ignore[union-attr, index, operator]
            network.synapses[0].norm.bias.fill_(-9.0)  # type: ignore[union-attr]
        x = torch.zeros(1, 16, *spec.shape)
        return jacobian_norms(network, x, time_steps=1, rng=generator(0, "signs"))[1, 2]

    # Without spikes all are at a distance of 1 from the threshold of the arctangent. The lower two places of a tile are
    # missing in one row of nine; on an equal grid only the middle tap meets its own place.
    slope = 1.0 / (1.0 + math.pi**2)
    assert sigma(stride=2) == pytest.approx(0.5 * math.sqrt(2 + 2 * (8 / 9) ** 2) * slope, rel=0.1)
    assert sigma(stride=1) == pytest.approx(0.5 * slope, rel=0.1)


def test_damping_is_least_at_one_and_the_same_for_a_number_and_its_inverse() -> None:
    assert damping(1.0) == 0.0
    assert damping(0.5) == damping(2.0) == pytest.approx(-0.5)
    worst = damping(SMALLEST)
    assert damping(0.0) == damping(math.inf) == damping(math.nan) == worst == pytest.approx(-98.01)


def test_the_proxies_put_entropies_and_norms_together(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([0.5, 1.0, 2.0], channels=8))
    found = {
        name: PROXIES.get(f"az_{name}").value(candidate).value for name in ("expressivity", "progressivity")
    }
    entropies = [candidate.measured(PROXIES.get("az_expressivity").statistics[0])[i] for i in (1, 2, 3)]
    assert found["expressivity"] == pytest.approx(sum(entropies))
    assert found["progressivity"] == min(np.diff(entropies))
    network = copy.deepcopy(candidate.network)
    norms = jacobian_norms(network, candidate.inputs, time_steps=4, rng=generator(0, "jacobian signs"))
    expected = np.mean([2 - sigma - 1 / sigma for sigma in norms.values()])
    assert PROXIES.get("az_trainability").value(candidate).value == pytest.approx(expected)


def test_one_layer_can_neither_gain_nor_damp(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([1.0]))
    assert PROXIES.get("az_progressivity").value(candidate).value == 0.0
    assert PROXIES.get("az_trainability").value(candidate).value == 0.0


@pytest.mark.parametrize("name", ["feedback_loop", "rivals", "spiking_resnet", "separable"])
def test_every_pair_that_follows_has_a_gradient(name: str, make_candidate: MakeCandidate) -> None:
    architecture = decode(library.load(name)[0], input_spec=InputSpec((1, 8, 8), 10))
    candidate = make_candidate(architecture)
    candidate.measured(PROXIES.get("az_trainability").statistics[0])
    before = copy.deepcopy(candidate.network.state_dict())
    norms = jacobian_norms(candidate.network, candidate.inputs, time_steps=4, rng=generator(0, "signs"))
    assert list(norms) == [
        (source, block) for block, sources in followers(architecture).items() for source in sources
    ]
    assert all(0.0 < sigma < math.inf for sigma in norms.values())
    assert all(torch.equal(before[key], value) for key, value in candidate.network.state_dict().items())
