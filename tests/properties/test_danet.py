"""What deep stacks do when built: every kind under every rule, and what depth does to gradients and memory."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
from torch import Tensor

from evonas.proxies.gradient_flow import gradient_norms
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes.architecture import Architecture, InputSpec
from genomes.micro import Neuron
from genomes.spaces.danet import DanetSpace, UnitGenome, UnitStage
from genomes.units import CONNECTIONS, UNITS

T = 4
LIF = Neuron("lif", 0.5, 2.0, "hard")
# Neurons stand on every way through a unit, or a sum without neurons leads around them.
UNDAMPED = [name for name in CONNECTIONS.names() if (c := CONNECTIONS.get(name)).bridges and not c.sum_fires]
DAMPING = [name for name in CONNECTIONS.names() if name not in UNDAMPED]


def stack(kind: str, connection: str, *stages: UnitStage, side: int = 8) -> Architecture:
    space = DanetSpace(InputSpec((3, side, side), 10))
    return space.decode(UnitGenome("small", stages, kind, connection, LIF))


def images(n: int, *, side: int = 8) -> Tensor:
    drawn = generator(0, "images").standard_normal((1, n, 3, side, side), dtype="float32")
    return torch.from_numpy(drawn)


@pytest.mark.parametrize("connection", CONNECTIONS.names())
@pytest.mark.parametrize("kind", UNITS.names())
def test_every_kind_under_every_rule_fires_and_its_gradient_reaches_every_weight(
    kind: str, connection: str
) -> None:
    architecture = stack(kind, connection, UnitStage(8, 2), UnitStage(16, 2))
    network = SpikingNetwork(architecture, seed=0).train()
    assert sum(p.numel() for p in network.parameters()) == architecture.n_parameters
    rates: dict[int, float] = {}

    def observe(node: int, spikes: Tensor) -> None:
        rates[node] = float(spikes.detach().mean())

    logits = network(images(4), time_steps=T, observe=observe)
    assert logits.shape == (4, 10)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert all(0.01 < rates[node] < 0.99 for node in architecture.spiking)


def unit_norms(kind: str, connection: str, n_units: int) -> list[float]:
    """The norm of the gradient at the last convolution of each unit."""
    architecture = stack(kind, connection, UnitStage(4, n_units))
    network = SpikingNetwork(architecture, seed=0)
    norms = gradient_norms(network, images(4), time_steps=T, rng=generator(0, "directions"))
    step = len(UNITS.get(kind).layers)
    return list(norms.values())[step - 1 :: step]


def check_flow(kind: str, connection: str, *, n_units: int) -> None:
    norms = unit_norms(kind, connection, n_units)
    decades = math.log10(norms[0] / norms[-1])
    if connection in DAMPING:
        # Damped by every unit alike, so in proportion to depth: a product of factors below 1.
        assert decades < -0.05 * n_units
    else:
        assert min(norms) > 0.5 * norms[-1]
        # Not damped is not flat: what sums add grows with the root of depth, for dense_add by 2.3 decades at 110 units.
        assert decades < 0.3 * math.sqrt(n_units)


def test_the_three_sums_without_neurons_are_known_and_so_are_the_rules_that_have_none() -> None:
    assert set(UNDAMPED) >= {"dense_add", "ms", "sew"}
    assert set(DAMPING) >= {"concatenate", "none", "plain"}


@pytest.mark.parametrize("connection", CONNECTIONS.names())
@pytest.mark.parametrize("kind", ["residual", "vgg"])
def test_the_gradient_passes_sums_undamped_and_is_damped_by_neurons_on_its_way(
    kind: str, connection: str
) -> None:
    check_flow(kind, connection, n_units=20)


@pytest.mark.slow
@pytest.mark.parametrize("n_units", [56, 110])
@pytest.mark.parametrize("connection", CONNECTIONS.names())
@pytest.mark.parametrize("kind", ["residual", "vgg"])
def test_so_it_does_at_any_depth(kind: str, connection: str, n_units: int) -> None:
    check_flow(kind, connection, n_units=n_units)


@pytest.mark.parametrize("connection", ["dense_add", "ms", "plain", "none", "concatenate"])
def test_an_inference_holds_few_layers_at_a_time_however_deep_the_stack(connection: str) -> None:
    network = SpikingNetwork(stack("vgg", connection, UnitStage(4, 60)), seed=0).eval()
    layers: list[weakref.ref[Tensor]] = []
    most = 0

    def observe(node: int, spikes: Tensor) -> None:
        nonlocal most
        layers.append(weakref.ref(spikes))
        most = max(most, sum(layer() is not None for layer in layers))

    with torch.no_grad():
        network(images(1), time_steps=2, observe=observe)
    assert len(layers) > 60
    assert most <= 5


@pytest.mark.slow
@pytest.mark.parametrize("connection", CONNECTIONS.names())
def test_110_units_fire_in_every_layer(connection: str) -> None:
    architecture = stack("vgg", connection, UnitStage(4, 110))
    rates: dict[int, float] = {}

    def observe(node: int, spikes: Tensor) -> None:
        rates[node] = float(spikes.mean())

    with torch.no_grad():
        SpikingNetwork(architecture, seed=0)(images(4), time_steps=T, calibrate=True, observe=observe)
    assert all(0.02 < rates[node] < 0.9 for node in architecture.spiking)
