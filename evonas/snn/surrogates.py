"""Surrogate gradients: what stands in for the derivative of the spike's step function during training.

The argument of all of them is z = u - threshold, the distance of the membrane potential from the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genomes.registry import Registry

ARCTAN_SLOPE = 2.0  # alpha; Fang et al., ICCV 2021 (arXiv 2007.05785) and the default of SpikingJelly
SIGMOID_SLOPE = 4.0  # alpha; the default of SpikingJelly
TRIANGLE_HALF_WIDTH = 1.0  # gamma; Deng et al., ICLR 2022 (arXiv 2202.11946)
RECTANGLE_HALF_WIDTH = 0.5  # a; Wu et al., Frontiers in Neuroscience 2018, eq. 24 with a_1 = 2 a


@dataclass(frozen=True)
class Surrogate:
    """A surrogate gradient and the closed form that it is the derivative of.

    `gradient` maps z (any shape) to a new tensor of its shape and dtype: the stand-in for d spike / d z.
    `primitive` is the smooth step with that derivative, from 0 far below the threshold to 1 far above.
    """

    name: str
    gradient: Callable[[Tensor], Tensor]
    primitive: Callable[[Tensor], Tensor]
    source: str


SURROGATES: Registry[Surrogate] = Registry("surrogate gradient")


# The gradients are chains of in-place operations on one new tensor: they run once per time step of every
# layer.


def _arctan_gradient(z: Tensor) -> Tensor:
    scale = math.pi * ARCTAN_SLOPE / 2
    bell = z.square().mul_(scale * scale).add_(1.0).reciprocal_()
    return bell if ARCTAN_SLOPE == 2.0 else bell.mul_(ARCTAN_SLOPE / 2)


def _arctan_primitive(z: Tensor) -> Tensor:
    return torch.atan(z * (math.pi * ARCTAN_SLOPE / 2)) / math.pi + 0.5


def _sigmoid_gradient(z: Tensor) -> Tensor:
    step = z.mul(SIGMOID_SLOPE).sigmoid_()
    return step.addcmul_(step, step, value=-1.0).mul_(SIGMOID_SLOPE)


def _sigmoid_primitive(z: Tensor) -> Tensor:
    return torch.sigmoid(z * SIGMOID_SLOPE)


def _triangle_gradient(z: Tensor) -> Tensor:
    return z.abs().neg_().add_(TRIANGLE_HALF_WIDTH).clamp_(min=0.0).mul_(TRIANGLE_HALF_WIDTH**-2)


def _triangle_primitive(z: Tensor) -> Tensor:
    inside = (z / TRIANGLE_HALF_WIDTH).clamp(-1.0, 1.0)
    return 0.5 + inside - inside * inside.abs() / 2


def _rectangle_gradient(z: Tensor) -> Tensor:
    return z.abs().lt_(RECTANGLE_HALF_WIDTH).mul_(0.5 / RECTANGLE_HALF_WIDTH)


def _rectangle_primitive(z: Tensor) -> Tensor:
    return (z * (0.5 / RECTANGLE_HALF_WIDTH) + 0.5).clamp(0.0, 1.0)


for _surrogate in (
    Surrogate(
        "arctan",
        _arctan_gradient,
        _arctan_primitive,
        "Fang et al., Incorporating Learnable Membrane Time Constant, ICCV 2021, arXiv 2007.05785",
    ),
    Surrogate(
        "sigmoid",
        _sigmoid_gradient,
        _sigmoid_primitive,
        "Neftci et al., Surrogate Gradient Learning, IEEE Signal Processing Magazine 2019, arXiv 1901.09948",
    ),
    Surrogate(
        "triangle",
        _triangle_gradient,
        _triangle_primitive,
        "Deng et al., Temporal Efficient Training, ICLR 2022, arXiv 2202.11946",
    ),
    Surrogate(
        "rectangle",
        _rectangle_gradient,
        _rectangle_primitive,
        "Wu et al., Spatio-Temporal Backpropagation, Frontiers in Neuroscience 2018, arXiv 1706.02609",
    ),
):
    SURROGATES.register(_surrogate.name, _surrogate)


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, z: Tensor, surrogate: Surrogate) -> Tensor:
        ctx.save_for_backward(z)
        ctx.surrogate = surrogate  # type: ignore[attr-defined]
        return z.ge(0).to(z.dtype)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, None]:
        (z,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return ctx.surrogate.gradient(z).mul_(grads[0]), None  # type: ignore[attr-defined]


def spike(z: Tensor, surrogate: Surrogate) -> Tensor:
    """1 where z >= 0, else 0, in the dtype of z; `surrogate` takes the place of the derivative in the
    backward pass.

    >>> spike(torch.tensor([-0.1, 0.0, 2.0]), SURROGATES.get("arctan"))
    tensor([0., 1., 1.])
    """
    spikes: Tensor = _Spike.apply(z, surrogate)
    return spikes
