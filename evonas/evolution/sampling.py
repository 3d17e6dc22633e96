"""Fresh random proposals: the first population of every strategy, and all of random search."""

from __future__ import annotations

from collections.abc import Set

from deap.base import Toolbox

from evonas.evolution.evaluation import Proposal
from evonas.evolution.state import EvolutionState
from evonas.rng import generator


def sample_population(
    state: EvolutionState, *, toolbox: Toolbox, n: int, size: int, seed: int, seen: Set[str], n_tries: int
) -> list[Proposal]:
    """The next `n` proposals of generations of `size`: random, new to `seen` and each other within `n_tries` draws."""
    taken: set[str] = set()
    proposals = []
    for index in range(state.n_proposed, state.n_proposed + n):
        generation, place = divmod(index, size)
        rng = generator(seed, "sample", generation, place)
        for _ in range(n_tries):
            genome = toolbox.sample(rng=rng)
            architecture_id = toolbox.architecture_id(genome)
            if architecture_id not in seen and architecture_id not in taken:
                break
        taken.add(architecture_id)
        proposals.append(Proposal(index, generation, genome, architecture_id))
    return proposals
