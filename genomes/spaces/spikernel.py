"""SpiKernel: cells whose convolutions have the sizes of a chosen set, in networks that fit small memories.

Putra and Shafique, "SpiKernel", IEEE Embedded Systems Letters 17(3), 2025, arXiv 2404.01685: one search for each set
of kernel sizes, each under a budget of memory. The sets themselves are not known here. The widths of the network are
genes, as the authors' SpikeNAS (arXiv 2402.11322) changes them too; most of SNASNet's parameters lie in its hidden
layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from genomes.cell_space import CellSpace
from genomes.cells import KERNEL_SIZES
from genomes.errors import IllegalGeneError
from genomes.space import SPACES


@dataclass(frozen=True)
class SpikernelSpace(CellSpace):
    """Forward cells of identities and convolutions of `kernel_sizes`, whose output is reached."""

    channels: tuple[int, ...] = (32, 64, 128)
    hidden: tuple[int, ...] = (256, 512, 1024)
    kernel_sizes: tuple[int, ...] = (1, 3, 5)

    name: ClassVar[str] = "spikernel"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kernel_sizes or not set(self.kernel_sizes) <= set(KERNEL_SIZES):
            raise IllegalGeneError(
                f"space.kernel_sizes: expected one or more of {', '.join(map(str, KERNEL_SIZES))},"
                f" got {', '.join(map(str, self.kernel_sizes)) or 'none'}"
            )

    @property
    def operations(self) -> tuple[str, ...]:
        """Identity, and one convolution behind neurons for each size."""
        return ("identity", *(f"conv{size}" for size in self.kernel_sizes))


SPACES.register("spikernel", SpikernelSpace)
