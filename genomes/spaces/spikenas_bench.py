"""SpikeNAS-Bench: SNASNet's forward cells, where an edge chooses the threshold of its neurons.

The skeleton is that of SNASNet at 128 channels; its own neurons keep the threshold 1, the benchmark varies those of the
edges alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from genomes.cell_space import CellGenome, CellSpace
from genomes.cells import SPIKENAS_BENCH_CODES, from_code
from genomes.space import SPACES


@dataclass(frozen=True)
class SpikenasBenchSpace(CellSpace):
    """Cells of six edges whose output is reached; the network for CIFAR10 is that of the benchmark's table."""

    channels: tuple[int, ...] = (128,)
    pool: int = 2

    name: ClassVar[str] = "spikenas_bench"

    @property
    def operations(self) -> tuple[str, ...]:
        """Identity, and 3 x 3 convolution behind neurons of threshold 0.5, 1 or 1.5."""
        return SPIKENAS_BENCH_CODES[1:]

    def from_text(self, text: str) -> CellGenome:
        """The genome of a cell written as the benchmark does, six digits; see `from_code`."""
        return self.genome(from_code(text))


SPACES.register("spikenas_bench", SpikenasBenchSpace)
