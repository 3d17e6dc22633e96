"""Gradients of weights and inputs against a pass back by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from evonas.errors import ConfigError
from evonas.proxies import Candidate
from evonas.proxies.backward import MOST_SAMPLES, input_gradient, listen, weight_gradients
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.decoding import decode

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]
BATCH = MOST_SAMPLES + 4


def test_weight_gradients_are_those_of_the_mean_cross_entropy_of_the_first_samples(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    candidate = make_candidate(chain([1.0, 1.0]), batch=BATCH)
    found = weight_gradients(candidate, labelled=True)
    network = SpikingNetwork(candidate.architecture, seed=0).eval()
    logits = network(candidate.inputs[:, :MOST_SAMPLES], time_steps=4, calibrate=True)
    F.cross_entropy(logits, candidate.labels[:MOST_SAMPLES]).backward()
    parameters = dict(network.named_parameters())
    assert set(found) == {"synapses.0.weight", "synapses.1.weight", "readout.weight"}
    for name, (weight, gradient) in found.items():
        assert torch.equal(weight, parameters[name])
        torch.testing.assert_close(gradient, parameters[name].grad)
        assert float(gradient.abs().sum()) > 0


def test_without_labels_the_loss_is_the_mean_projection_on_random_directions(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    candidate = make_candidate(chain([1.0, 1.0]), batch=BATCH, labelled=False)
    found = weight_gradients(candidate, labelled=False, samples=slice(4, 12))
    rates: list[torch.Tensor] = []
    network = SpikingNetwork(candidate.architecture, seed=0).eval()
    network.readout.register_forward_pre_hook(lambda module, arguments: rates.append(arguments[0]))
    with torch.no_grad():
        network(candidate.inputs[:, 4:12], time_steps=4, calibrate=True)
    directions = torch.from_numpy(generator(0, "loss directions", 4).standard_normal((8, 4), dtype="float32"))
    torch.testing.assert_close(found["readout.weight"][1], directions.T @ rates[0] / 8)
    with pytest.raises(ConfigError, match="labels"):
        weight_gradients(candidate, labelled=True)


def test_the_input_gradient_is_that_of_all_logits(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([1.0, 1.0]), batch=BATCH)
    x = candidate.inputs[:, :MOST_SAMPLES].clone().requires_grad_()
    SpikingNetwork(candidate.architecture, seed=0).eval()(x, time_steps=4, calibrate=True).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(input_gradient(candidate), x.grad)
    assert x.grad.abs().amax() > 0


def test_all_weights_of_a_feedback_network_hear_of_the_loss(make_candidate: MakeCandidate) -> None:
    architecture = decode(library.load("feedback_loop")[0], input_spec=InputSpec((1, 8, 8), 10))
    assert architecture.has_feedback
    found = weight_gradients(make_candidate(architecture), labelled=True)
    assert len(found) > 4
    assert all(float(gradient.abs().sum()) > 0 for _, gradient in found.values())


def test_the_candidate_is_left_as_it_is(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([1.0, 1.0], loop=True))
    before = copy.deepcopy(candidate.network.state_dict())
    with torch.no_grad():
        weight_gradients(candidate, labelled=True)
        input_gradient(candidate)
    after = candidate.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None for parameter in candidate.network.parameters())
    assert not candidate.inputs.requires_grad


def test_what_a_synapse_on_a_cycle_delivers_is_heard_at_each_step(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    candidate = make_candidate(chain([1.0, 1.0], loop=True))
    network = candidate.network
    delays = {i: synapse.delay for i, synapse in enumerate(candidate.architecture.synapses)}
    heard = listen(network, list(delays))
    with torch.no_grad():
        network(candidate.inputs, time_steps=4)
    calls = {index: [len(current) // 8 for i, current in heard if i == index] for index in delays}
    feedback = next(i for i, delay in delays.items() if delay)
    assert calls[feedback] == [1] * 3  # nothing arrives at the first step
    assert sorted(calls.values(), key=len) == [[1], [1] * 3, [1] * 4]
