"""Everything a search must remember between generations, as one frozen value that survives JSON exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evonas.errors import RunError
from evonas.evolution import archive
from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec, fitness
from evonas.evolution.individual import Individual, unusable
from evonas.evolution.space import SearchSpace
from genomes.errors import GenomeError


@dataclass(frozen=True)
class EvolutionState:
    """The state of a search.

    There is no generator state in it: every draw comes from a stream named by seed, generation and proposal.

    Attributes:
        generation: last generation told, -1 before the first population.
        n_proposed: proposals made so far; the index of the next one.
        population: the parents of the next generation, in a fixed order.
        archive: the non-dominated feasible individuals of the whole run.
    """

    generation: int = -1
    n_proposed: int = 0
    population: tuple[Individual, ...] = ()
    archive: tuple[Individual, ...] = ()


def advanced(
    state: EvolutionState,
    proposals: Sequence[Proposal],
    fresh: Sequence[Individual],
    *,
    survivors: Sequence[Individual],
    specs: Sequence[ObjectiveSpec],
) -> EvolutionState:
    """The state one generation later: `fresh` came of its `proposals`, `survivors` are the next population."""
    return EvolutionState(
        generation=state.generation + 1,
        n_proposed=state.n_proposed + len(proposals),
        population=tuple(survivors),
        archive=archive.update(state.archive, fresh, specs),
    )


def to_dict(state: EvolutionState, *, space: SearchSpace) -> dict[str, Any]:
    """`state` as JSON-able data; floats are kept as they are, so `json` round-trips them exactly."""
    return {
        "generation": state.generation,
        "n_proposed": state.n_proposed,
        "population": [_individual_to_dict(individual, space=space) for individual in state.population],
        "archive": [_individual_to_dict(individual, space=space) for individual in state.archive],
    }


def from_dict(
    data: Mapping[str, Any], *, space: SearchSpace, specs: Sequence[ObjectiveSpec]
) -> EvolutionState:
    """The state that `to_dict` wrote.

    Raises:
        RunError: a key is missing or has the wrong type, or a number has no finite fitness.
        GenomeError: a genome that `space` cannot read.
    """
    try:
        return EvolutionState(
            generation=int(data["generation"]),
            n_proposed=int(data["n_proposed"]),
            population=tuple(
                _individual_from_dict(item, space=space, specs=specs) for item in data["population"]
            ),
            archive=tuple(_individual_from_dict(item, space=space, specs=specs) for item in data["archive"]),
        )
    except KeyError as error:
        raise RunError(f"evolution state: key {error} is missing; the checkpoint is damaged") from error
    except (RunError, GenomeError):
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(f"evolution state: expected what to_dict wrote, got {error}") from error


def _individual_to_dict(individual: Individual, *, space: SearchSpace) -> dict[str, Any]:
    return {
        "index": individual.index,
        "generation": individual.generation,
        "architecture_id": individual.architecture_id,
        "objectives": dict(individual.objectives),
        "violation": individual.violation,
        "genome": space.to_dict(individual.genome),
    }


def _individual_from_dict(
    data: Mapping[str, Any], *, space: SearchSpace, specs: Sequence[ObjectiveSpec]
) -> Individual:
    objectives = {str(name): float(value) for name, value in data["objectives"].items()}
    violation = float(data["violation"])
    # The door that evaluations come through, so that an edited checkpoint brings nothing in that they could not.
    reason = unusable(Evaluation(status="ok", objectives=objectives, violation=violation), specs=specs)
    if reason:
        raise RunError(f"evolution state: individual {data['index']}: {reason}; the checkpoint is damaged")
    return Individual(
        genome=space.from_dict(data["genome"]),
        architecture_id=str(data["architecture_id"]),
        index=int(data["index"]),
        generation=int(data["generation"]),
        objectives=objectives,
        violation=violation,
        fitness=fitness(objectives, specs=specs),
    )
