"""The population loop, on DEAP's toolbox and logbook."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deap.base import Toolbox
from deap.tools import Logbook

from evonas.errors import ConfigError
from evonas.evolution.archive import hypervolume
from evonas.evolution.evaluation import FAILURES, Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.selection import survivors
from evonas.evolution.space import SearchSpace
from evonas.evolution.state import EvolutionState
from evonas.evolution.strategies import Strategy


@dataclass(frozen=True)
class Generation:
    """One turn of the loop: the state after it, its proposals and evaluations in order, its record."""

    state: EvolutionState
    proposals: tuple[Proposal, ...]
    evaluations: tuple[Evaluation, ...]
    record: dict[str, Any]


def make_toolbox(
    *, space: SearchSpace, evaluate: Callable[[Sequence[Proposal]], Sequence[Evaluation]]
) -> Toolbox:
    """The operators of a run: `map` is the executor; sample, mate, mutate, architecture_id are the space's.

    `map(proposals)` returns one evaluation each, in order. `select(individuals, k)` is `selection.survivors`.
    """
    toolbox = Toolbox()
    toolbox.register("map", evaluate)
    toolbox.register("sample", space.sample)
    toolbox.register("mate", space.crossover)
    toolbox.register("mutate", space.mutate)
    toolbox.register("architecture_id", space.architecture_id)
    toolbox.register("select", survivors)
    return toolbox


def evolve(
    *,
    toolbox: Toolbox,
    strategy: Strategy,
    state: EvolutionState,
    specs: Sequence[ObjectiveSpec],
    generations: int,
    population: int,
    seed: int,
    seen: Iterable[str] = (),
    initial: Sequence[object] = (),
    on_generation: Callable[[Generation], None] = lambda generation: None,
) -> tuple[EvolutionState, Logbook]:
    """The state after generation `generations` (0 is the random first population alone), and its logbook.

    Continues from `state`; `EvolutionState()` begins anew. `seen` are the architecture ids of all proposals
    up to ``state.generation``, and no later ones, or a resumed run would propose otherwise than an
    uninterrupted one. The genomes `initial` take the first places of generation 0, whatever the strategy proposes
    there. `on_generation` is called after each generation.

    Raises:
        ConfigError: no objectives or two of one name, `population` below 2 or below the number of `initial`, or
            `generations` below 0.
    """
    if not specs:
        raise ConfigError("objectives: expected at least one, got none")
    if len({spec.name for spec in specs}) < len(specs):
        raise ConfigError(
            f"objectives: expected different names, got {', '.join(spec.name for spec in specs)}"
        )
    if population < 2:
        raise ConfigError(f"population: expected at least 2, got {population}")
    if len(initial) > population:
        raise ConfigError(f"initial: expected at most {population} genomes (population), got {len(initial)}")
    if generations < 0:
        raise ConfigError(f"generations: expected 0 or more, got {generations}")
    known = set(seen)
    logbook = Logbook()
    while state.generation < generations:
        started = time.perf_counter()
        given = _given(initial, toolbox=toolbox) if state.generation < 0 else []
        avoided = known | {proposal.architecture_id for proposal in given}
        proposals = strategy.ask(state, toolbox=toolbox, size=population, seed=seed, seen=avoided)
        # The places that are overwritten were asked for too, so that every other sample keeps its own stream.
        proposals = [*given, *proposals[len(given) :]]
        evaluations = list(toolbox.map(proposals))
        state = strategy.tell(state, proposals, evaluations, toolbox=toolbox, specs=specs, size=population)
        known.update(proposal.architecture_id for proposal in proposals)
        record = summary(state, evaluations, specs=specs)
        record["seconds"] = time.perf_counter() - started
        logbook.record(**record)
        on_generation(
            Generation(state=state, proposals=tuple(proposals), evaluations=tuple(evaluations), record=record)
        )
    return state, logbook


def _given(genomes: Sequence[object], *, toolbox: Toolbox) -> list[Proposal]:
    return [
        Proposal(index=i, generation=0, genome=genome, architecture_id=toolbox.architecture_id(genome))
        for i, genome in enumerate(genomes)
    ]


def summary(
    state: EvolutionState, evaluations: Sequence[Evaluation], *, specs: Sequence[ObjectiveSpec]
) -> dict[str, Any]:
    """One generation in numbers: the archive's hypervolume and size, its best, evaluations by outcome.

    Keys: ``generation, hypervolume, n_front, best_<objective>..., n_evaluated, n_cached, n_infeasible,
        n_failed``.
    ``best_`` is taken over the archive, natural unit, None while it is empty; ``n_evaluated`` counts what was
    really run, so everything but the cached.
    """
    values = [individual.values(specs) for individual in state.archive]
    status = Counter(evaluation.status for evaluation in evaluations)
    record: dict[str, Any] = {
        "generation": state.generation,
        "hypervolume": hypervolume(values, specs),
        "n_front": len(values),
    }
    for column, spec in enumerate(specs):
        best = max((spec.weight * row[column] for row in values), default=None)
        record[f"best_{spec.name}"] = None if best is None else spec.weight * best
    record["n_evaluated"] = len(evaluations) - status["cached"]
    record["n_cached"] = status["cached"]
    record["n_infeasible"] = status["infeasible"]
    record["n_failed"] = sum(status[failure] for failure in FAILURES)
    return record
