"""What a synapse does to the signal that passes it: shapes, parameters and multiply-accumulates, no weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from genomes.micro import Kernel

Shape = tuple[int, int, int]
"""Channels, height, width."""


class _Passive:
    """An operation without weights, which turns spikes into spikes."""

    keeps_spikes: ClassVar[bool] = True
    """Whether an input of 0 and 1 leaves as 0 and 1."""

    def n_parameters(self, shape: Shape) -> int:
        """None."""
        return 0

    def macs(self, shape: Shape) -> tuple[int, int]:
        """None."""
        return 0, 0


@dataclass(frozen=True)
class Identity(_Passive):
    """Hands the signal on."""

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves, given the shape that enters."""
        return shape

    def __str__(self) -> str:
        return "identity"


@dataclass(frozen=True)
class MaxPool(_Passive):
    """Maximum over windows of `size` x `size`, stride `size`; of spikes, so a logical or that stays 0 or 1."""

    size: int

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves; a last incomplete window is dropped."""
        return shape[0], shape[1] // self.size, shape[2] // self.size

    def __str__(self) -> str:
        return f"max pool {self.size}x{self.size}"


@dataclass(frozen=True)
class Resize(_Passive):
    """Nearest-neighbour enlargement to `height` x `width`, for feedback from a coarser stage."""

    height: int
    width: int

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves."""
        return shape[0], self.height, self.width

    def __str__(self) -> str:
        return f"resize to {self.height}x{self.width}"


@dataclass(frozen=True)
class Convolution:
    """Convolution without bias, zero padding `size // 2`, then batch norm, then the sign rectifier.

    `sign` +1 leaves a current >= 0 (excitatory), -1 a current <= 0 (inhibitory), 0 is unsigned. A separable kernel is a
    depthwise convolution followed by a 1 x 1 convolution, batch norm once at the end.
    """

    kernel: Kernel
    channels: int
    sign: int = 0
    stride: int = 1

    keeps_spikes: ClassVar[bool] = False

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves."""
        return self.channels, (shape[1] - 1) // self.stride + 1, (shape[2] - 1) // self.stride + 1

    def n_parameters(self, shape: Shape) -> int:
        """Weights and the scale and shift of the batch norm."""
        area, norm = self.kernel.size**2, 2 * self.channels
        if self.kernel.separable:
            return shape[0] * area + shape[0] * self.channels + norm
        return shape[0] * area * self.channels + norm

    def macs(self, shape: Shape) -> tuple[int, int]:
        """Multiply-accumulates of one time step: (those that read the input, those that read an inner result).

        The second number is the 1 x 1 part of a separable kernel, 0 otherwise. Positions in the padding count.
        """
        _, height, width = self.out_shape(shape)
        area = self.kernel.size**2 * height * width
        if self.kernel.separable:
            return shape[0] * area, shape[0] * self.channels * height * width
        return shape[0] * area * self.channels, 0

    def __str__(self) -> str:
        sign = {1: " excitatory", -1: " inhibitory", 0: ""}[self.sign]
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"{self.kernel} convolution{stride}{sign}"


Operation = Identity | MaxPool | Resize | Convolution
