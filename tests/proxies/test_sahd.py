"""Log-determinant kernels against values computed with the authors' code, and where they are singular."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate, Stimulation
from evonas.proxies.sahd import (
    Distance,
    equidistant,
    hamming,
    kernel,
    log_determinant,
    sahd_since_2022_07,
    sahd_until_2022_07,
)
from evonas.snn.statistics import STEP_GRAMS, StepGrams
from genomes import library
from genomes.architecture import InputSpec
from genomes.decoding import decode

DISTANCES: dict[str, Distance] = {
    "hamming_kernel": hamming,
    "sahd_until_2022_07": sahd_until_2022_07,
    "sahd_since_2022_07": sahd_since_2022_07,
}
REFERENCE = {
    "hamming_kernel": "logabsdet_hamming",
    "sahd_until_2022_07": "logabsdet_sahd_until_2022_07_18",
    "sahd_since_2022_07": "logabsdet_sahd_since_2022_07_19",
}
every_distance = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)


def grams(spikes: np.ndarray | Tensor) -> StepGrams:
    """The statistic of spikes (T, B, N), shown as N pixels."""
    found = STEP_GRAMS.measure(torch.as_tensor(np.asarray(spikes, dtype=np.float32))[..., None, None])
    assert isinstance(found, StepGrams)
    return found


def drawn(*, n_steps: int = 2, batch: int = 6, n: int = 40, rate: float = 0.3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n_steps, batch, n)) < rate


@pytest.mark.parametrize("case", range(6))
def test_log_determinants_agree_with_the_reference(case: int, oracles: Path) -> None:
    known = json.loads((oracles / "sahd_index.json").read_text())
    assert len(known) == 6
    n_steps, batch, n = known[case]["shape"]
    with np.load(oracles / "sahd_spikes.npz") as stored:
        bits = np.unpackbits(stored[known[case]["key"]])[: n_steps * batch * n]
    for name, distance in DISTANCES.items():
        found, n_singular = log_determinant(kernel([grams(bits.reshape(n_steps, batch, n))], distance))
        assert found == pytest.approx(known[case][REFERENCE[name]], rel=0, abs=1e-8)
        assert n_singular == 0


def test_a_kernel_of_two_samples_by_hand() -> None:
    # r = 2/4 and 1/4; they differ in 3 of 4, by chance in 1/2 x 3/4 + 1/2 x 1/4 = 1/2.
    found = grams(np.array([[[1, 1, 0, 0], [0, 0, 1, 0]]]))
    for distance, apart in (
        (hamming, 3.0),
        (sahd_until_2022_07, 0.5 * 3 / (0.5 + 0.001)),
        (sahd_since_2022_07, 0.5 * 3 / (4 * 0.5 + 0.001)),
    ):
        expected = torch.tensor([[4.0, 4.0 - apart], [4.0 - apart, 4.0]], dtype=torch.float64)
        torch.testing.assert_close(kernel([found], distance), expected, rtol=1e-15, atol=0)


@every_distance
def test_every_layer_and_time_step_is_one_call(distance: Distance) -> None:
    # Layers of different size and length: three calls in all, each with the same weight.
    long, large = drawn(n_steps=2), drawn(n_steps=1, n=90, seed=1)
    alone = [kernel([grams(spikes)], distance) for spikes in (long[:1], long[1:], large)]
    together = kernel([grams(long), grams(large)], distance)
    torch.testing.assert_close(together, (alone[0] + alone[1] + alone[2]) / 3, rtol=1e-14, atol=0)


def test_the_first_form_follows_layer_size_and_the_second_hardly() -> None:
    spikes = drawn()
    doubled = np.concatenate([spikes, spikes], axis=2)

    def growth(distance: Distance) -> float:
        small, large = (log_determinant(kernel([grams(x)], distance))[0] for x in (spikes, doubled))
        return large - small

    assert growth(hamming) == pytest.approx(6 * math.log(2))
    assert growth(sahd_until_2022_07) == pytest.approx(6 * math.log(2))
    assert growth(sahd_since_2022_07) == pytest.approx(math.log(2), rel=0.02)  # the mean alone grows


@every_distance
def test_samples_that_nothing_tells_apart_cost_much_and_are_counted(distance: Distance) -> None:
    spikes = drawn(batch=8)
    whole, n_whole = log_determinant(kernel([grams(spikes)], distance))
    found = [whole]
    for n_equal in (1, 2, 3):
        spikes[:, n_equal] = spikes[:, 0]
        value, n_singular = log_determinant(kernel([grams(spikes)], distance))
        assert n_singular == n_equal
        found.append(value)
    assert n_whole == 0
    assert all(math.isfinite(value) for value in found)
    assert all(lost < before - 10.0 for before, lost in pairwise(found))


@every_distance
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_silent_and_saturated_layers_leave_one_direction(distance: Distance, value: float) -> None:
    found, n_singular = log_determinant(kernel([grams(np.full((3, 16, 50), value))], distance))
    assert n_singular == 15
    floor = 16 * 2.0**-52 * 16 * 50
    assert found == pytest.approx(math.log(16 * 50) + 15 * math.log(floor))


def test_a_kernel_of_nothing_but_zeros_has_a_finite_value_too() -> None:
    value, n_singular = log_determinant(torch.zeros(3, 3, dtype=torch.float64))
    assert n_singular == 3
    assert math.isfinite(value)


def test_a_negative_determinant_has_the_log_of_its_size() -> None:
    value, _ = log_determinant(torch.tensor([[1.0, 3.0], [3.0, 1.0]], dtype=torch.float64))
    assert value == pytest.approx(math.log(8))


def test_equidistant_patterns_have_the_closed_form() -> None:
    matrix = torch.full((5, 5), 40.0 - 7.0, dtype=torch.float64).fill_diagonal_(40.0)
    assert equidistant(7.0, n=40.0, batch=5) == pytest.approx(log_determinant(matrix)[0])


@pytest.mark.parametrize("batch", [64, 256])
@pytest.mark.parametrize("name", DISTANCES)
def test_the_bounds_hold_what_layers_of_that_size_reach(name: str, batch: int) -> None:
    architecture = decode(library.load("spiking_vgg")[0], input_spec=InputSpec((1, 8, 8), 10))
    stimulation = Stimulation(time_steps=2, batch=batch, static=True)
    low, high = PROXIES.get(name).bounds([architecture], stimulation)
    distance = DISTANCES[name]
    n = architecture.n_neurons // len(architecture.spiking)
    for rate in (0.02, 0.2, 0.5):
        found, _ = log_determinant(kernel([grams(drawn(batch=batch, n=n, rate=rate))], distance))
        assert low + 0.2 * (high - low) < found < high
    silent, _ = log_determinant(kernel([grams(np.zeros((2, batch, n)))], distance))
    assert silent < low


@pytest.mark.parametrize("name", DISTANCES)
def test_the_proxy_sums_over_all_spiking_layers(name: str) -> None:
    architecture = decode(library.load("inhibited_chain")[0], input_spec=InputSpec((1, 8, 8), 10))
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 6, 1, 8, 8), dtype=np.float32))
    proxy = PROXIES.get(name)
    found = Candidate(architecture, inputs=x, time_steps=4, seed=0, statistics=proxy.statistics)
    measured = proxy.value(found)
    layers: list[Tensor] = []

    def observe(node: int, spikes: Tensor) -> None:
        if node in architecture.spiking:
            layers.append(spikes.flatten(2))

    with torch.no_grad():
        found.network(x, time_steps=4, observe=observe)
    distance = DISTANCES[name]
    calls = [kernel([grams(spikes[t : t + 1])], distance) for spikes in layers for t in range(4)]
    assert len(calls) == 4 * len(architecture.spiking)
    expected = torch.linalg.slogdet(torch.stack(calls).mean(0)).logabsdet
    assert measured.value == pytest.approx(float(expected), rel=1e-9)
    assert measured.diagnostics["singular_directions"] == 0.0
    assert 0 < measured.diagnostics["firing_rate"] < 1
