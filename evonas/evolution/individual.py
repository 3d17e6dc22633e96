"""An evaluated genome that selection may use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evonas.evolution.evaluation import FAILURES, Evaluation, Proposal
from evonas.evolution.fitness import Fitness, ObjectiveSpec, fitness


@dataclass(frozen=True)
class Individual:
    """One member of a population or archive.

    Attributes:
        genome: the genotype; opaque to this package.
        architecture_id: canonical id of what it decodes to.
        index: number of the proposal it came from.
        generation: generation of that proposal.
        objectives: natural sign and unit; for an infeasible one whatever is known, possibly nothing.
        violation: 0.0 when feasible, else by how much the hard constraints are exceeded.
        fitness: the objectives as DEAP compares them; derived, so not part of equality.
    """

    genome: object
    architecture_id: str
    index: int
    generation: int
    objectives: Mapping[str, float]
    violation: float
    fitness: Fitness = field(compare=False, repr=False)

    @property
    def feasible(self) -> bool:
        """Whether it meets every hard constraint."""
        return self.violation == 0.0

    def values(self, specs: Sequence[ObjectiveSpec]) -> tuple[float, ...]:
        """Its objectives in the order of `specs`, natural units."""
        return tuple(self.objectives[spec.name] for spec in specs)


def unusable(evaluation: Evaluation, *, specs: Sequence[ObjectiveSpec]) -> str:
    """Why selection must not see `evaluation`, in one line; empty when it may.

    One NaN would take DEAP's whole first front, so this is asked of every evaluation, whatever its status
    says. A feasible one needs every objective with a finite fitness; an infeasible one a finite violation,
    and no objective that is known but has no finite fitness.
    """
    if evaluation.status in FAILURES:
        return evaluation.reason or evaluation.status
    if not (math.isfinite(evaluation.violation) and evaluation.violation >= 0):
        return f"violation is {evaluation.violation}; expected a finite number >= 0"
    if evaluation.status == "infeasible" and evaluation.violation == 0:
        return "status is 'infeasible' but violation is 0; expected a positive number"
    for spec in specs:
        if spec.name in evaluation.objectives:
            try:
                spec.to_fitness(evaluation.objectives[spec.name])
            except ValueError as error:
                return str(error)
        elif evaluation.violation == 0:
            return f"objective '{spec.name}' is missing"
    return ""


def individuals(
    proposals: Sequence[Proposal], evaluations: Sequence[Evaluation], *, specs: Sequence[ObjectiveSpec]
) -> list[Individual]:
    """One individual for every usable evaluation, in order; `evaluations[i]` belongs to `proposals[i]`.

    Raises:
        ValueError: not one evaluation for each proposal.
    """
    if len(proposals) != len(evaluations):
        raise ValueError(
            f"evaluations: expected {len(proposals)}, one for each proposal, got {len(evaluations)}"
        )
    return [
        Individual(
            genome=proposal.genome,
            architecture_id=proposal.architecture_id,
            index=proposal.index,
            generation=proposal.generation,
            objectives=dict(evaluation.objectives),
            violation=float(evaluation.violation),
            fitness=fitness(evaluation.objectives, specs=specs),
        )
        for proposal, evaluation in zip(proposals, evaluations, strict=True)
        if not unusable(evaluation, specs=specs)
    ]
