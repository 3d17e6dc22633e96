"""Inverse variation of gradients by hand, and over the two halves of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evonas.errors import ConfigError
from evonas.proxies import PROXIES, Candidate
from evonas.proxies.backward import MOST_SAMPLES
from evonas.proxies.zico import inverse_variation
from evonas.snn.network import SpikingNetwork
from genomes.architecture import Architecture


def test_layers_add_the_log_of_the_sum_of_their_weights_ratios() -> None:
    # |g| = 1 and 3: mean 2, deviation 1; 2 and 10: 6 and 4; the sign does not count.
    first = torch.tensor([[1.0, -2.0], [-3.0, 10.0]])
    # 5 and 15: 10 and 5; equal ones have no ratio.
    second = torch.tensor([[[5.0], [7.0]], [[15.0], [-7.0]]])
    assert inverse_variation([first]) == pytest.approx(math.log(2 / 1 + 6 / 4))
    assert inverse_variation([first, second]) == pytest.approx(math.log(3.5) + math.log(2.0))


def test_layers_without_gradient_or_without_change_add_nothing() -> None:
    assert inverse_variation([torch.zeros(2, 3), torch.ones(2, 3)]) == 0.0
    assert inverse_variation([]) == 0.0


@pytest.mark.parametrize("batch", [7, 2 * MOST_SAMPLES + 5])
def test_the_proxy_compares_two_batches_of_the_same_size(
    batch: int, chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(chain([1.0, 1.0]), batch=batch)
    half = min(batch // 2, MOST_SAMPLES)

    def gradients(samples: slice) -> list[Tensor]:
        network = SpikingNetwork(candidate.architecture, seed=0).eval()
        logits = network(candidate.inputs[:, samples], time_steps=4, calibrate=True)
        F.cross_entropy(logits, candidate.labels[samples]).backward()
        return [p.grad for p in network.parameters() if p.dim() > 1 and p.grad is not None]

    both = zip(gradients(slice(0, half)), gradients(slice(half, 2 * half)), strict=True)
    expected = 0.0
    for one, other in both:
        a, b = one.abs().double(), other.abs().double()
        expected += math.log(float(((a + b) / (a - b).abs())[a != b].sum()))
    assert PROXIES.get("zico").value(candidate).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["zico", "zico_unlabelled"])
def test_one_sample_cannot_be_compared(
    name: str, chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    with pytest.raises(ConfigError, match="expected 2 samples or more"):
        PROXIES.get(name).value(make_candidate(chain([1.0]), batch=1))
