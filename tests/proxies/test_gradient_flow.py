"""Gradient norms by depth: against a pass back by hand, with and without shortcuts, and where there is none."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.gradient_flow import MOST_DECADES, MOST_SAMPLES, decades, gradient_norms
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes import library
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Identity

SPEC = InputSpec((1, 8, 8), 10)
IF = Neuron("if", 1.0, None, "hard")
T = 4


def conv() -> Convolution:
    return Convolution(Kernel(3), channels=6)


def chain(depth: int, *, shortcuts: bool = False) -> Architecture:
    """Spiking layers one after another; with shortcuts the current of each is added to that of the next."""
    nodes, synapses, last = [Draft("input"), Draft("add")], [Synapse(0, 1, conv())], 1
    for _ in range(depth):
        spikes, current = len(nodes), len(nodes) + 1
        nodes += [Draft("add", IF), Draft("add")]
        synapses += [Synapse(last, spikes, Identity()), Synapse(spikes, current, conv())]
        if shortcuts:
            synapses.append(Synapse(last, current, Identity()))
        last = current
    nodes.append(Draft("add", IF))
    synapses.append(Synapse(last, len(nodes) - 1, Identity()))
    return canonical(input_spec=SPEC, nodes=nodes, synapses=synapses, outputs=[len(nodes) - 1])


def images(batch: int = 8) -> Tensor:
    drawn = np.random.default_rng(0).standard_normal((1, batch, *SPEC.shape), dtype=np.float32)
    return torch.from_numpy(drawn)


def norms(network: SpikingNetwork, x: Tensor) -> list[float]:
    found = gradient_norms(network, x, time_steps=T, rng=generator(0, "directions"))
    return list(found.values())


def candidate(architecture: Architecture, x: Tensor) -> Candidate:
    statistics = PROXIES.get("gradient_flow").statistics
    return Candidate(architecture, inputs=x, time_steps=T, seed=0, statistics=statistics)


def test_norms_are_those_of_a_pass_back_by_hand() -> None:
    architecture, x = chain(2), images()
    network = SpikingNetwork(architecture, seed=0)
    encoding, first, second = network.synapses
    one, two, three = (network.neuron(node) for node in architecture.spiking)
    current = encoding(x[0], True).expand(T, -1, -1, -1, -1)
    middle = first(one(current).flatten(0, 1), True)
    last = second(two(middle.unflatten(0, (T, 8))).flatten(0, 1), True)
    logits = network.readout(three(last.unflatten(0, (T, 8))).mean((0, 3, 4)))
    directions = torch.from_numpy(generator(0, "directions").standard_normal((8, 10), dtype=np.float32))
    expected = torch.autograd.grad((logits * directions).sum(), [middle, last])
    assert norms(SpikingNetwork(architecture, seed=0), x) == pytest.approx(
        [float(gradient.norm()) for gradient in expected], rel=1e-5
    )


def test_the_synapses_are_named_in_topological_order_and_the_encoding_is_left_out() -> None:
    architecture = chain(5)
    found = gradient_norms(
        SpikingNetwork(architecture, seed=0), images(), time_steps=T, rng=generator(0, "directions")
    )
    targets = [architecture.synapses[index].target for index in found]
    assert len(targets) == 5
    assert targets == sorted(targets)


def test_the_size_of_the_weights_changes_nothing_and_that_of_the_gradient_no_ratio() -> None:
    network, x = SpikingNetwork(chain(4), seed=0), images()
    plain = norms(network, x)
    with torch.no_grad():
        for synapse in network.synapses:
            synapse.weight.mul_(2.0**6)  # type: ignore[union-attr, operator]
    assert norms(network, x) == pytest.approx(plain, rel=1e-3)
    with torch.no_grad():
        network.readout.weight.mul_(8.0)
    assert norms(network, x) == pytest.approx([8 * norm for norm in plain], rel=1e-3)


def test_a_shortcut_carries_the_gradient_around_convolutions_that_hand_nothing_on() -> None:
    def found(*, shortcuts: bool) -> list[float]:
        network = SpikingNetwork(chain(6, shortcuts=shortcuts), seed=0)
        with torch.no_grad():
            for key, parameter in network.named_parameters():
                if key.endswith("norm.weight"):
                    parameter.zero_()
                if key.endswith("norm.bias"):
                    parameter.fill_(0.1)
        return norms(network, images())

    first, *others = found(shortcuts=True)
    assert others == pytest.approx([first] * 5)
    assert first > 0
    *before, last = found(shortcuts=False)
    assert before == [0.0] * 5
    assert last > 0


def test_a_feedback_cycle_is_passed_back_too() -> None:
    architecture = decode(library.load("feedback_loop")[0], input_spec=SPEC)
    assert architecture.has_feedback
    found = norms(SpikingNetwork(architecture, seed=0), images())
    assert len(found) > 2
    assert all(0 < norm < math.inf for norm in found)


def test_the_network_is_left_as_it_is() -> None:
    network, x = SpikingNetwork(chain(3), seed=0).train(), images()
    before = copy.deepcopy(network.state_dict())
    with torch.no_grad():  # asking for it where nothing is differentiated works too
        norms(network, x)
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_a_proxy_measured_before_leaves_the_statistics_of_the_scored_pass() -> None:
    x = images(MOST_SAMPLES + 8)
    found = candidate(chain(3), x)
    PROXIES.get("gradient_flow").value(found)
    scored = SpikingNetwork(chain(3), seed=0).eval()
    with torch.no_grad():
        scored(x, time_steps=T, calibrate=True)
    for key, value in scored.state_dict().items():
        assert torch.equal(found.network.state_dict()[key], value)


def test_the_proxy_is_minus_the_size_of_the_decades_between_front_and_back() -> None:
    x = images(MOST_SAMPLES + 8)
    architecture = chain(6)
    measured = PROXIES.get("gradient_flow").value(candidate(architecture, x))
    found = gradient_norms(
        SpikingNetwork(architecture, seed=0),
        x[:, :MOST_SAMPLES],
        time_steps=T,
        rng=generator(0, "gradient directions"),
    )
    first, *_, last = found.values()
    assert measured.diagnostics["gradient_decades"] == pytest.approx(math.log10(first / last))
    assert measured.value == -abs(measured.diagnostics["gradient_decades"]) < 0
    assert 0 < measured.diagnostics["firing_rate"] < 1


def test_without_a_second_convolution_nothing_can_be_damped() -> None:
    for depth in (0, 1):
        assert PROXIES.get("gradient_flow").value(candidate(chain(depth), images())).value == 0.0


def test_a_network_without_gradient_is_at_the_worst_bound() -> None:
    found = candidate(chain(3), images())
    with torch.no_grad():
        found.network.readout.weight.zero_()
    assert PROXIES.get("gradient_flow").value(found).value == -MOST_DECADES


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], 0.0),
        ([3.0], 0.0),
        ([1.0, 7.0, 100.0], -2.0),
        ([100.0, 1.0], 2.0),
        ([1e-300, 1e300], -MOST_DECADES),
        ([math.inf, 1.0], MOST_DECADES),
        ([0.0, 1.0], -MOST_DECADES),
        ([1.0, 0.0], -MOST_DECADES),
        ([0.0, 0.0], -MOST_DECADES),
        ([math.inf, math.inf], -MOST_DECADES),
        ([1.0, math.nan], -MOST_DECADES),
        ([math.nan, 1.0], -MOST_DECADES),
    ],
)
def test_decades_are_finite_whatever_becomes_of_the_gradient(found: list[float], expected: float) -> None:
    assert decades(found) == pytest.approx(expected)
