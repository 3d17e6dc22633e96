"""What is kept of a layer's spikes, against the same by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.snn.statistics import (
    COUNTS,
    CURRENT_GRAM,
    RATE_GRAM,
    STEP_GRAMS,
    TRAIN_GRAM,
    Counts,
    StepGrams,
    health,
    spike_counts,
)


def trains(*, n_steps: int = 4, batch: int = 6, shape: tuple[int, int, int] = (3, 5, 4)) -> Tensor:
    rng = np.random.default_rng(0)
    rate = rng.random((1, batch, *shape))
    return torch.from_numpy((rng.random((n_steps, batch, *shape)) < rate).astype(np.float32))


def test_counts_are_spikes_per_inference_at_each_pixel() -> None:
    spikes = trains()
    found = COUNTS.measure(spikes)
    torch.testing.assert_close(found.per_pixel, spikes.double().sum((0, 2)).mean(0))
    assert found.firing_rate == pytest.approx(spikes.double().mean().item())
    assert found.n_neurons == 60


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 5, 4), (6, 1, 1)])
def test_counts_do_not_depend_on_the_order_of_memory(shape: tuple[int, int, int]) -> None:
    spikes = trains(shape=shape)
    spikes[:, :, 0, 0, 0] = 0.0
    spikes[:, :, -1, -1, -1] = 1.0
    last = spikes.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, spikes.shape[:2])
    assert torch.equal(last, spikes)
    found, other = COUNTS.measure(spikes), COUNTS.measure(last)
    torch.testing.assert_close(found.per_pixel, spikes.double().sum((0, 2)).mean(0))
    assert torch.equal(found.per_pixel, other.per_pixel)
    assert replace(found, per_pixel=None) == replace(other, per_pixel=None)
    per_neuron = spikes.mean((0, 1))
    assert found.dead == (per_neuron == 0).double().mean().item() > 0
    assert found.saturated == (per_neuron == 1).double().mean().item() > 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("n_steps", [1, 4])
def test_the_gram_of_currents_is_that_of_their_mean_over_time(
    n_steps: int, layout: torch.memory_format
) -> None:
    current = torch.from_numpy(np.random.default_rng(0).standard_normal((n_steps, 6, 3, 5, 4), "float32"))
    laid_out = current.flatten(0, 1).contiguous(memory_format=layout).unflatten(0, (n_steps, 6))
    found = CURRENT_GRAM.measure(laid_out)
    patterns = current.double().mean(0).flatten(1)
    torch.testing.assert_close(found.products, patterns @ patterns.T, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found.sums, patterns.sum(1), rtol=1e-5, atol=1e-4)
    assert (found.n, found.unit) == (60, 1.0)
    assert CURRENT_GRAM.of_current


@pytest.mark.parametrize(("n_steps", "side"), [(4, 5), (300, 16)])
def test_the_gram_of_rates_is_exact_however_large_the_counts_grow(n_steps: int, side: int) -> None:
    spikes = torch.ones(n_steps, 2, 1, side, side)
    spikes[0, 0, 0, 0, 0] = 0.0
    found = RATE_GRAM.measure(spikes)
    first = side**2 * n_steps - 1
    assert found.sums.tolist() == [first, side**2 * n_steps]
    assert found.products.tolist() == [
        [(side**2 - 1) * n_steps**2 + (n_steps - 1) ** 2, first * n_steps],
        [first * n_steps, side**2 * n_steps**2],
    ]
    assert found.unit == 1 / n_steps


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_spikes_are_counted_for_each_neuron_and_sample(layout: torch.memory_format) -> None:
    spikes = trains().flatten(0, 1).contiguous(memory_format=layout).unflatten(0, (4, 6))
    found = spike_counts(spikes)
    assert torch.equal(found.of_sample, spikes.sum(0))
    assert found.n_steps == 4


def test_statistics_of_one_reduction_read_the_same_one() -> None:
    assert COUNTS.reduced is RATE_GRAM.reduced is spike_counts


def test_health_counts_each_neuron_once() -> None:
    small = torch.zeros(4, 2, 1, 1, 2)
    small[:, :, 0, 0, 0] = 1.0  # one of two neurons fires always, the other never
    large = torch.zeros(4, 2, 1, 2, 3)
    counts: dict[int, Counts] = {1: COUNTS.measure(small), 2: COUNTS.measure(large), 3: COUNTS.measure(large)}
    assert health(counts, (1, 2)) == {
        "firing_rate": pytest.approx(1 / 8),
        "dead_fraction": pytest.approx(7 / 8),
        "saturated_fraction": pytest.approx(1 / 8),
        "silent_layers": 1.0,
    }


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_grams_of_the_steps_are_those_of_each_step_alone(layout: torch.memory_format) -> None:
    spikes = trains()
    found = STEP_GRAMS.measure(
        spikes.flatten(0, 1).contiguous(memory_format=layout).unflatten(0, spikes.shape[:2])
    )
    assert isinstance(found, StepGrams)
    assert found.n == 60
    assert found.products.dtype == found.sums.dtype == torch.float64
    for step, products, sums in zip(spikes, found.products, found.sums, strict=True):
        patterns = step.flatten(1).double()
        assert torch.equal(products, patterns @ patterns.T)
        assert torch.equal(sums, patterns.sum(1))


def test_the_grams_of_the_steps_add_up_to_that_of_the_trains() -> None:
    steps, whole = STEP_GRAMS.measure(trains()), TRAIN_GRAM.measure(trains())
    assert torch.equal(steps.products.sum(0), whole.products)
    assert torch.equal(steps.sums.sum(0), whole.sums)
    assert steps.n * 4 == whole.n


def test_products_of_the_largest_layers_are_whole_numbers() -> None:
    # The first cell of SNASNet has 2^18 neurons.
    rng = np.random.default_rng(1)
    spikes = torch.from_numpy((rng.random((1, 2, 256, 32, 32)) < 0.7).astype(np.float32))
    found = STEP_GRAMS.measure(spikes)
    one, other = spikes[0].flatten(1).bool()
    assert found.products[0, 0, 1].item() == int((one & other).sum())
    assert (
        found.products[0].diagonal().tolist() == found.sums[0].tolist() == [int(one.sum()), int(other.sum())]
    )
