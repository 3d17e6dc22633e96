"""What a search space is: it samples genomes, varies them, and decodes each of them.

A space describes a genome as a list of genes. Mutation, and the tests that no gene is idle, need nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from genomes.architecture import Architecture, InputSpec
from genomes.registry import Registry

G = TypeVar("G")

SCALES = ("micro", "meso", "macro")


@dataclass(frozen=True)
class Gene(Generic[G]):
    """One thing that can vary alone: its value, the other legal ones, and how to set it.

    `change` returns a new genome with the given alternative; genes that exist only under the new value (the neurons of
    another motif, the time constant of a model that leaks) are drawn from `rng`, all others are kept.
    """

    scale: str
    name: str
    value: Any
    alternatives: tuple[Any, ...]
    change: Callable[[Any, np.random.Generator], G]


class Space(Protocol[G]):
    """A search space for inputs of one shape. A space is a frozen value; its options are its fields."""

    @property
    def name(self) -> str:
        """The name it is registered under."""
        ...

    @property
    def input(self) -> InputSpec:
        """Shape of one input and number of classes."""
        ...

    def sample(self, *, rng: np.random.Generator) -> G:
        """A random genome of the space."""
        ...

    def genes(self, genome: G) -> list[Gene[G]]:
        """Everything in `genome` that can vary alone, each with at least one alternative."""
        ...

    def mutate(self, genome: G, *, rng: np.random.Generator) -> G:
        """A changed copy, inside the space."""
        ...

    def crossover(self, first: G, second: G, *, rng: np.random.Generator) -> G:
        """A child of two genomes, inside the space."""
        ...

    def decode(self, genome: G) -> Architecture:
        """The architecture that a genome means."""
        ...

    def architecture_id(self, genome: G) -> str:
        """The id of the decoded architecture."""
        ...

    def check(self, genome: G) -> None:
        """Raise IllegalGeneError if the space does not contain `genome`."""
        ...

    def summary(self, genome: G) -> list[str]:
        """The genome in words, one line per part."""
        ...

    def from_text(self, text: str) -> G:
        """The genome of a published notation; raises GenomeFormatError or IllegalGeneError."""
        ...

    def to_dict(self, genome: G) -> dict[str, Any]:
        """The genome as JSON-ready values."""
        ...

    def from_dict(self, values: Mapping[str, Any]) -> G:
        """The genome that `to_dict` wrote; raises GenomeFormatError or IllegalGeneError."""
        ...


SPACES: Registry[Callable[..., Space[Any]]] = Registry("space")
"""Factories by name: ``SPACES.get("evonas")(input=InputSpec(...), max_slots=2)``."""
