"""NSGA-II: Deb, Pratap, Agarwal, Meyarivan, IEEE Trans. Evol. Comput. 6(2), 2002, with duplicates avoided."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from deap.base import Toolbox

from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import Individual, individuals
from evonas.evolution.sampling import sample_population
from evonas.evolution.selection import Standing, standings, tournament
from evonas.evolution.state import EvolutionState, advanced
from evonas.evolution.strategies import STRATEGIES
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

    def ask(
        self, state: EvolutionState, *, toolbox: Toolbox, size: int, seed: int, seen: Set[str]
    ) -> list[Proposal]:
        """See `Strategy.ask`. A random population at first, and again should nothing have survived."""
        if not state.population:
            return sample_population(
                state, toolbox=toolbox, size=size, seed=seed, seen=seen, n_tries=self.n_tries
            )
        generation = state.generation + 1
        standing = standings(state.population)
        taken = set(seen)
        proposals = []
        for i in range(size):
            rng = generator(seed, "variation", generation, i)
            proposal = self._offspring(
                state.population,
                standing=standing,
                toolbox=toolbox,
                rng=rng,
                taken=taken,
                index=state.n_proposed + i,
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
        taken: Set[str],
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
            if architecture_id not in taken:
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
        return advanced(state, proposals, fresh, survivors=survivors, specs=specs)


STRATEGIES.register("nsga2", NSGA2())
