"""The population loop, on DEAP's toolbox and logbook."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deap.base import Toolbox
from deap.tools import Logbook

from evonas.errors import ConfigError
from evonas.evolution import archive
from evonas.evolution.archive import hypervolume
from evonas.evolution.evaluation import FAILURES, Evaluation, EvaluationQueue, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import individuals
from evonas.evolution.selection import survivors
from evonas.evolution.space import SearchSpace
from evonas.evolution.state import EvolutionState, asked
from evonas.evolution.strategies import Strategy


@dataclass(frozen=True)
class Generation:
    """As many proposals as the population has places, told: the state after them, they in order, their record."""

    state: EvolutionState
    proposals: tuple[Proposal, ...]
    evaluations: tuple[Evaluation, ...]
    record: dict[str, Any]


def make_toolbox(*, space: SearchSpace) -> Toolbox:
    """The operators of a run: sample, mate, mutate and architecture_id are the space's, select is `survivors`."""
    toolbox = Toolbox()
    toolbox.register("sample", space.sample)
    toolbox.register("mate", space.crossover)
    toolbox.register("mutate", space.mutate)
    toolbox.register("architecture_id", space.architecture_id)
    toolbox.register("select", survivors)
    return toolbox


def evolve(
    *,
    toolbox: Toolbox,
    queue: EvaluationQueue,
    strategy: Strategy,
    state: EvolutionState,
    specs: Sequence[ObjectiveSpec],
    generations: int,
    population: int,
    seed: int,
    lag: int | None = None,
    seen: Iterable[str] = (),
    initial: Sequence[object] = (),
    on_generation: Callable[[Generation], None] = lambda generation: None,
) -> tuple[EvolutionState, Logbook]:
    """The state after generation `generations` (0 is the random first population alone), and its logbook.

    Continues from `state`, as it was after a generation; `EvolutionState()` begins anew. `seen` are the architecture
    ids of all proposals up to ``state.n_told``, and no later ones, or a resumed run would propose otherwise than an
    uninterrupted one. `lag` is for strategies that take one. The genomes `initial` take the first places of
    generation 0, whatever the strategy proposes there. `on_generation` is called after each generation.

    What the strategy has proposed beyond the last generation is pending in the end and was not submitted, so that a
    search that goes on is the one that had been longer from the beginning.

    Raises:
        ConfigError: no objectives or two of one name, `population` below 2 or below the number of `initial`,
            `generations` below 0, or a `lag` that the strategy refuses.
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
    rhythm = strategy.rhythm(population=population, lag=lag)
    n_total = population * (generations + 1)
    given = _given(initial, toolbox=toolbox) if state.n_proposed == 0 else []
    known = {*seen, *(proposal.architecture_id for proposal in (*given, *state.pending))}

    def submit(proposals: Iterable[Proposal]) -> None:
        for proposal in proposals:
            if proposal.index < n_total:
                queue.submit(proposal)

    if state.n_told < n_total:
        submit(state.pending)
    logbook = Logbook()
    proposals: list[Proposal] = []
    evaluations: list[Evaluation] = []
    started = time.perf_counter()
    while state.n_told < n_total:
        while len(state.pending) + rhythm.batch <= rhythm.lag:
            new = strategy.ask(state, toolbox=toolbox, n=rhythm.batch, size=population, seed=seed, seen=known)
            # The places that are overwritten were asked for too, so that every other sample keeps its own stream.
            new = [given[p.index] if p.index < len(given) else p for p in new]
            known.update(proposal.architecture_id for proposal in new)
            state = asked(state, new)
            submit(new)
        batch = state.pending[: rhythm.batch]
        results = [queue.next() for _ in batch]
        state = strategy.tell(state, batch, results, toolbox=toolbox, specs=specs, size=population)
        proposals += batch
        evaluations += results
        if state.n_told % population == 0:
            state = _with_generation(state, proposals, evaluations, specs=specs)
            record = summary(state, evaluations, specs=specs)
            record["seconds"] = time.perf_counter() - started
            logbook.record(**record)
            on_generation(Generation(state, tuple(proposals), tuple(evaluations), record))
            proposals, evaluations, started = [], [], time.perf_counter()
    return state, logbook


def _given(genomes: Sequence[object], *, toolbox: Toolbox) -> list[Proposal]:
    return [
        Proposal(index=i, generation=0, genome=genome, architecture_id=toolbox.architecture_id(genome))
        for i, genome in enumerate(genomes)
    ]


def _with_generation(
    state: EvolutionState,
    proposals: Sequence[Proposal],
    evaluations: Sequence[Evaluation],
    *,
    specs: Sequence[ObjectiveSpec],
) -> EvolutionState:
    """The state with one more generation in its archive; one by one they would cost a sort of the archive each."""
    fresh = individuals(proposals, evaluations, specs=specs)
    return replace(
        state, generation=state.generation + 1, archive=archive.update(state.archive, fresh, specs)
    )


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
