"""Everything a search must remember between generations, as one frozen value that survives JSON exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evonas.errors import RunError
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
        generation: last generation told in full, -1 before the first population.
        n_proposed: proposals made so far; the index of the next one.
        pending: the last of them, those that are not told yet, in order.
        population: the parents of the next proposals, in a fixed order.
        archive: the non-dominated feasible individuals of the generations up to `generation`.
    """

    generation: int = -1
    n_proposed: int = 0
    pending: tuple[Proposal, ...] = ()
    population: tuple[Individual, ...] = ()
    archive: tuple[Individual, ...] = ()

    @property
    def n_told(self) -> int:
        """Proposals whose evaluation is known; the index of the next one to be told."""
        return self.n_proposed - len(self.pending)


def asked(state: EvolutionState, proposals: Sequence[Proposal]) -> EvolutionState:
    """The state with `proposals` pending behind those that are."""
    return replace(state, n_proposed=state.n_proposed + len(proposals), pending=(*state.pending, *proposals))


def told(state: EvolutionState, n: int, *, survivors: Sequence[Individual]) -> EvolutionState:
    """The state without the first `n` pending proposals, whose evaluations led to the population `survivors`."""
    return replace(state, pending=state.pending[n:], population=tuple(survivors))


def to_dict(state: EvolutionState, *, space: SearchSpace) -> dict[str, Any]:
    """`state` as JSON-able data; floats are kept as they are, so `json` round-trips them exactly."""
    return {
        "generation": state.generation,
        "n_proposed": state.n_proposed,
        "pending": [_proposal_to_dict(proposal, space=space) for proposal in state.pending],
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
            pending=tuple(_proposal_from_dict(item, space=space) for item in data["pending"]),
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


def _proposal_to_dict(proposal: Proposal, *, space: SearchSpace) -> dict[str, Any]:
    return {
        "index": proposal.index,
        "generation": proposal.generation,
        "architecture_id": proposal.architecture_id,
        "parents": list(proposal.parents),
        "genome": space.to_dict(proposal.genome),
    }


def _proposal_from_dict(data: Mapping[str, Any], *, space: SearchSpace) -> Proposal:
    return Proposal(
        index=int(data["index"]),
        generation=int(data["generation"]),
        genome=space.from_dict(data["genome"]),
        architecture_id=str(data["architecture_id"]),
        parents=tuple(map(str, data["parents"])),
    )


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
