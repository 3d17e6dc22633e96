"""Random search: every generation is a fresh sample of the space. The baseline every strategy has to beat."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from deap.base import Toolbox

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import individuals
from evonas.evolution.sampling import sample_population
from evonas.evolution.state import EvolutionState, advanced
from evonas.evolution.strategies import STRATEGIES


@dataclass(frozen=True)
class RandomSearch:
    """Samples without memory, save for avoiding what was seen; the population is the last generation."""

    n_tries: int = 20

    def ask(
        self, state: EvolutionState, *, toolbox: Toolbox, size: int, seed: int, seen: Set[str]
    ) -> list[Proposal]:
        """See `Strategy.ask`."""
        return sample_population(
            state, toolbox=toolbox, size=size, seed=seed, seen=seen, n_tries=self.n_tries
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
        survivors = toolbox.select(fresh, size)
        return advanced(state, proposals, fresh, survivors=survivors, specs=specs)


STRATEGIES.register("random", RandomSearch())
