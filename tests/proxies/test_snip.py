"""Connection sensitivity by hand: what the loss loses to first order when a weight is cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from evonas.proxies import PROXIES, Candidate
from evonas.snn.network import SpikingNetwork
from genomes.architecture import Architecture


def test_products_of_weight_and_gradient_add_up_without_sign(
    chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(chain([0.5, 1.0]))
    network = SpikingNetwork(candidate.architecture, seed=0).eval()
    F.cross_entropy(network(candidate.inputs, time_steps=4, calibrate=True), candidate.labels).backward()
    layers = [network.synapses[0].weight, network.synapses[1].weight, network.readout.weight]
    expected = sum(float((weight * weight.grad).detach().abs().sum()) for weight in layers)
    assert PROXIES.get("snip").value(candidate).value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["snip", "snip_unlabelled"])
def test_the_size_of_weights_that_are_normalised_changes_nothing(
    name: str, chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    plain, scaled = make_candidate(chain([1.0, 1.0])), make_candidate(chain([1.0, 1.0]))
    with torch.no_grad():
        for synapse in scaled.network.synapses:
            synapse.weight.mul_(8.0)  # type: ignore[union-attr, operator]
    value = PROXIES.get(name).value
    assert value(scaled).value == pytest.approx(value(plain).value, rel=1e-3)
