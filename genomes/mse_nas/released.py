"""Genomes of MSE-NAS as released: flat vectors of integers, most of which nothing reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from genomes.architecture import Architecture
from genomes.errors import IllegalGeneError
from genomes.gene_space import among
from genomes.mse_nas.motifs import NAMES, PREDECESSORS, RELEASED
from genomes.mse_nas.skeleton import SizedMotif, Skeleton
from genomes.space import Gene
from genomes.variation import pick

GENES_PER_LAYER = 20
"""Genes of a layer: the motif, 18 for its edges (0: 3x3, 1: 5x5), and one, of 0 to 2, that is never read."""

SIZES = (3, 5)
"""Kernel size by gene."""


@dataclass(frozen=True)
class ReleasedGenome:
    """20 numbers for each layer, reductions included, and the number of predecessors."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class ReleasedForm:
    """The genomes with motif numbers 0 to `mid`, uniformly drawn; their networks have the defects of the release.

    Raises:
        IllegalGeneError: no motif with number `mid`.
    """

    skeleton: Skeleton
    mid: int

    genome_type: ClassVar[type] = ReleasedGenome

    def __post_init__(self) -> None:
        if not 0 <= self.mid < len(NAMES):
            raise IllegalGeneError(
                f"space.mid: expected the number of a motif, 0 to {len(NAMES) - 1}, got {self.mid}"
            )

    def domains(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Scale, name and legal values of each number."""
        found: list[tuple[str, str, tuple[int, ...]]] = []
        for layer in range(self.skeleton.n_layers):
            found.append(("meso", f"layer {layer} motif", tuple(range(self.mid + 1))))
            found += [
                ("micro", f"layer {layer} operation {k}", (0, 1)) for k in range(1, GENES_PER_LAYER - 1)
            ]
            found.append(("micro", f"layer {layer} operation {GENES_PER_LAYER - 1}", (0, 1, 2)))
        return [*found, ("macro", "predecessors", PREDECESSORS)]

    def sample(self, *, rng: np.random.Generator) -> ReleasedGenome:
        """A random genome."""
        return ReleasedGenome(tuple(pick(legal, rng) for _, _, legal in self.domains()))

    def genes(self, genome: ReleasedGenome) -> list[Gene[ReleasedGenome]]:
        """Every number of the vector, those that nothing reads included."""

        def changer(i: int) -> Callable[[int, np.random.Generator], ReleasedGenome]:
            return lambda value, _: ReleasedGenome((*genome.numbers[:i], value, *genome.numbers[i + 1 :]))

        found = [
            Gene(scale, name, value, tuple(v for v in legal if v != value), changer(i))
            for i, ((scale, name, legal), value) in enumerate(
                zip(self.domains(), genome.numbers, strict=True)
            )
        ]
        return [gene for gene in found if gene.alternatives]

    def crossover(
        self, first: ReleasedGenome, second: ReleasedGenome, *, rng: np.random.Generator
    ) -> ReleasedGenome:
        """A child of two-point crossover, as in the release: `first` with a stretch of `second`."""
        start, stop = sorted(int(i) for i in rng.integers(len(first.numbers) + 1, size=2))
        return ReleasedGenome((*first.numbers[:start], *second.numbers[start:stop], *first.numbers[stop:]))

    def draw(self, genome: ReleasedGenome) -> Architecture:
        """The architecture of `genome`, as the release builds it."""
        n = genome.numbers[-1]
        motifs = {
            layer: self._motif(self._layer_genes(genome, layer), n) for layer in self.skeleton.motif_layers
        }
        return self.skeleton.draw(motifs, n_predecessors=n, as_released=True)

    def _layer_genes(self, genome: ReleasedGenome, layer: int) -> Sequence[int]:
        return genome.numbers[GENES_PER_LAYER * layer : GENES_PER_LAYER * (layer + 1)]

    def _motif(self, genes: Sequence[int], n_inputs: int) -> SizedMotif:
        """Edge k, absent ones counted, has gene k + 1; all feedback has the gene whose number is that of edges."""
        motif = RELEASED[NAMES[genes[0]], n_inputs]
        read = [len(motif.edges) if edge.delay else k for k, edge in enumerate(motif.edges, start=1)]
        return motif, [SIZES[genes[k]] for k, edge in zip(read, motif.edges, strict=True) if edge.sign]

    def check(self, genome: ReleasedGenome) -> None:
        """Refuse a genome of another length or with a number out of bounds.

        Raises:
            IllegalGeneError: the first such number.
        """
        domains = self.domains()
        among("length of the genome", len(genome.numbers), (len(domains),))
        for (_, name, legal), value in zip(domains, genome.numbers, strict=True):
            among(name, value, legal)

    def summary(self, genome: ReleasedGenome) -> list[str]:
        """The genome in words, one line per layer."""
        n = genome.numbers[-1]
        lines = [f"each motif reads {n} predecessors; as released"]
        for layer in range(self.skeleton.n_layers):
            genes = self._layer_genes(genome, layer)
            if layer in self.skeleton.reductions:
                lines.append(f"layer {layer}: reduction, {GENES_PER_LAYER} genes unread")
            else:
                _, sizes = self._motif(genes, n)
                lines.append(f"layer {layer}: motif {genes[0]} ({NAMES[genes[0]]}), kernels {sizes}")
        return lines
