"""Zen-score: what batch norms have scaled away, what weights from N(0, 1) would add, and where no spike moves."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.backward import MOST_SAMPLES
from evonas.proxies.zen import LEAST, STEP, log_scale, zen_score
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.snn.synapses import EPSILON
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.decoding import decode

Chain = Callable[..., Architecture]


def scored(network: SpikingNetwork) -> float:
    return zen_score(network, n_frames=1, time_steps=4, rng=generator(0, "zen"))


def test_batch_norms_and_fan_in_give_the_scale() -> None:
    architecture = decode(library.load("separable")[0], input_spec=InputSpec((1, 8, 8), 10))
    network = SpikingNetwork(architecture, seed=0)
    norms, fans = [], []
    with torch.no_grad():
        for i, synapse in enumerate(network.synapses):
            if hasattr(synapse, "norm"):
                synapse.norm.running_var.fill_(2.0 + i)
                norms.append(2.0 + i + EPSILON)
                fans.append(synapse.weight[0].numel())
                fans += [] if synapse.depthwise is None else [synapse.depthwise[0].numel()]
    assert len(fans) > len(norms) > 2
    expected = sum(math.log(v**0.5) for v in norms) + sum(math.log((n / 2) ** 0.5) for n in fans)
    assert log_scale(network) == pytest.approx(expected)


def test_weights_from_n_0_1_would_have_the_same_score(chain: Chain) -> None:
    normal = SpikingNetwork(chain([1.0, 1.0], channels=8), seed=0)
    added = 0.0
    with torch.no_grad():
        for synapse in normal.synapses:
            fan_in = synapse.weight[0].numel()  # type: ignore[union-attr, operator, index]
            synapse.weight.mul_((fan_in / 2) ** 0.5)  # type: ignore[union-attr, operator]
            added += math.log((fan_in / 2) ** 0.5)
    he = SpikingNetwork(chain([1.0, 1.0], channels=8), seed=0)
    assert scored(normal) - added == pytest.approx(scored(he), rel=1e-3)


def test_the_features_are_compared_by_the_sum_of_their_moves(chain: Chain) -> None:
    network = SpikingNetwork(chain([1.0]), seed=0).eval()
    rng = generator(0, "zen")
    x, change = (
        torch.from_numpy(rng.standard_normal((1, MOST_SAMPLES, 2, 6, 6), dtype="float32")) for _ in range(2)
    )
    rates: list[Tensor] = []

    def observe(node: int, spikes: Tensor) -> None:
        rates.append(spikes.mean((0, 3, 4)))

    with torch.no_grad():
        network(x, time_steps=4, calibrate=True, observe=observe)
        network(x + STEP * change, time_steps=4, observe=observe)
    moved = float((rates[1] - rates[0]).abs().sum()) / MOST_SAMPLES
    assert moved > LEAST
    expected = math.log(moved) + log_scale(network)
    assert scored(SpikingNetwork(chain([1.0]), seed=0)) == pytest.approx(expected)


def test_a_silent_network_moves_least(chain: Chain) -> None:
    network = SpikingNetwork(chain([1.0]), seed=0)
    plain = scored(network)
    with torch.no_grad():
        network.synapses[0].norm.bias.fill_(-50.0)  # type: ignore[union-attr]
    silent = scored(network)
    assert silent == pytest.approx(math.log(LEAST) + _log_scale_after(network))
    assert silent < plain - 5.0


def _log_scale_after(network: SpikingNetwork) -> float:
    x = torch.from_numpy(generator(0, "zen").standard_normal((1, MOST_SAMPLES, 2, 6, 6), dtype="float32"))
    with torch.no_grad():
        network.eval()(x, time_steps=4, calibrate=True)
    return log_scale(network)


def test_neither_images_nor_statistics_count_but_the_seed_does(
    chain: Chain, make_candidate: Callable[..., Candidate]
) -> None:
    value = PROXIES.get("zen").value
    architecture = chain([1.0, 1.0])
    first, other = make_candidate(architecture), make_candidate(architecture, seed=1)
    fewer = make_candidate(architecture, batch=3)
    before = {key: tensor.clone() for key, tensor in fewer.network.state_dict().items()}
    found = zen_score(fewer.network, n_frames=1, time_steps=4, rng=generator(0, "zen inputs"))
    assert all(torch.equal(before[key], tensor) for key, tensor in fewer.network.state_dict().items())
    assert value(first).value == value(fewer).value == found != value(other).value


def test_frames_are_drawn_for_every_time_step(chain: Chain) -> None:
    network = SpikingNetwork(chain([1.0]), seed=0)
    shown: list[Tensor] = []
    network.synapses[0].register_forward_pre_hook(lambda module, arguments: shown.append(arguments[0]))
    zen_score(network, n_frames=4, time_steps=4, rng=generator(0, "zen"))
    assert [len(frames) for frames in shown] == [4 * MOST_SAMPLES] * 2
    steps = shown[0].unflatten(0, (4, MOST_SAMPLES))
    assert not torch.equal(steps[0], steps[1])
