"""The spread of input gradients: against NumPy, at its best and at its worst."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.backward import MOST_SAMPLES, input_gradient
from evonas.proxies.jacob_cov import AVOIDS_ZERO, correlation, spread
from genomes.architecture import Architecture

K = AVOIDS_ZERO


def test_the_correlation_is_that_of_numpy_at_any_scale() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 30)) + 3.0
    expected = torch.from_numpy(np.corrcoef(rows))
    torch.testing.assert_close(correlation(torch.from_numpy(rows)), expected)
    scales = np.array([1e-30, 1e-3, 1.0, 1e3, 1e30])[:, None]
    torch.testing.assert_close(correlation(torch.from_numpy(rows * scales)), expected)


def test_constant_rows_correlate_with_each_other_alone() -> None:
    rows = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 4.0], [7.0, 7.0, 7.0]])
    expected = torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(correlation(rows), expected)


def test_the_spread_of_known_spectra() -> None:
    apart, equal = torch.eye(3, dtype=torch.float64), torch.ones(3, 3, dtype=torch.float64)
    assert spread(apart) == pytest.approx(-3 * (math.log(1 + K) + 1 / (1 + K)))
    rest = 2 * (math.log(K) + 1 / K)
    assert spread(equal) == pytest.approx(-(math.log(3 + K) + 1 / (3 + K) + rest), rel=1e-6)
    half = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    expected = -sum(math.log(s + K) + 1 / (s + K) for s in (0.5, 1.5))
    assert spread(half) == pytest.approx(expected)


def test_the_proxy_compares_the_gradients_of_the_first_samples(
    chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(chain([1.0, 1.0]), batch=MOST_SAMPLES + 3)
    rows = input_gradient(candidate)[0].flatten(1)
    assert len(rows) == MOST_SAMPLES
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(rows.double().numpy()))
    expected = -float(np.sum(np.log(eigenvalues + K) + 1 / (eigenvalues + K)))
    assert PROXIES.get("jacob_cov").value(candidate).value == pytest.approx(expected, rel=1e-6)


def test_a_network_that_no_gradient_passes_is_the_worst(
    chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(chain([1.0]))
    with torch.no_grad():
        candidate.network.readout.weight.zero_()
    found = PROXIES.get("jacob_cov").value(candidate).value
    assert found == pytest.approx(spread(torch.ones(8, 8, dtype=torch.float64)), rel=1e-6)
