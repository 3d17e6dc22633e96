"""What spaces share whose genomes are described by their genes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from genomes.architecture import Architecture, InputSpec
from genomes.codec import from_plain, to_plain
from genomes.errors import GenomeFormatError, IllegalGeneError
from genomes.space import Gene
from genomes.variation import mutate_genes

G = TypeVar("G")


class GeneSpace(ABC, Generic[G]):
    """A `genomes.space.Space`; a subclass is a frozen dataclass whose fields are `input` and its options.

    It names the type of its genomes, a frozen dataclass, samples, lists genes, crosses, draws, checks and sums up; the
    rest follows.
    """

    name: ClassVar[str]
    genome_type: ClassVar[type]
    input: InputSpec

    @abstractmethod
    def sample(self, *, rng: np.random.Generator) -> G:
        """A random genome of the space."""

    @abstractmethod
    def genes(self, genome: G) -> list[Gene[G]]:
        """Everything in `genome` that can vary alone, each with at least one alternative."""

    @abstractmethod
    def crossover(self, first: G, second: G, *, rng: np.random.Generator) -> G:
        """A child of two genomes, inside the space."""

    @abstractmethod
    def draw(self, genome: G) -> Architecture:
        """The architecture that a genome means; `decode` remembers it."""

    @abstractmethod
    def check(self, genome: G) -> None:
        """Raise IllegalGeneError if the space does not contain `genome`."""

    @abstractmethod
    def summary(self, genome: G) -> list[str]:
        """The genome in words, one line per part."""

    def from_text(self, text: str) -> G:
        """The genome that `text` stands for in the published notation of the space.

        Raises:
            GenomeFormatError: there is no such notation, or `text` is not written in it.
            IllegalGeneError: the space does not contain it; a DisconnectedError where no path leads to the output.
        """
        raise GenomeFormatError(
            f"cell: space '{self.name}' has no notation for its networks; give their genomes as JSON"
        )

    def mutate(self, genome: G, *, rng: np.random.Generator) -> G:
        """A copy with one or more genes changed, each scale with the same chance."""
        mutated: G = mutate_genes(self, genome, rng=rng)
        return mutated

    def decode(self, genome: G) -> Architecture:
        """The architecture that a genome means."""
        return _decoded(self, genome)

    def architecture_id(self, genome: G) -> str:
        """The id of the decoded architecture."""
        return _id(self, genome)

    def to_dict(self, genome: G) -> dict[str, Any]:
        """The genome as JSON-ready values."""
        plain: dict[str, Any] = to_plain(genome)
        return plain

    def from_dict(self, values: Mapping[str, Any]) -> G:
        """The genome that `to_dict` wrote, checked to be well-formed (`check` tells whether this space has it).

        Raises:
            GenomeError: a missing or unknown key, a wrong type, an unknown name, an illegal gene.
        """
        genome: G = from_plain(self.genome_type, values, where="genome")
        return genome


@lru_cache(maxsize=1024)
def _decoded(space: GeneSpace[Any], genome: Any) -> Architecture:
    return space.draw(genome)


@lru_cache(maxsize=65536)
def _id(space: GeneSpace[Any], genome: Any) -> str:
    return _decoded(space, genome).id


def among(gene: str, value: object, legal: Sequence[object]) -> None:
    """Refuse the `value` of a gene that the space does not offer.

    Raises:
        IllegalGeneError: it is not one of `legal`.
    """
    if value not in legal:
        raise IllegalGeneError(f"{gene}: got {value}, this space offers {', '.join(map(str, legal))}")
