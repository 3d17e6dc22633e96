"""Surrogate gradients against the derivatives of their closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from evonas.snn.surrogates import SURROGATES, spike
from genomes.errors import UnknownNameError

NAMES = SURROGATES.names()
# Off the kinks of the triangle (0, +-1) and the edges of the rectangle (+-0.5), where a derivative does not exist.
DISTANCES = torch.linspace(-3.0, 3.0, 602, dtype=torch.float64)


def test_the_four_surrogates_of_the_design_are_registered() -> None:
    assert {"arctan", "sigmoid", "triangle", "rectangle"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_the_derivative_of_the_closed_form(name: str) -> None:
    surrogate = SURROGATES.get(name)
    z = DISTANCES.clone().requires_grad_()
    (derivative,) = torch.autograd.grad(surrogate.primitive(z).sum(), z)
    torch.testing.assert_close(surrogate.gradient(DISTANCES), derivative, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_the_slope_of_the_closed_form_by_finite_differences(name: str) -> None:
    surrogate, h = SURROGATES.get(name), 1e-6
    slope = (surrogate.primitive(DISTANCES + h) - surrogate.primitive(DISTANCES - h)) / (2 * h)
    torch.testing.assert_close(surrogate.gradient(DISTANCES), slope, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_closed_form_rises_from_zero_to_one(name: str) -> None:
    surrogate = SURROGATES.get(name)
    values = surrogate.primitive(torch.tensor([-1e6, 0.0, 1e6], dtype=torch.float64))
    torch.testing.assert_close(values, torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), rtol=0, atol=1e-6)
    assert surrogate.primitive(DISTANCES).diff().min() >= 0


@pytest.mark.parametrize(
    ("name", "at_zero", "at_a_quarter"),
    [
        ("arctan", 1.0, 1 / (1 + (math.pi / 4) ** 2)),
        ("sigmoid", 1.0, 4 * math.exp(-1) / (1 + math.exp(-1)) ** 2),
        ("triangle", 1.0, 0.75),
        ("rectangle", 1.0, 1.0),
    ],
)
def test_the_gradient_has_the_published_height_and_width(
    name: str, at_zero: float, at_a_quarter: float
) -> None:
    values = SURROGATES.get(name).gradient(torch.tensor([0.0, 0.25, -0.25], dtype=torch.float64))
    expected = torch.tensor([at_zero, at_a_quarter, at_a_quarter], dtype=torch.float64)
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_leaves_its_argument_alone_and_keeps_the_dtype(name: str) -> None:
    z = torch.tensor([-0.7, 0.0, 0.4])
    before = z.clone()
    gradient = SURROGATES.get(name).gradient(z)
    assert torch.equal(z, before)
    assert gradient.dtype == z.dtype
    assert gradient.data_ptr() != z.data_ptr()


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_stays_finite_far_from_the_threshold(name: str) -> None:
    gradient = SURROGATES.get(name).gradient(torch.tensor([-1e30, 1e30, math.inf, -math.inf]))
    assert torch.equal(gradient, torch.zeros(4))


def test_a_spike_passes_the_surrogate_gradient_back() -> None:
    z = torch.tensor([-0.3, 0.0, 0.2, 5.0], requires_grad=True)
    surrogate = SURROGATES.get("triangle")
    spikes = spike(z, surrogate)
    spikes.backward(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert spikes.tolist() == [0.0, 1.0, 1.0, 1.0]
    torch.testing.assert_close(z.grad, torch.tensor([0.7, 2.0, 2.4, 0.0]))


def test_a_misspelt_surrogate_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'arctan'"):
        SURROGATES.get("arctn")
