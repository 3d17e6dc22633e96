"""A genome of one search space taken over into another that has the same kind of genomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from genomes.cell_space import CellGenome, CellSpace
from genomes.cells import Cell, cleaned
from genomes.genome import Genome
from genomes.space import Space
from genomes.spaces.evonas import EvonasSpace


def adopted(genome: Any, space: Space[Any]) -> Any:
    """`genome` without the feedback edges that `space` does not offer; everything else as it is.

    In cells, edges that are then on no way from input to output go too. Inputs of another shape are no hindrance.

    Raises:
        IllegalGeneError: the space does not contain what is left.
    """
    if isinstance(genome, CellGenome) and isinstance(space, CellSpace) and not space.feedback:
        edges = tuple(edge for edge in genome.cell.edges if not edge.is_feedback)
        genome = replace(genome, cell=cleaned(Cell(edges)))
    if isinstance(genome, Genome) and isinstance(space, EvonasSpace) and not space.max_feedback:
        genome = replace(genome, feedback=())
    space.check(genome)
    return genome
