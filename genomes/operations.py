"""What a synapse does to the signal that passes it: shapes, parameters and multiply-accumulates, no weights.

To add an operation, define it here and its torch module in `evonas.snn.synapses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from genomes.attention import ATTENTIONS
from genomes.micro import Kernel

Shape = tuple[int, int, int]
"""Channels, height, width."""


class _Operation:
    """What holds where an operation says nothing else."""

    keeps_spikes: ClassVar[bool] = False
    """Whether an input of 0 and 1 leaves as 0 and 1."""

    needs_sequence: ClassVar[bool] = False
    """Whether it must see all time steps at once, so that it cannot lie on a feedback cycle."""

    mixes_channels: ClassVar[bool] = False
    """Whether every channel that leaves is made of all that enter, or of none, so that their order means nothing."""

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves, given the shape that enters."""
        return shape

    def n_parameters(self, shape: Shape) -> int:
        """Learnable numbers, given the shape that enters."""
        return 0

    def macs(self, shape: Shape) -> tuple[int, int]:
        """Multiply-accumulates of one time step: (those that read the input, those that read an inner result)."""
        return 0, 0

    def connections(self, shape: Shape) -> NDArray[np.float64] | None:
        """Accumulates (H, W) that a single spike at each place causes; None where it multiplies whatever it reads."""
        return None


@dataclass(frozen=True)
class Identity(_Operation):
    """Hands the signal on."""

    keeps_spikes: ClassVar[bool] = True

    def __str__(self) -> str:
        return "identity"


@dataclass(frozen=True)
class Zero(_Operation):
    """Hands on nothing: an absent edge that a published network computes all the same."""

    keeps_spikes: ClassVar[bool] = True
    mixes_channels: ClassVar[bool] = True

    def __str__(self) -> str:
        return "zero"


@dataclass(frozen=True)
class Shift(_Operation):
    """Moves the signal up and left by `pixels`; what moves in is zero."""

    pixels: int

    keeps_spikes: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"shift by {self.pixels}"


@dataclass(frozen=True)
class MaxPool(_Operation):
    """Maximum over windows of `size` x `size`, stride `size`; of spikes, so a logical or that stays 0 or 1."""

    size: int

    keeps_spikes: ClassVar[bool] = True

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves; a last incomplete window is dropped."""
        return shape[0], shape[1] // self.size, shape[2] // self.size

    def __str__(self) -> str:
        return f"max pool {self.size}x{self.size}"


@dataclass(frozen=True)
class AveragePool(_Operation):
    """Mean over windows of `size` x `size`; of spikes, so no longer 0 and 1.

    Windows that overlap are padded with `(size - 1) // 2` zeros on each side, which count; others are not padded.
    """

    size: int
    stride: int

    @property
    def padding(self) -> int:
        """Zeros on each side."""
        return (self.size - 1) // 2 if self.stride < self.size else 0

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves; a last incomplete window is dropped."""
        channels, *sides = shape
        height, width = ((n + 2 * self.padding - self.size) // self.stride + 1 for n in sides)
        return channels, height, width

    def __str__(self) -> str:
        return f"average pool {self.size}x{self.size} stride {self.stride}"


@dataclass(frozen=True)
class Resize(_Operation):
    """Nearest-neighbour enlargement to `height` x `width`, for feedback from a coarser stage."""

    height: int
    width: int

    keeps_spikes: ClassVar[bool] = True

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves."""
        return shape[0], self.height, self.width

    def __str__(self) -> str:
        return f"resize to {self.height}x{self.width}"


@dataclass(frozen=True)
class Dropout(_Operation):
    """In training zeroes each number with chance `rate`, the same ones at every time step, and enlarges the others."""

    rate: float

    needs_sequence: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"dropout {self.rate:g}"


@dataclass(frozen=True)
class SpatialAttention(_Operation):
    """Scales a summed current by advance spatial attention; `variant` is a name of `genomes.attention`.

    Parameters do not depend on the number of time steps. That every step's current must be kept until the last one is
    there is not counted as memory: how many steps there are is not known here.

    Raises:
        UnknownNameError: no such variant.
    """

    variant: str

    needs_sequence: ClassVar[bool] = True

    def __post_init__(self) -> None:
        ATTENTIONS.get(self.variant)

    def n_parameters(self, shape: Shape) -> int:
        """A 3 x 3 convolution of 2 channels to 1 for each gated set; for the score 2 weights and 3 taps over time."""
        n_gated = len(ATTENTIONS.get(self.variant).gated)
        return 5 + 18 * n_gated if n_gated else 0

    def macs(self, shape: Shape) -> tuple[int, int]:
        """Multiply-accumulates of one time step: (those that read the input, those that read an inner result).

        Of the input, per number: its mean over space, its weighted mean over each gated set, its product with the
        factor; of inner results: the score (5 per channel), the factor (1 per number) and the 3 x 3 convolutions. These
        are computed once an inference and counted at every step, an upper bound. Maxima, sorting, sigmoids and
        divisions are not counted.
        """
        channels, height, width = shape
        n, n_gated = channels * height * width, len(ATTENTIONS.get(self.variant).gated)
        if not n_gated:
            return n, 0
        return n * (2 + n_gated), n + 5 * channels + 18 * height * width * n_gated

    def __str__(self) -> str:
        return f"attention '{self.variant}'"


@dataclass(frozen=True)
class Normalisation(_Operation):
    """A batch norm on its own."""

    def n_parameters(self, shape: Shape) -> int:
        """Scale and shift per channel."""
        return 2 * shape[0]

    def macs(self, shape: Shape) -> tuple[int, int]:
        """One per number: there is no convolution before it into which it could be folded."""
        return shape[0] * shape[1] * shape[2], 0

    def __str__(self) -> str:
        return "batch norm"


@dataclass(frozen=True)
class Linear(_Operation):
    """Every number of the input to each of `features` outputs, without bias, norm or sign."""

    features: int

    mixes_channels: ClassVar[bool] = True

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves, (features, 1, 1)."""
        return self.features, 1, 1

    def n_parameters(self, shape: Shape) -> int:
        """Weights."""
        return shape[0] * shape[1] * shape[2] * self.features

    def macs(self, shape: Shape) -> tuple[int, int]:
        """One per weight."""
        return self.n_parameters(shape), 0

    def connections(self, shape: Shape) -> NDArray[np.float64]:
        """`features` from everywhere."""
        return np.full(shape[1:], float(self.features))

    def __str__(self) -> str:
        return f"linear to {self.features}"


@dataclass(frozen=True)
class BareConvolution(_Operation):
    """Convolution without bias, zero padding `size // 2`, and nothing behind it."""

    size: int
    channels: int
    stride: int = 1

    mixes_channels: ClassVar[bool] = True

    def out_shape(self, shape: Shape) -> Shape:
        """The shape that leaves."""
        return self.channels, (shape[1] - 1) // self.stride + 1, (shape[2] - 1) // self.stride + 1

    def n_parameters(self, shape: Shape) -> int:
        """Weights."""
        return shape[0] * self.size**2 * self.channels

    def macs(self, shape: Shape) -> tuple[int, int]:
        """One per weight and place; positions in the padding count."""
        _, height, width = self.out_shape(shape)
        return self.n_parameters(shape) * height * width, 0

    def connections(self, shape: Shape) -> NDArray[np.float64]:
        """Borders counted exactly."""
        return _reached(shape, size=self.size, stride=self.stride) * self.channels

    def __str__(self) -> str:
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"{self.size}x{self.size} convolution{stride} without norm"


@dataclass(frozen=True)
class Convolution(_Operation):
    """Convolution without bias, zero padding `size // 2`, then batch norm, then the sign rectifier.

    `sign` +1 leaves a current >= 0 (excitatory), -1 a current <= 0 (inhibitory), 0 is unsigned. A separable kernel is a
    depthwise convolution followed by a 1 x 1 convolution, batch norm once at the end.
    """

    kernel: Kernel
    channels: int
    sign: int = 0
    stride: int = 1

    mixes_channels: ClassVar[bool] = True

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

    def connections(self, shape: Shape) -> NDArray[np.float64]:
        """Those of the part that reads the input, borders counted exactly."""
        channels = 1 if self.kernel.separable else self.channels
        return _reached(shape, size=self.kernel.size, stride=self.stride) * channels

    def __str__(self) -> str:
        sign = {1: " excitatory", -1: " inhibitory", 0: ""}[self.sign]
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        return f"{self.kernel} convolution{stride}{sign}"


def _reached(shape: Shape, *, size: int, stride: int) -> NDArray[np.float64]:
    """At how many places (H, W) of its result a convolution reads each place of its input."""

    def along(n: int) -> NDArray[np.float64]:
        n_out = (n - 1) // stride + 1
        offset = np.arange(n)[:, None] + size // 2 - np.arange(n_out)[None, :] * stride
        return np.asarray(((offset >= 0) & (offset < size)).sum(1), dtype=np.float64)

    return np.outer(along(shape[1]), along(shape[2]))


CONVOLUTIONS = (BareConvolution, Convolution)
"""The operations that convolve."""

Operation = (
    Identity
    | Zero
    | Shift
    | MaxPool
    | AveragePool
    | Resize
    | Dropout
    | SpatialAttention
    | Normalisation
    | Linear
    | BareConvolution
    | Convolution
)
