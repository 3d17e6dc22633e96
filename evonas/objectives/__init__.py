"""Objectives, one file each; a file registers its objectives in `OBJECTIVES`."""

from evonas.objectives.objective import OBJECTIVES, Objective
from genomes.registry import load_modules

load_modules(__name__)

__all__ = ["OBJECTIVES", "Objective"]
