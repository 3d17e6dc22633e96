"""Random search: every generation is a fresh sample of the space. The baseline every strategy has to beat."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from deap.base import Toolbox

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import individuals
from evonas.evolution.sampling import sample_population
from evonas.evolution.state import EvolutionState, told
from evonas.evolution.strategies import STRATEGIES, Rhythm, generational


@dataclass(frozen=True)
class RandomSearch:
    """Samples without memory, save for avoiding what was seen; the population is the last generation."""

    n_tries: int = 20

    def rhythm(self, *, population: int, lag: int | None) -> Rhythm:
        """See `Strategy.rhythm`."""
        return generational(population=population, lag=lag)

    def ask(
        self, state: EvolutionState, *, toolbox: Toolbox, n: int, size: int, seed: int, seen: Set[str]
    ) -> list[Proposal]:
        """See `Strategy.ask`."""
        return sample_population(
            state, toolbox=toolbox, n=n, size=size, seed=seed, seen=seen, n_tries=self.n_tries
        )

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
        """See `Strategy.tell`."""
        fresh = individuals(proposals, evaluations, specs=specs)
        return told(state, len(proposals), survivors=toolbox.select(fresh, size))


STRATEGIES.register("random", RandomSearch())
