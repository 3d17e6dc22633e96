"""Synaptic flow against sums over paths."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.synflow import linearised, synaptic_flow
from evonas.snn.network import SpikingNetwork
from genomes import library
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, SpatialAttention

Chain = Callable[..., Architecture]


def matrices(network: SpikingNetwork) -> dict[tuple[int, int], Tensor]:
    """Absolute weights (to, from) of 1 x 1 convolutions, by (source, target), and of the readout, by (-1, -1)."""
    found = {
        (s.source, s.target): module.weight.detach().double().abs()[:, :, 0, 0]  # type: ignore[union-attr, operator]
        for s, module in zip(network.architecture.synapses, network.synapses, strict=True)
    }
    return found | {(-1, -1): network.readout.weight.detach().double().abs()}


@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_a_chain_has_the_sum_over_all_paths_once_for_each_layer(chain: Chain, sign: int) -> None:
    network = SpikingNetwork(chain([0.5, 4.0], shape=(2, 1, 1), kernel=1, sign=sign), seed=0)
    weights = matrices(network)
    first, second, readout = weights[0, 1], weights[1, 2], weights[-1, -1]
    paths = 0.0
    for i in range(2):
        for j in range(3):
            for k in range(3):
                for out in range(4):
                    paths += float(first[j, i] * second[k, j] * readout[out, k]) / (0.5 * 4.0)
    assert synaptic_flow(network, time_steps=4) == pytest.approx(3 * paths)


def test_a_path_through_feedback_counts_half_as_much_and_only_once(chain: Chain) -> None:
    network = SpikingNetwork(chain([0.5, 4.0], shape=(2, 1, 1), kernel=1, loop=True), seed=0)
    weights = matrices(network)
    ones = torch.ones(2, dtype=torch.float64)
    forward = weights[-1, -1] @ weights[1, 2] / 4.0
    first = weights[0, 1] @ ones / 0.5
    again = weights[2, 1] @ (weights[1, 2] @ first / 4.0) / 0.5
    straight, around = float((forward @ first).sum()), float((forward @ again).sum())
    for time_steps in (2, 6):
        # A path of n weights adds n times what it carries.
        assert synaptic_flow(network, time_steps=time_steps) == pytest.approx(3 * straight + 5 * around / 2)
    assert synaptic_flow(network, time_steps=1) == pytest.approx(3 * straight)


def test_neither_data_nor_statistics_nor_signs_count(
    chain: Chain, make_candidate: Callable[..., Candidate]
) -> None:
    value = PROXIES.get("synflow").value
    fresh = make_candidate(chain([1.0, 1.0]))
    used = make_candidate(chain([1.0, 1.0]), batch=3)
    used.network.train()(used.inputs, time_steps=4)
    with torch.no_grad():
        used.network.synapses[0].weight.neg_()  # type: ignore[union-attr, operator]
        used.network.synapses[1].norm.bias.fill_(-50.0)  # type: ignore[union-attr]
    assert value(used).value == pytest.approx(value(fresh).value)
    assert used.network.synapses[0].weight.dtype == torch.float32  # type: ignore[union-attr]


def test_a_linearised_network_is_linear_whatever_it_is_made_of() -> None:
    for name in ("asa_full", "feedback_loop", "rivals", "separable", "spiking_resnet"):
        architecture = decode(library.load(name)[0], input_spec=InputSpec((1, 8, 8), 10))
        network = linearised(SpikingNetwork(architecture, seed=0))
        x = torch.rand(1, 3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            one, thrice = (network(factor * x, time_steps=2) for factor in (1.0, 3.0))
        torch.testing.assert_close(thrice, 3.0 * one)
        assert float(one.min()) > 0.0


def test_attention_hands_on_what_it_gets() -> None:
    conv = Convolution(Kernel(1), channels=3)
    neuron = Neuron("lif", 1.0, 2.0, "hard")

    def network(*, attends: bool) -> SpikingNetwork:
        nodes = [Draft("input"), Draft("add", neuron), Draft("add"), Draft("add", neuron)]
        between = SpatialAttention("asa") if attends else Convolution(Kernel(1), channels=3)
        synapses = [Synapse(0, 1, conv), Synapse(1, 2, conv), Synapse(2, 3, between)]
        spec = InputSpec((2, 1, 1), 4)
        return SpikingNetwork(canonical(input_spec=spec, nodes=nodes, synapses=synapses, outputs=[3]), seed=0)

    attentive = network(attends=True)
    weights = [s.weight for s in attentive.synapses if hasattr(s, "norm")]
    straight = torch.ones(2, dtype=torch.float64)
    for weight in weights:
        straight = weight.detach().double().abs()[:, :, 0, 0] @ straight
    straight = attentive.readout.weight.detach().double().abs() @ straight
    assert synaptic_flow(attentive, time_steps=2) == pytest.approx(3 * float(straight.sum()))


def test_depth_is_no_matter_of_range(chain: Chain) -> None:
    deep = synaptic_flow(SpikingNetwork(chain([0.5] * 40, channels=16), seed=0), time_steps=4)
    assert 1e40 < deep < math.inf
