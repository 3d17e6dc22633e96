from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.rdm import DISTANCES, effective_rank, mean_dissimilarity, rdm
from evonas.snn.statistics import RATE_GRAM, TRAIN_GRAM, Gram
from genomes import library
from genomes.architecture import InputSpec
from genomes.decoding import decode

MATRICES = ("matrix02", "matrix03", "matrix04", "matrix06", "matrix09")


def gram(patterns: np.ndarray | list[list[float]]) -> Gram:
    """The Gram of patterns (B, n) shown as one time step of n pixels."""
    steps = torch.as_tensor(np.asarray(patterns, dtype=np.float64))[None, :, :, None, None]
    found = TRAIN_GRAM.measure(steps)
    assert isinstance(found, Gram)
    return found


def trains(
    *, n_steps: int = 4, batch: int = 6, shape: tuple[int, int, int] = (3, 5, 4), seed: int = 0
) -> Tensor:
    rng = np.random.default_rng(seed)
    rate = rng.random((1, batch, *shape))
    return torch.from_numpy((rng.random((n_steps, batch, *shape)) < rate).astype(np.float32))


def upper(matrix: Tensor) -> np.ndarray:
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
    assert not matrix.diagonal().any()
    return squareform(matrix.numpy(), checks=False)


# From rsatoolbox 0.3.2: four patterns of 30 neurons, pairs in the order (0,1) (0,2) (0,3) (1,2) (1,3) (2,3).
BINARY = [
    "000000110100010000111011110100",
    "001100011000110000101111110100",
    "010100000011000001001010001001",
    "000000001010001000010001110000",
]
CORRELATION = [0.536286983249, 1.237565548367, 0.806953164374, 1.174963553056, 0.884152748735, 1.189177769135]
SQUARED_EUCLIDEAN = [
    0.266666666667,
    0.566666666667,
    0.366666666667,
    0.566666666667,
    0.433333333333,
    0.466666666667,
]


def test_literal_patterns_give_the_published_distances() -> None:
    patterns = gram([[float(digit) for digit in row] for row in BINARY])
    assert upper(rdm(patterns, "correlation")) == pytest.approx(CORRELATION, abs=1e-11)
    assert upper(rdm(patterns, "euclidean")) == pytest.approx(SQUARED_EUCLIDEAN, abs=1e-11)
    assert upper(rdm(patterns, "hamming")) == pytest.approx(SQUARED_EUCLIDEAN, abs=1e-11)


@pytest.mark.parametrize("key", MATRICES)
@pytest.mark.parametrize("distance", ["correlation", "euclidean"])
def test_values_agree_with_the_reference_for_whole_matrices(key: str, distance: str, oracles: Path) -> None:
    with np.load(oracles / "rdm" / f"{key}.npz") as stored:
        found = upper(rdm(gram(stored["activity"]), distance))
        np.testing.assert_allclose(found, stored[f"rdm_{distance}"], rtol=0, atol=1e-10)
        if stored["activity"].dtype == np.uint8:
            hamming = upper(rdm(gram(stored["activity"]), "hamming"))
            np.testing.assert_allclose(hamming, pdist(stored["activity"], "hamming"), rtol=0, atol=1e-12)


def test_the_reference_has_no_matrix_that_is_left_out(oracles: Path) -> None:
    index = json.loads((oracles / "rdm" / "index.json").read_text())
    assert {matrix["key"] for matrix in index["matrices"]} == set(MATRICES)


@pytest.mark.parametrize("distance", ["correlation", "cosine", "hamming", "sqeuclidean"])
@pytest.mark.parametrize("seed", range(3))
def test_values_agree_with_scipy(distance: str, seed: int) -> None:
    flat = trains(seed=seed).permute(1, 0, 2, 3, 4).flatten(1).numpy()
    ours = upper(rdm(TRAIN_GRAM.measure(trains(seed=seed)), distance.removeprefix("sq")))
    metric: Any = distance
    theirs = pdist(flat.astype(np.float64), metric)
    np.testing.assert_allclose(ours, theirs / (flat.shape[1] if distance == "sqeuclidean" else 1), rtol=1e-12)


FIRST, PART = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
SILENT, SATURATED = [0.0] * 6, [1.0] * 6


def test_distances_by_hand() -> None:
    patterns = gram([FIRST, PART])
    assert rdm(patterns, "correlation")[0, 1].item() == pytest.approx(1 - 6 / math.sqrt(9 * 8))
    assert rdm(patterns, "cosine")[0, 1].item() == pytest.approx(1 - 2 / math.sqrt(3 * 2))
    assert rdm(patterns, "euclidean")[0, 1].item() == pytest.approx(1 / 6)
    assert rdm(patterns, "hamming")[0, 1].item() == pytest.approx(1 / 6)


def test_patterns_without_variance_are_at_correlation_distance_one_from_all() -> None:
    matrix = rdm(gram([FIRST, SILENT, SATURATED, SILENT, PART, SATURATED]), "correlation")
    for constant in (1, 2, 3, 5):
        others = [i for i in range(6) if i != constant]
        assert matrix[constant, others].tolist() == [1.0] * 5


def test_silent_patterns_are_at_cosine_distance_one_from_all() -> None:
    matrix = rdm(gram([FIRST, SILENT, SATURATED, SILENT]), "cosine")
    assert matrix[1, [0, 2, 3]].tolist() == [1.0] * 3
    assert matrix[0, 2].item() == pytest.approx(1 - 3 / math.sqrt(3 * 6))


def test_two_silent_patterns_differ_in_nothing_by_euclid_and_hamming() -> None:
    for distance in ("euclidean", "hamming"):
        matrix = rdm(gram([SILENT, SILENT, SATURATED]), distance)
        assert matrix[0].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("distance", DISTANCES)
def test_identical_patterns_are_at_distance_zero(distance: str) -> None:
    matrix = rdm(gram([FIRST, FIRST, FIRST]), distance)
    torch.testing.assert_close(matrix, torch.zeros(3, 3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_opposite_patterns_are_at_correlation_distance_two() -> None:
    matrix = rdm(gram([FIRST, [1 - x for x in FIRST]]), "correlation")
    assert matrix[0, 1].item() == pytest.approx(2.0)


@pytest.mark.parametrize("n_steps", [3, 4, 5, 6, 7])
def test_equal_rates_in_all_neurons_are_no_variance(n_steps: int) -> None:
    spikes = trains(n_steps=n_steps, shape=(7, 5, 3))
    spikes[:, 0] = 0.0
    spikes[1, 0] = 1.0  # every neuron fires once
    spikes[:, 1] = 0.0
    spikes[:2, 1] = 1.0  # every neuron fires twice
    matrix = rdm(RATE_GRAM.measure(spikes), "correlation")
    assert matrix[0, 1:].tolist() == pytest.approx([1.0] * 5, abs=1e-6)
    assert matrix[1, 2:].tolist() == pytest.approx([1.0] * 4, abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_silent_and_saturated_layers_give_finite_numbers(distance: str) -> None:
    for value in (0.0, 1.0):
        for statistic in (TRAIN_GRAM, RATE_GRAM):
            found = statistic.measure(torch.full((4, 5, 2, 3, 3), value))
            assert math.isfinite(mean_dissimilarity(rdm(found, distance)))
            assert effective_rank(found) == 0.0


def test_the_gram_of_trains_is_that_of_the_concatenated_time_steps() -> None:
    spikes = trains()
    patterns = spikes.permute(1, 0, 2, 3, 4).flatten(1).double()
    found = TRAIN_GRAM.measure(spikes)
    assert torch.equal(found.products, patterns @ patterns.T)
    assert torch.equal(found.sums, patterns.sum(1))
    assert found.n == patterns.shape[1] == 4 * 60
    assert found.products.dtype == torch.float64


def test_the_gram_of_rates_is_that_of_the_mean_over_time() -> None:
    spikes = trains()
    rates = spikes.double().mean(0).flatten(1)
    found = RATE_GRAM.measure(spikes)
    torch.testing.assert_close(found.products * found.unit**2, rates @ rates.T, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.sums * found.unit, rates.sum(1), rtol=1e-6, atol=0)
    assert found.n == 60


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 5, 4), (6, 1, 1)])
@pytest.mark.parametrize("statistic", [TRAIN_GRAM, RATE_GRAM], ids=["trains", "rates"])
def test_the_order_of_memory_changes_nothing(statistic: object, shape: tuple[int, int, int]) -> None:
    spikes = trains(shape=shape)
    last = spikes.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, spikes.shape[:2])
    assert torch.equal(last, spikes)
    measure = (TRAIN_GRAM if statistic is TRAIN_GRAM else RATE_GRAM).measure
    ours, theirs = measure(spikes), measure(last)
    torch.testing.assert_close(ours.products, theirs.products, rtol=1e-6, atol=0)
    torch.testing.assert_close(ours.sums, theirs.sums, rtol=1e-6, atol=0)
    assert ours.n == theirs.n


@given(st.integers(0, 1000))
def test_the_score_of_a_layer_does_not_depend_on_the_order_of_the_batch(seed: int) -> None:
    spikes = trains(seed=seed, shape=(2, 3, 3))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(6))
    for distance in DISTANCES:
        for statistic in (TRAIN_GRAM, RATE_GRAM):
            first = rdm(statistic.measure(spikes), distance)
            second = rdm(statistic.measure(spikes[:, order]), distance)
            torch.testing.assert_close(first[order][:, order], second, rtol=1e-5, atol=1e-6)
            assert mean_dissimilarity(first) == pytest.approx(mean_dissimilarity(second), rel=1e-5)


def test_the_mean_is_over_pairs_of_different_stimuli() -> None:
    matrix = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 6.0], [2.0, 6.0, 0.0]])
    assert mean_dissimilarity(matrix) == 3.0


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (np.eye(5), 4.0),  # equal spectrum in B - 1 directions
        (3.0 * np.eye(5) + 7.0, 4.0),  # neither scale nor shift count
        ([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], 1.0),
        (
            [[3**0.5, 0], [-(3**0.5), 0], [0, 1], [0, -1]],
            math.exp(-0.75 * math.log(0.75) - 0.25 * math.log(0.25)),
        ),
        ([[1, 0, 1], [1, 0, 1], [1, 0, 1]], 0.0),
        ([[0, 0], [0, 0]], 0.0),
        ([[1, 1], [1, 1]], 0.0),
    ],
)
def test_the_effective_rank_of_known_spectra(patterns: list[list[float]], expected: float) -> None:
    assert effective_rank(gram(patterns)) == pytest.approx(expected, abs=1e-9)


def test_the_proxy_is_the_mean_over_spiking_layers_of_the_mean_over_pairs() -> None:
    architecture = decode(library.load("inhibited_chain")[0], input_spec=InputSpec((1, 8, 8), 10))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 6, 1, 8, 8), dtype=np.float32))
    proxy = PROXIES.get("rdm")
    candidate = Candidate(architecture, inputs=x, time_steps=4, seed=0, statistics=proxy.statistics)
    measured = proxy.value(candidate)
    layers: list[float] = []

    def observe(node: int, spikes: Tensor) -> None:
        if architecture.nodes[node].neuron:
            flat = spikes.permute(1, 0, 2, 3, 4).flatten(1).double().numpy()
            layers.append(1.0 - np.corrcoef(flat)[np.triu_indices(6, k=1)].mean())

    with torch.no_grad():
        # The candidate's pass has stored its statistics, so that a later pass gives the spikes that were scored.
        candidate.network(x, time_steps=4, observe=observe)
    assert len(layers) == len(architecture.spiking)
    assert measured.value == pytest.approx(float(np.mean(layers)), rel=1e-3)
    assert set(measured.diagnostics) == {
        *("firing_rate", "dead_fraction", "saturated_fraction", "silent_layers", "effective_rank")
    }
    assert 0 < measured.diagnostics["firing_rate"] < 1
    assert 1 <= measured.diagnostics["effective_rank"] <= 5


def test_scoring_draws_nothing_from_the_global_generators() -> None:
    architecture = decode(library.load("separable")[0], input_spec=InputSpec((1, 8, 8), 10))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 6, 1, 8, 8), dtype=np.float32))
    proxy = PROXIES.get("rdm")
    before = torch.get_rng_state()
    candidates = [
        Candidate(architecture, inputs=x, time_steps=4, seed=seed, statistics=proxy.statistics)
        for seed in (0, 0, 1)
    ]
    first, second, other = (proxy.value(candidate) for candidate in candidates)
    assert first == second
    assert first.value != other.value
    assert torch.equal(torch.get_rng_state(), before)
