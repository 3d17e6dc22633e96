"""Search strategies, one file each. A strategy proposes genomes (`ask`) and digests evaluations (`tell`)."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from deap.base import Toolbox

from evonas.errors import ConfigError
from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.state import EvolutionState
from genomes.registry import Registry, load_modules


@dataclass(frozen=True)
class Rhythm:
    """How asking and telling take turns.

    Attributes:
        batch: proposals that are asked for at once, from one state, and told at once; it divides the population.
        lag: proposals that may be asked for and not told yet; at least `batch`. A batch that begins with proposal k
            is made from the evaluations of those before k + batch - lag and of no others, whatever is finished when.
    """

    batch: int
    lag: int


class Strategy(Protocol):
    """What the loop needs of a strategy. The methods are pure: same arguments, same answer."""

    def rhythm(self, *, population: int, lag: int | None) -> Rhythm:
        """How asking and telling take turns; `lag` is what the settings say.

        Raises:
            ConfigError: a lag below 1, or any where the strategy has no choice.
        """
        ...

    def ask(
        self, state: EvolutionState, *, toolbox: Toolbox, n: int, size: int, seed: int, seen: Set[str]
    ) -> list[Proposal]:
        """The next `n` proposals, from ``state.n_proposed`` on; a generation is `size` of them.

        `seen` holds the architecture ids proposed before; they are avoided within a bounded number of tries, so a
        repeated architecture is rare but legal.
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
        """The state once the first pending `proposals` have their evaluations, with a population of at most `size`."""
        ...


STRATEGIES: Registry[Strategy] = Registry("strategy")


def generational(*, population: int, lag: int | None) -> Rhythm:
    """The rhythm of a strategy that waits for whole generations.

    Raises:
        ConfigError: a lag is asked for.
    """
    if lag is not None:
        raise ConfigError(
            f"evolution.lag: this strategy waits for whole generations, so it takes no lag, got {lag}; leave it out"
            " or set evolution.strategy=steady_state"
        )
    return Rhythm(batch=population, lag=population)


def strategy(name: str) -> Strategy:
    """The strategy called `name`.

    Raises:
        UnknownNameError: no such strategy; the message names the nearest one.
    """
    load_modules(__name__)
    return STRATEGIES.get(name)
