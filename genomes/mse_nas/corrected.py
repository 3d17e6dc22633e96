"""Genomes of MSE-NAS without inert genes: a motif and its kernels for each layer that holds one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from genomes.architecture import Architecture
from genomes.errors import IllegalGeneError
from genomes.gene_space import among
from genomes.mse_nas.motifs import CORRECTED, NAMES, PREDECESSORS, convolutions
from genomes.mse_nas.skeleton import Skeleton
from genomes.registry import nearest
from genomes.space import Gene
from genomes.variation import pick


@dataclass(frozen=True)
class MotifLayer:
    """The motif of a layer and the kernel size of each of its convolutions, in the order of the wiring table."""

    motif: str
    kernels: tuple[int, ...]


@dataclass(frozen=True)
class MseNasGenome:
    """How many preceding outputs every motif reads, and the layers that hold a motif, in order.

    Raises:
        IllegalGeneError: not 2 or 3 predecessors, no such motif, another number of kernels than it has convolutions.
    """

    predecessors: int
    layers: tuple[MotifLayer, ...]

    def __post_init__(self) -> None:
        among("predecessors", self.predecessors, PREDECESSORS)
        for layer in self.layers:
            check_motif("genome", layer.motif)
            n = n_kernels(layer.motif, self.predecessors)
            if len(layer.kernels) != n:
                raise IllegalGeneError(
                    f"genome: motif '{layer.motif}' with {self.predecessors} inputs has {n} convolutions, got"
                    f" {len(layer.kernels)} kernels"
                )


def check_motif(where: str, motif: str) -> None:
    """Refuse a name that is no motif of this table.

    Raises:
        IllegalGeneError: the message, which begins with `where`, names the nearest one.
    """
    if motif not in NAMES[1:]:
        raise IllegalGeneError(f"{where}: unknown motif '{motif}'; {nearest(motif, sorted(NAMES[1:]))}")


def n_kernels(motif: str, predecessors: int) -> int:
    """How many convolutions a motif has that reads so many predecessors."""
    return len(convolutions(CORRECTED[motif, predecessors]))


@dataclass(frozen=True)
class CorrectedForm:
    """The genomes of a skeleton with some of the motifs and kernel sizes."""

    skeleton: Skeleton
    motifs: tuple[str, ...]
    kernels: tuple[int, ...]

    genome_type: ClassVar[type] = MseNasGenome

    def sample(self, *, rng: np.random.Generator) -> MseNasGenome:
        """A random genome, each choice uniform."""
        n = pick(PREDECESSORS, rng)
        layers = [self._layer(pick(self.motifs, rng), (), n, rng) for _ in self.skeleton.motif_layers]
        return MseNasGenome(n, tuple(layers))

    def _layer(
        self, motif: str, kernels: Sequence[int], predecessors: int, rng: np.random.Generator
    ) -> MotifLayer:
        """A layer with `kernels` as far as they go, drawn beyond."""
        n = n_kernels(motif, predecessors)
        drawn = [pick(self.kernels, rng) for _ in range(n - len(kernels))]
        return MotifLayer(motif, (*kernels[:n], *drawn))

    def genes(self, genome: MseNasGenome) -> list[Gene[MseNasGenome]]:
        """The number of predecessors, and each layer's motif and kernels."""

        def change_predecessors(n: int, rng: np.random.Generator) -> MseNasGenome:
            layers = [self._layer(layer.motif, layer.kernels, n, rng) for layer in genome.layers]
            return MseNasGenome(n, tuple(layers))

        n = genome.predecessors
        found = [Gene("macro", "predecessors", n, _others(PREDECESSORS, n), change_predecessors)]
        for i, (number, layer) in enumerate(zip(self.skeleton.motif_layers, genome.layers, strict=True)):

            def change_motif(motif: str, rng: np.random.Generator, i: int = i) -> MseNasGenome:
                return _with(genome, i, self._layer(motif, genome.layers[i].kernels, n, rng))

            motifs = _others(self.motifs, layer.motif)
            found.append(Gene("meso", f"layer {number} motif", layer.motif, motifs, change_motif))
            for k, edge in enumerate(convolutions(CORRECTED[layer.motif, n])):

                def change_kernel(
                    size: int, rng: np.random.Generator, i: int = i, k: int = k
                ) -> MseNasGenome:
                    old = genome.layers[i]
                    return _with(
                        genome, i, replace(old, kernels=(*old.kernels[:k], size, *old.kernels[k + 1 :]))
                    )

                size = layer.kernels[k]
                name = f"layer {number} kernel {edge}"
                found.append(Gene("micro", name, size, _others(self.kernels, size), change_kernel))
        return [gene for gene in found if gene.alternatives]

    def crossover(
        self, first: MseNasGenome, second: MseNasGenome, *, rng: np.random.Generator
    ) -> MseNasGenome:
        """A child with the predecessors of `first`.

        Layer by layer the motif with its kernels or, where both have the same motif, each kernel comes from either
        parent with equal chance; kernels that a motif lacks for want of an input are drawn.
        """
        layers = []
        for mine, other in zip(first.layers, second.layers, strict=True):
            theirs = self._layer(other.motif, other.kernels, first.predecessors, rng)
            if mine.motif == theirs.motif:
                pairs = zip(mine.kernels, theirs.kernels, strict=True)
                layers.append(MotifLayer(mine.motif, tuple(pick(pair, rng) for pair in pairs)))
            else:
                layers.append(pick((mine, theirs), rng))
        return MseNasGenome(first.predecessors, tuple(layers))

    def draw(self, genome: MseNasGenome) -> Architecture:
        """The architecture of `genome`."""
        n = genome.predecessors
        motifs = {
            number: (CORRECTED[layer.motif, n], layer.kernels)
            for number, layer in zip(self.skeleton.motif_layers, genome.layers, strict=True)
        }
        return self.skeleton.draw(motifs, n_predecessors=n, as_released=False)

    def check(self, genome: MseNasGenome) -> None:
        """Refuse a genome outside this space.

        Raises:
            IllegalGeneError: the first gene with a value that the space does not offer.
        """
        among("number of motif layers", len(genome.layers), (len(self.skeleton.motif_layers),))
        for number, layer in zip(self.skeleton.motif_layers, genome.layers, strict=True):
            among(f"layer {number} motif", layer.motif, self.motifs)
            for size in layer.kernels:
                among(f"layer {number} kernel", size, self.kernels)

    def summary(self, genome: MseNasGenome) -> list[str]:
        """The genome in words, one line per layer."""
        n = genome.predecessors
        lines = [f"each motif reads {n} predecessors"]
        layers = dict(zip(self.skeleton.motif_layers, genome.layers, strict=True))
        for number in range(self.skeleton.n_layers):
            if number in layers:
                layer = layers[number]
                edges = zip(convolutions(CORRECTED[layer.motif, n]), layer.kernels, strict=True)
                kernels = ", ".join(f"{edge} {size}x{size}" for edge, size in edges)
                lines.append(f"layer {number}: {layer.motif}; {kernels}")
            else:
                lines.append(f"layer {number}: reduction")
        return lines


def _others(legal: tuple[object, ...], value: object) -> tuple[object, ...]:
    return tuple(v for v in legal if v != value)


def _with(genome: MseNasGenome, i: int, layer: MotifLayer) -> MseNasGenome:
    return replace(genome, layers=(*genome.layers[:i], layer, *genome.layers[i + 1 :]))
