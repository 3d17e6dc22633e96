"""Search strategies, one file each. A strategy proposes genomes (`ask`) and digests evaluations (`tell`)."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Protocol

from deap.base import Toolbox

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.state import EvolutionState
from genomes.registry import Registry, load_modules


class Strategy(Protocol):
    """What the loop needs of a strategy. Both methods are pure: same arguments, same answer."""

    def ask(
        self, state: EvolutionState, *, toolbox: Toolbox, size: int, seed: int, seen: Set[str]
    ) -> list[Proposal]:
        """`size` proposals for generation ``state.generation + 1``.

        `seen` holds the architecture ids told before this generation; they are avoided within a bounded
        number of tries, so a repeated architecture is rare but legal.
        """
        ...

    def tell(
        self,
        state: EvolutionState,
        proposals: Sequence[Proposal],
        evaluations: Sequence[Evaluation],
        *,
        toolbox: Toolbox,
        specs: Sequence[ObjectiveSpec],
        size: int,
    ) -> EvolutionState:
        """The state after the generation of `proposals`, with a population of at most `size`."""
        ...


STRATEGIES: Registry[Strategy] = Registry("strategy")


def strategy(name: str) -> Strategy:
    """The strategy called `name`.

    Raises:
        UnknownNameError: no such strategy; the message names the nearest one.
    """
    load_modules(__name__)
    return STRATEGIES.get(name)
