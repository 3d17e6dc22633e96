"""Fresh random proposals: the first population of every strategy, and all of random search."""

from __future__ import annotations

from collections.abc import Set

from deap.base import Toolbox

from evonas.evolution.evaluation import Proposal
from evonas.evolution.state import EvolutionState
from evonas.rng import generator


def sample_population(
    state: EvolutionState, *, toolbox: Toolbox, size: int, seed: int, seen: Set[str], n_tries: int
) -> list[Proposal]:
    """`size` random genomes for the next generation, new to `seen` and each other within `n_tries` draws."""
    generation = state.generation + 1
    taken = set(seen)
    proposals = []
    for i in range(size):
        rng = generator(seed, "sample", generation, i)
        for _ in range(n_tries):
            genome = toolbox.sample(rng=rng)
            architecture_id = toolbox.architecture_id(genome)
            if architecture_id not in taken:
                break
        taken.add(architecture_id)
        proposals.append(
            Proposal(
                index=state.n_proposed + i,
                generation=generation,
                genome=genome,
                architecture_id=architecture_id,
            )
        )
    return proposals
