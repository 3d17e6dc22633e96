"""Variation that every space shares: change a few genes, each scale with the same chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from genomes.space import Gene, Space

T = TypeVar("T")


def mutate_genes(
    space: Space[Any], genome: Any, *, rng: np.random.Generator, mean_changes: float = 2.0
) -> Any:
    """A copy of `genome` with one or more genes changed (a geometric number with mean `mean_changes`).

    The scale is drawn first, so that the many micro genes do not crowd out the few macro genes. In a space in which
    nothing varies it is `genome` itself.
    """
    for _ in range(rng.geometric(1.0 / mean_changes)):
        by_scale: dict[str, list[Gene[Any]]] = {}
        for gene in space.genes(genome):
            by_scale.setdefault(gene.scale, []).append(gene)
        if not by_scale:
            break
        genes = by_scale[pick(sorted(by_scale), rng)]
        gene = pick(genes, rng)
        genome = gene.change(pick(gene.alternatives, rng), rng)
    return genome


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    """One of `options`, each with the same chance."""
    return options[int(rng.integers(len(options)))]
