"""SNASNet: cells of five operations, without and with feedback.

Kim et al., "Neural architecture search for spiking neural networks", ECCV 2022, arXiv 2201.10355.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from genomes.cell_space import CellGenome, CellSpace
from genomes.cells import SNASNET_CODES, from_con_mat
from genomes.space import SPACES


@dataclass(frozen=True)
class SnasnetForwardSpace(CellSpace):
    """Cells whose edges run forward, the one from input to output always there."""

    name: ClassVar[str] = "snasnet_forward"
    direct: ClassVar[bool] = True

    @property
    def operations(self) -> tuple[str, ...]:
        """Identity, 1 x 1 and 3 x 3 convolution behind neurons, 3 x 3 average pooling."""
        return SNASNET_CODES[1:]

    def from_text(self, text: str) -> CellGenome:
        """The genome of a connection matrix, four rows of four codes; see `from_con_mat`."""
        return self.genome(from_con_mat(text))


@dataclass(frozen=True)
class SnasnetBackwardSpace(SnasnetForwardSpace):
    """Cells in which any edge but that from input to output may be feedback instead."""

    name: ClassVar[str] = "snasnet_backward"
    feedback: ClassVar[bool] = True


SPACES.register("snasnet_forward", SnasnetForwardSpace)
SPACES.register("snasnet_backward", SnasnetBackwardSpace)
