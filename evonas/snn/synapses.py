"""The torch form of a synapse, one module for each operation of `genomes.operations`.

Every module is called with a signal and whether batch norms use the statistics of the batch. The signal is
(N, C, H, W), time and batch together, or (T, B, C, H, W) for an operation that needs the whole sequence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import assert_never

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evonas.snn.attention import AttentionSynapse
from genomes.operations import (
    AveragePool,
    BareConvolution,
    Convolution,
    Dropout,
    Identity,
    Linear,
    MaxPool,
    Normalisation,
    Operation,
    Resize,
    Shape,
    Shift,
    SpatialAttention,
    Zero,
)

EPSILON = 1e-5
"""Added to the variance, as in Ioffe and Szegedy 2015."""

MOMENTUM = 0.1
"""Weight of the newest statistics in training."""


class BatchNorm(nn.Module):
    """Batch norm per channel whose running statistics are pooled over all calls of one forward pass.

    Off feedback cycles time is folded into the batch and there is one call; inside a cycle there is one call per time
    step, normalised by its own statistics, and `commit` stores the mean and variance of all steps together. The scale
    starts at 1 whatever the threshold of the neuron behind it.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self._moments: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor, batch_statistics: bool, *, in_place: bool = False) -> Tensor:
        """`x` (N, C, H, W) normalised by its own statistics, or by the running ones; `in_place`, written over `x`."""
        given = (None, None) if batch_statistics else (self.running_mean, self.running_var)
        arguments = (x, self.weight, self.bias, *given, batch_statistics, 0.0, EPSILON)
        out: Tensor
        if in_place:
            out, mean, inverse = torch.ops.aten.native_batch_norm.out(
                *arguments, out=x, save_mean=self.weight.new_empty(0), save_invstd=self.weight.new_empty(0)
            )
        else:
            out, mean, inverse = torch.native_batch_norm(*arguments)
        if batch_statistics:
            self._moments.append((mean.detach(), inverse.detach().float().pow(-2) - EPSILON))
        return out

    def commit(self, momentum: float) -> None:
        """Mix the statistics pooled since the last commit into the running ones with weight `momentum`."""
        if not self._moments:
            return
        means = torch.stack([mean for mean, _ in self._moments]).float()
        variances = torch.stack([variance for _, variance in self._moments])
        mean = means.mean(0)
        variance = (variances + means.square()).mean(0) - mean.square()
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance.clamp_(min=0.0), momentum)
        self._moments.clear()


class ConvolutionSynapse(nn.Module):
    """A `genomes.operations.Convolution` with weights; first weights are He-normal (He et al. 2015) from `rng`."""

    def __init__(self, operation: Convolution, *, in_shape: Shape, rng: np.random.Generator) -> None:
        super().__init__()
        size, channels = operation.kernel.size, operation.channels
        self.sign = operation.sign
        self.stride = operation.stride
        self.padding = size // 2
        self.depthwise: nn.Parameter | None = None
        if operation.kernel.separable:
            self.depthwise = _he_normal((in_shape[0], 1, size, size), rng=rng)
            self.weight = _he_normal((channels, in_shape[0], 1, 1), rng=rng)
        else:
            self.weight = _he_normal((channels, in_shape[0], size, size), rng=rng)
        self.norm = BatchNorm(channels)

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        """The current (N, C', H', W') that the signal `x` (N, C, H, W) causes: >= 0, <= 0 or unsigned."""
        if self.depthwise is not None:
            x = F.conv2d(x, self.depthwise, stride=self.stride, padding=self.padding, groups=x.shape[1])
            x = F.conv2d(x, self.weight)
        else:
            x = F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)
        in_place = not torch.is_grad_enabled()  # what a convolution has just made is nobody else's
        x = self.norm(x, batch_statistics, in_place=in_place)
        if not self.sign:
            return x
        x = F.relu(x, inplace=True)
        if self.sign > 0:
            return x
        return x.neg_() if in_place else -x


class BareConvolutionSynapse(nn.Module):
    """A `genomes.operations.BareConvolution` with weights, He-normal from `rng`."""

    def __init__(self, operation: BareConvolution, *, in_shape: Shape, rng: np.random.Generator) -> None:
        super().__init__()
        self.stride, self.padding = operation.stride, operation.size // 2
        self.weight = _he_normal((operation.channels, in_shape[0], operation.size, operation.size), rng=rng)

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        """The current (N, C', H', W') that the signal `x` (N, C, H, W) causes."""
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)


class LinearSynapse(nn.Module):
    """A `genomes.operations.Linear` with weights, He-normal from `rng`."""

    def __init__(self, operation: Linear, *, in_shape: Shape, rng: np.random.Generator) -> None:
        super().__init__()
        # A convolution as large as its input, so that signals keep their four dimensions and their layout.
        self.weight = _he_normal((operation.features, *in_shape), rng=rng)

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        """The current (N, features, 1, 1) that the signal `x` (N, C, H, W) causes."""
        return F.conv2d(x, self.weight)


class NormalisationSynapse(nn.Module):
    """A batch norm on its own."""

    def __init__(self, *, in_shape: Shape) -> None:
        super().__init__()
        self.norm = BatchNorm(in_shape[0])

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        """The signal `x` (N, C, H, W) normalised."""
        out: Tensor = self.norm(x, batch_statistics)
        return out


class DropoutSynapse(nn.Module):
    """Dropout whose mask is the same at every time step (Lee et al. 2020, Front. Neurosci. 14:119, section 2.3)."""

    def __init__(self, operation: Dropout) -> None:
        super().__init__()
        self.rate = operation.rate

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        """The sequence `x` (T, B, C, H, W), in training with the numbers of one mask (B, C, H, W) dropped."""
        return x * F.dropout(torch.ones_like(x[:1]), self.rate) if self.training else x


class PassiveSynapse(nn.Module):
    """An operation without weights and without memory."""

    def __init__(self, operation: Identity | Zero | Shift | MaxPool | AveragePool | Resize) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor, batch_statistics: bool) -> Tensor:
        """The signal `x` (N, C, H, W) handed on, silenced, shifted, pooled or enlarged."""
        match self.operation:
            case MaxPool(size):
                return F.max_pool2d(x, size)
            case AveragePool(size, stride):
                return F.avg_pool2d(x, size, stride, self.operation.padding)
            case Resize(height, width):
                return F.interpolate(x, size=(height, width), mode="nearest")
            case Shift(n):
                return F.pad(x, (-n, n, -n, n))
            case Zero():
                return torch.zeros_like(x)
            case Identity():
                return x
            case _:
                assert_never(self.operation)


def synapse(operation: Operation, *, in_shape: Shape, rng: np.random.Generator) -> nn.Module:
    """The module of an operation on signals of shape `in_shape`; `rng` draws the first weights."""
    match operation:
        case Convolution():
            return ConvolutionSynapse(operation, in_shape=in_shape, rng=rng)
        case BareConvolution():
            return BareConvolutionSynapse(operation, in_shape=in_shape, rng=rng)
        case Linear():
            return LinearSynapse(operation, in_shape=in_shape, rng=rng)
        case Normalisation():
            return NormalisationSynapse(in_shape=in_shape)
        case Dropout():
            return DropoutSynapse(operation)
        case SpatialAttention():
            return AttentionSynapse(operation, rng=rng)
        case _:
            return PassiveSynapse(operation)


def _he_normal(shape: Sequence[int], *, rng: np.random.Generator) -> nn.Parameter:
    scale = math.sqrt(2.0 / math.prod(shape[1:]))
    weight = torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32)).mul_(scale)
    return nn.Parameter(weight.contiguous(memory_format=torch.channels_last))
