"""How many directions the answers of layers fill."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate, Stimulation
from genomes.architecture import Architecture

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]


def spectra(candidate: Candidate, *, of: Callable[[Tensor], Tensor]) -> list[np.ndarray]:
    """Of each layer the spectrum, summing to 1, of the covariance of the patterns (B, n) that `of` makes of spikes."""
    found = []

    def observe(node: int, spikes: Tensor) -> None:
        eigenvalues = np.linalg.eigvalsh(np.cov(of(spikes.double()).numpy().T)).clip(min=0.0)
        found.append(eigenvalues / eigenvalues.sum())

    with torch.no_grad():
        candidate.network(candidate.inputs, time_steps=candidate.time_steps, observe=observe)
    return found


def test_the_dimension_is_the_mean_participation_ratio_of_rates(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    candidate = make_candidate(chain([0.3, 0.8], loop=True))
    found = PROXIES.get("effective_dimension").value(candidate)
    layers = spectra(candidate, of=lambda spikes: spikes.mean(0).flatten(1))
    assert len(layers) == 2
    assert found.value == pytest.approx(np.mean([1.0 / np.square(share).sum() for share in layers]))
    assert 1.0 < found.value < 7.0
    assert 0 < found.diagnostics["firing_rate"] < 1


def test_the_rank_is_the_mean_effective_rank_of_trains(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([0.3, 0.8], loop=True))
    found = PROXIES.get("effective_rank").value(candidate).value
    layers = spectra(candidate, of=lambda spikes: spikes.transpose(0, 1).flatten(1))
    ranks = [np.exp(-np.sum(share[share > 1e-12] * np.log(share[share > 1e-12]))) for share in layers]
    assert found == pytest.approx(np.mean(ranks))
    assert found == PROXIES.get("rdm").value(candidate).diagnostics["effective_rank"]


@pytest.mark.parametrize(("name", "expected"), [("effective_dimension", 1.0), ("effective_rank", 0.0)])
def test_a_silent_network_has_the_least(
    chain: Chain, make_candidate: MakeCandidate, name: str, expected: float
) -> None:
    assert PROXIES.get(name).value(make_candidate(chain([1e30, 1e30]))).value == expected
    low, high = PROXIES.get(name).bounds([], Stimulation(time_steps=4, batch=8, static=True))
    assert (low, high) == (0.0, 7.0)
