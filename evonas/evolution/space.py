"""All that evolution knows of a search space. Genomes are opaque to it, so a lookup table can be a space too."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class SearchSpace(Protocol):
    """The part of `genomes.space.Space` that evolution uses; genomes are whatever the space makes of them."""

    def sample(self, *, rng: np.random.Generator) -> Any:
        """A random genome."""
        ...

    def mutate(self, genome: Any, /, *, rng: np.random.Generator) -> Any:
        """A changed copy."""
        ...

    def crossover(self, first: Any, second: Any, /, *, rng: np.random.Generator) -> Any:
        """One child of two parents."""
        ...

    def architecture_id(self, genome: Any, /) -> str:
        """The canonical id of what it decodes to; equal ids are evaluated once."""
        ...

    def to_dict(self, genome: Any, /) -> Any:
        """The genome as JSON-able data."""
        ...

    def from_dict(self, data: Any, /) -> Any:
        """The genome that `to_dict` wrote."""
        ...
