"""Sums of gradient norms by hand, and what they do not hang on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from evonas.proxies import PROXIES, Candidate
from evonas.snn.network import SpikingNetwork
from genomes.architecture import Architecture


def test_the_norms_of_all_layers_add_up(
    chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(chain([0.5, 1.0]))
    network = SpikingNetwork(candidate.architecture, seed=0).eval()
    logits = network(candidate.inputs, time_steps=4, calibrate=True)
    F.cross_entropy(logits, candidate.labels).backward()
    layers = [network.synapses[0].weight, network.synapses[1].weight, network.readout.weight]
    expected = sum(float(weight.grad.norm()) for weight in layers)
    assert PROXIES.get("grad_norm").value(candidate).value == pytest.approx(expected, rel=1e-5)


def test_batch_norm_hands_smaller_weights_a_larger_gradient(
    chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    def found(scale: float) -> float:
        candidate = make_candidate(chain([1.0]))
        with torch.no_grad():
            candidate.network.readout.weight.mul_(0.0).add_(1.0)
            candidate.network.readout.weight[0].neg_()
            plain = PROXIES.get("grad_norm").value(make_candidate(chain([1.0]))).value
            candidate.network.synapses[0].weight.mul_(scale)  # type: ignore[union-attr, operator]
        return PROXIES.get("grad_norm").value(candidate).value / plain

    readout_alone = found(2.0**20)
    assert found(2.0) - readout_alone == pytest.approx((found(1.0) - readout_alone) / 2, rel=1e-3)


@pytest.mark.parametrize("name", ["grad_norm", "grad_norm_unlabelled", "snip", "snip_unlabelled"])
def test_no_readout_no_gradient(
    name: str, chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(chain([1.0]))
    with torch.no_grad():
        candidate.network.readout.weight.zero_()
        candidate.network.synapses[0].norm.bias.fill_(-50.0)  # type: ignore[union-attr]
    assert PROXIES.get(name).value(candidate).value == 0.0
