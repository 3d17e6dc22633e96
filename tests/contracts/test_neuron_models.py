"""What every registered neuron model keeps to: the genotype and the engine speak of the same models."""

from __future__ import annotations

import pytest
import torch

from evonas.snn.neurons import DYNAMICS, SpikingNeuron
from genomes.micro import NEURON_MODELS, RESETS, Neuron
from genomes.spaces.evonas import EvonasSpace

NAMES = NEURON_MODELS.names()


def neuron(name: str, *, reset: str = "hard", v_threshold: float = 0.5) -> Neuron:
    return Neuron(name, v_threshold, 2.0 if NEURON_MODELS.get(name).leaky else None, reset)


def test_there_are_neuron_models() -> None:
    assert NAMES


def test_genotype_and_engine_know_the_same_models() -> None:
    assert DYNAMICS.names() == NAMES


def test_the_default_space_offers_every_model() -> None:
    assert sorted(EvonasSpace.models) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_learnable_numbers_are_as_many_as_the_genotype_counts(name: str) -> None:
    layer = SpikingNeuron(neuron(name))
    assert sum(p.numel() for p in layer.parameters()) == NEURON_MODELS.get(name).n_parameters
    assert len(DYNAMICS.get(name).parameters(neuron(name))) == NEURON_MODELS.get(name).n_parameters


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_it_comes_from(name: str) -> None:
    assert len(DYNAMICS.get(name).source) > 10
    assert NEURON_MODELS.get(name).name == name


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("name", NAMES)
def test_it_fires_on_a_strong_current_and_keeps_silent_without_one(name: str, reset: str) -> None:
    layer = SpikingNeuron(neuron(name, reset=reset))
    with torch.no_grad():
        assert not layer(torch.zeros(6, 2, 3, 4, 4)).any()
        fired = layer(torch.full((6, 2, 3, 4, 4), 10.0))
    assert fired.shape == (6, 2, 3, 4, 4)
    assert fired[0].all()
    assert set(fired.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_a_leak_forgets_and_its_absence_does_not(name: str) -> None:
    pulse = torch.zeros(40, 1)
    pulse[0] = 0.9 * 0.5 * 2.0 if NEURON_MODELS.get(name).leaky else 0.9 * 0.5
    late = pulse.clone()
    late[-1] = pulse[0]
    layer = SpikingNeuron(neuron(name))
    with torch.no_grad():
        assert not layer(pulse).any()
        assert bool(layer(late)[-1]) != NEURON_MODELS.get(name).leaky


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_flows_through_it(name: str) -> None:
    current = torch.full((5, 2, 3), 0.4, requires_grad=True)
    SpikingNeuron(neuron(name))(current).sum().backward()
    assert current.grad is not None
    assert torch.isfinite(current.grad).all()
    assert current.grad.abs().sum() > 0
