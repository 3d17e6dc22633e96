"""NSGA-II: Deb, Pratap, Agarwal, Meyarivan, IEEE Trans. Evol. Comput. 6(2), 2002, with duplicates avoided."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import numpy as np
from deap.base import Toolbox

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import Individual, individuals
from evonas.evolution.sampling import sample_population
from evonas.evolution.selection import Standing, standings, tournament
from evonas.evolution.state import EvolutionState, told
from evonas.evolution.strategies import STRATEGIES, Rhythm, generational
from evonas.rng import generator


@dataclass(frozen=True)
class NSGA2:
    """As many offspring as parents; the best of both survive. The parameters are the same for every space.

    The defaults were chosen on the table of NAS-Bench-201 (seeds from 100 on; `benchmarks/quality_nasbench201.py`
    reports others): a proposal is expensive, so few are spent on recombination, and tournaments of five, where Deb
    et al. have two, gain most while the front is still poor.

    Attributes:
        p_crossover: probability that an offspring has two parents; it is mutated either way.
        n_contenders: members drawn for each tournament that chooses a parent.
        n_tries: draws for one offspring (or sample) before a repeated architecture is accepted.
    """

    p_crossover: float = 0.3
    n_contenders: int = 5
    n_tries: int = 20

    def rhythm(self, *, population: int, lag: int | None) -> Rhythm:
        """See `Strategy.rhythm`."""
        return generational(population=population, lag=lag)

    def ask(
        self, state: EvolutionState, *, toolbox: Toolbox, n: int, size: int, seed: int, seen: Set[str]
    ) -> list[Proposal]:
        """See `Strategy.ask`. A random population at first, and again while nothing has survived."""
        if state.n_proposed < size or not state.population:
            return sample_population(
                state, toolbox=toolbox, n=n, size=size, seed=seed, seen=seen, n_tries=self.n_tries
            )
        standing = standings(state.population)
        taken: set[str] = set()
        proposals = []
        for index in range(state.n_proposed, state.n_proposed + n):
            generation, place = divmod(index, size)
            rng = generator(seed, "variation", generation, place)
            proposal = self._offspring(
                state.population,
                standing=standing,
                toolbox=toolbox,
                rng=rng,
                is_new=lambda found: found not in seen and found not in taken,
                index=index,
                generation=generation,
            )
            taken.add(proposal.architecture_id)
            proposals.append(proposal)
        return proposals

    def _offspring(
        self,
        population: Sequence[Individual],
        *,
        standing: Sequence[Standing],
        toolbox: Toolbox,
        rng: np.random.Generator,
        is_new: Callable[[str], bool],
        index: int,
        generation: int,
    ) -> Proposal:
        for _ in range(self.n_tries):
            mother = tournament(population, standing=standing, size=self.n_contenders, rng=rng)
            parents = [mother]
            genome = mother.genome
            if rng.random() < self.p_crossover and len(population) > 1:
                father = tournament(
                    population, standing=standing, size=self.n_contenders, rng=rng, exclude=mother
                )
                parents.append(father)
                genome = toolbox.mate(genome, father.genome, rng=rng)
            genome = toolbox.mutate(genome, rng=rng)
            architecture_id = toolbox.architecture_id(genome)
            if is_new(architecture_id):
                break
        return Proposal(
            index=index,
            generation=generation,
            genome=genome,
            architecture_id=architecture_id,
            parents=tuple(parent.architecture_id for parent in parents),
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
        survivors = toolbox.select([*state.population, *fresh], size)
        return told(state, len(proposals), survivors=survivors)


STRATEGIES.register("nsga2", NSGA2())
