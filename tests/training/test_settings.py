"""Settings of a training: refused where wrong; optimiser and learning rate follow them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from evonas.errors import ConfigError
from evonas.training.device import open_device, open_precision
from evonas.training.settings import OPTIMIZERS, Settings, build_optimizer, learning_rate_at
from genomes.errors import UnknownNameError

SETTINGS = Settings(
    time_steps=4,
    epochs=2,
    batch=32,
    optimizer="adamw",
    learning_rate=0.01,
    weight_decay=0.02,
    label_smoothing=0.1,
    amp=False,
    seed=0,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_steps", 0),
        ("epochs", 0),
        ("batch", 1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1.0),
        ("label_smoothing", 1.0),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"training.{name}: .* {value} given") as caught:
        replace(SETTINGS, **{name: value})
    assert "\n" not in str(caught.value)


def test_an_unknown_optimizer_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'adamw'"):
        replace(SETTINGS, optimizer="adam")


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_weight_decay_spares_gains_shifts_and_time_constants(
    name: str, small_network: Callable[[], nn.Module]
) -> None:
    network = small_network()
    optimizer = build_optimizer(network, settings=replace(SETTINGS, optimizer=name))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    decayed = {n for n, p in network.named_parameters() if decay[id(p)] == 0.02}
    assert decayed == {"encode.weight", "readout.weight"}
    assert len(decay) == len(list(network.parameters()))


def test_sgd_has_momentum(small_network: Callable[[], nn.Module]) -> None:
    optimizer = build_optimizer(small_network(), settings=replace(SETTINGS, optimizer="sgd"))
    assert {group["momentum"] for group in optimizer.param_groups} == {0.9}


@pytest.mark.parametrize("n_steps", [1, 2, 10, 400])
def test_the_learning_rate_rises_to_its_peak_and_falls_towards_zero(n_steps: int) -> None:
    rates = [learning_rate_at(step, n_steps=n_steps, peak=0.3) for step in range(n_steps)]
    top = rates.index(max(rates))
    assert max(rates) == 0.3
    assert min(rates) > 0
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert n_steps < 400 or (rates[-1] < 1e-5 and top == 19)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"training.device: 'cpu', 'cuda' or 'cuda:1' expected"):
        open_device(name)


def test_a_cuda_device_that_is_not_there_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"'cuda:99' asked, but .* use 'cpu'") as caught:
        open_device("cuda:99")
    assert "\n" not in str(caught.value)


def test_mixed_precision_on_the_cpu_is_bfloat16_without_scaling() -> None:
    precision = open_precision(amp=True, device=torch.device("cpu"))
    assert precision.dtype == torch.bfloat16
    assert not precision.scales_loss
    assert open_precision(amp=False, device=torch.device("cpu")).dtype is None
