"""Comparisons of layers against the same from the patterns themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from evonas.proxies.similarity import alignment, angles, centred, directions, participation_ratio
from evonas.snn.statistics import Gram

B = 7
Patterns = NDArray[np.float64]


def gram(patterns: Patterns) -> Gram:
    """The Gram of patterns (B, n)."""
    x = torch.from_numpy(patterns)
    return Gram(x @ x.T, x.sum(1), n=patterns.shape[1])


def drawn(n: int = 40, *, seed: int = 0, shift: float = 0.5) -> Patterns:
    return np.random.default_rng(seed).standard_normal((B, n)) + shift


def rotated(patterns: Patterns) -> Patterns:
    turn, _ = np.linalg.qr(np.random.default_rng(9).standard_normal((patterns.shape[1],) * 2))
    return np.asarray(patterns @ turn)


CONSTANT = np.tile(drawn()[:1], (B, 1))
SILENT = np.zeros((B, 5))


def test_centring_is_that_of_the_patterns() -> None:
    patterns = drawn()
    expected = gram(patterns - patterns.mean(0)).products
    torch.testing.assert_close(centred(gram(patterns)), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [3, 40, 900])
def test_alignment_is_the_share_of_covariance_that_two_layers_have_in_common(n: int) -> None:
    x, y = drawn(), drawn(n, seed=1)
    y[:, 0] += 2.0 * x[:, 0]
    a, b = x - x.mean(0), y - y.mean(0)

    def shared(left: Patterns, right: Patterns) -> float:
        return float(np.square(left.T @ right).sum())

    expected = shared(a, b) / math.sqrt(shared(a, a) * shared(b, b))
    assert alignment(gram(x), gram(y)) == pytest.approx(expected, rel=1e-10)
    assert alignment(gram(y), gram(x)) == pytest.approx(expected, rel=1e-10)
    assert 0.0 < expected < 1.0


def test_alignment_is_the_cosine_of_the_centred_rdms_of_squared_distances() -> None:
    x, y = drawn(), drawn(seed=1)
    centring = np.eye(B) - 1.0 / B

    def rdm(patterns: Patterns) -> Patterns:
        squared = np.zeros((B, B))
        squared[np.triu_indices(B, 1)] = pdist(patterns, "sqeuclidean")
        return np.asarray(centring @ (squared + squared.T) @ centring)

    a, b = rdm(x), rdm(y)
    expected = (a * b).sum() / math.sqrt(float((a * a).sum() * (b * b).sum()))
    assert alignment(gram(x), gram(y)) == pytest.approx(expected, rel=1e-10)


def test_what_is_turned_scaled_shifted_or_repeated_is_fully_aligned() -> None:
    x = drawn()
    for same in (x, 3.0 * x, rotated(x), x + 2.0, np.tile(x, (1, 3)), -x):
        assert alignment(gram(x), gram(same)) == pytest.approx(1.0, abs=1e-12)
    assert alignment(gram(x), gram(drawn(seed=1))) < 0.9


@pytest.mark.parametrize("nothing", [CONSTANT, SILENT], ids=["constant", "silent"])
def test_a_layer_that_answers_all_alike_is_aligned_with_none(nothing: Patterns) -> None:
    for other in (gram(drawn()), gram(nothing)):
        assert alignment(gram(nothing), other) == alignment(other, gram(nothing)) == 0.0


@pytest.mark.parametrize("n", [3, 40, 900])
def test_the_participation_ratio_is_that_of_the_eigenvalues_of_the_covariance(n: int) -> None:
    eigenvalues = np.linalg.eigvalsh(np.cov(drawn(n).T))
    expected = eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()
    assert participation_ratio(gram(drawn(n))) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (np.eye(B), B - 1.0),
        (3.0 * np.eye(B) + 7.0, B - 1.0),  # neither scale nor shift count
        (np.outer(np.arange(B), [1.0, 2.0]), 1.0),
        (CONSTANT, 1.0),
        (SILENT, 1.0),
    ],
)
def test_the_participation_ratio_of_known_spectra(patterns: Patterns, expected: float) -> None:
    assert participation_ratio(gram(np.asarray(patterns))) == pytest.approx(expected, rel=1e-9)


def test_angles_are_those_of_the_correlation_of_rdms() -> None:
    layers = [drawn(), drawn(90, seed=1), drawn(seed=0) + 0.3 * drawn(seed=2)]
    for distance, metric in (("correlation", "correlation"), ("euclidean", "sqeuclidean")):
        found = directions([gram(patterns) for patterns in layers], distance)
        rdms = [pdist(patterns, metric) for patterns in layers]  # type: ignore[call-overload]
        expected = np.corrcoef(np.stack(rdms))
        np.testing.assert_allclose((found @ found.T).numpy(), expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(np.cos(angles(found).numpy()), expected, rtol=0, atol=1e-9)
        assert found.shape == (3, B * (B - 1) // 2)


def test_layers_of_one_geometry_are_at_no_angle_and_one_without_is_at_right_angles() -> None:
    found = angles(
        directions([gram(x) for x in (drawn(), rotated(2.0 * drawn()), CONSTANT, SILENT)], "euclidean")
    )
    assert found[0, 1].item() == pytest.approx(0.0, abs=1e-6)
    for nothing in (2, 3):
        assert found[nothing].tolist() == pytest.approx([math.pi / 2] * 4, abs=1e-6)
