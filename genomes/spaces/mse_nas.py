"""The space of MSE-NAS (Pan et al., arXiv 2304.10749): motifs with two kernel sizes and two or three predecessors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from genomes.architecture import Architecture, InputSpec
from genomes.codec import from_plain
from genomes.errors import IllegalGeneError
from genomes.gene_space import GeneSpace, among
from genomes.mse_nas.corrected import CorrectedForm, check_motif
from genomes.mse_nas.motifs import NAMES
from genomes.mse_nas.released import ReleasedForm
from genomes.mse_nas.skeleton import Skeleton
from genomes.space import SPACES, Gene

STEMS = ("auto", "event", "static")


@dataclass(frozen=True)
class MseNasSpace(GeneSpace[Any]):
    """All networks of `layers` layers, motifs `channels` wide before the first reduction.

    By default in the corrected form: see `genomes.mse_nas.motifs.CORRECTIONS`, and `MseNasGenome` for its genomes, with
    `motifs` and `kernels` to choose from. With `as_released` genomes are those of the release, with motif numbers 0 to
    `mid`, and mean the networks that it builds. Reductions are in the layers for event frames or for images as `stem`
    says, "event" or "static"; "auto" takes inputs of two channels for event frames.

    The default space has 4,116,048,448 architectures, 228 x 228 x 228 with two predecessors and 784 x 2288 x 2288 with
    three: motifs with their kernels in the three layers that have one, those that differ in the order of like inputs or
    populations counted once. The inputs of the first layer are alike, all are the stem.
    """

    input: InputSpec
    layers: int = 6
    channels: int = 48
    motifs: tuple[str, ...] = NAMES[1:]
    kernels: tuple[int, ...] = (3, 5)
    stem: str = "auto"
    as_released: bool = False
    mid: int = 3

    name: ClassVar[str] = "mse_nas"

    def __post_init__(self) -> None:
        among("space.stem", self.stem, STEMS)
        for option in ("motifs", "kernels") if self.as_released else ("mid",):
            if getattr(self, option) != getattr(type(self), option):
                raise IllegalGeneError(
                    f"space.{option}: has no meaning {'with' if self.as_released else 'without'} as_released, got"
                    f" {getattr(self, option)}; leave it out"
                )
        for motif in self.motifs:
            check_motif("space.motifs", motif)
        if not self.motifs:
            raise IllegalGeneError("space.motifs: expected at least one motif, got none")
        if not self.kernels or not all(size > 0 and size % 2 for size in self.kernels):
            raise IllegalGeneError(f"space.kernels: expected odd sizes, at least one, got {self.kernels}")
        _ = self.form

    @cached_property
    def form(self) -> CorrectedForm | ReleasedForm:
        """What genomes are and what they mean."""
        for_events = self.stem == "event" or (self.stem == "auto" and self.input.shape[0] == 2)
        skeleton = Skeleton(self.input, self.layers, self.channels, for_events)
        if self.as_released:
            return ReleasedForm(skeleton, self.mid)
        return CorrectedForm(skeleton, self.motifs, self.kernels)

    def sample(self, *, rng: np.random.Generator) -> Any:
        """A random genome, each choice uniform."""
        return self.form.sample(rng=rng)

    def genes(self, genome: Any) -> list[Gene[Any]]:
        """Everything in `genome` that can vary alone; as released also what nothing reads."""
        return self.form.genes(genome)

    def crossover(self, first: Any, second: Any, *, rng: np.random.Generator) -> Any:
        """A child of two genomes, inside the space."""
        return self.form.crossover(first, second, rng=rng)

    def draw(self, genome: Any) -> Architecture:
        """The architecture that a genome means."""
        return self.form.draw(genome)

    def check(self, genome: Any) -> None:
        """Raise IllegalGeneError if the space does not contain `genome`."""
        self.form.check(genome)

    def summary(self, genome: Any) -> list[str]:
        """The genome in words, one line per layer."""
        return self.form.summary(genome)

    def from_dict(self, values: Mapping[str, Any]) -> Any:
        """The genome that `to_dict` wrote, checked to be well-formed.

        Raises:
            GenomeError: a missing or unknown key, a wrong type, an unknown name, an illegal gene.
        """
        return from_plain(self.form.genome_type, values, where="genome")


SPACES.register("mse_nas", MseNasSpace)
