"""From a genome to an evaluation: decode, build a network only if an objective asks for one, measure, check."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from evonas.errors import ConfigError
from evonas.evolution.evaluation import Evaluation
from evonas.objectives import OBJECTIVES, Objective
from evonas.proxies import Candidate
from genomes.space import Space


@dataclass(frozen=True)
class Task:
    """What every evaluation of a run has in common, apart from the batch; small, so that it travels to workers.

    `limits` are hard constraints: the largest legal value by name of an objective, be it among `objectives` or not.
    `seed` is that of the run: it fixes the first weights.
    """

    space: Space[Any]
    objectives: tuple[str, ...]
    time_steps: int
    seed: int
    limits: Mapping[str, float] = field(default_factory=dict)
    apart: bool = False
    """Whether an objective that fails leaves the others their values; if not, the whole evaluation fails."""


def objectives(names: tuple[str, ...]) -> list[Objective]:
    """The objectives by name.

    Raises:
        ConfigError: none, or one twice.
        UnknownNameError: a name that no objective has.
    """
    if not names or len(set(names)) < len(names):
        given = ", ".join(names) or "none"
        raise ConfigError(f"evolution.objectives: expected different names, at least one, got {given}")
    return [OBJECTIVES.get(name) for name in names]


def use_one_thread() -> None:
    """Evaluate on one torch thread: results differ between thread counts, and workers share the cores."""
    torch.set_num_threads(1)


def evaluate(task: Task, genome: Any, *, inputs: Tensor, labels: Tensor | None = None) -> Evaluation:
    """The evaluation of one genome on the batch `inputs` (1 or T, B, C, H, W); whatever goes wrong is its status.

    `labels` (B,) are for those proxies that use them.

    The cheap objectives come first: where one of them breaks a constraint, only what the total violation needs is
    measured, and often no network is built.
    """
    started = time.thread_time()
    if task.apart:
        found = _evaluate_apart(replace(task, apart=False), genome, inputs=inputs, labels=labels)
    else:
        found = _evaluate_safely(task, genome, inputs=inputs, labels=labels)
    return replace(found, core_seconds=time.thread_time() - started)


def _evaluate_safely(task: Task, genome: Any, *, inputs: Tensor, labels: Tensor | None) -> Evaluation:
    try:
        return _evaluate(task, genome, inputs=inputs, labels=labels)
    except Exception as error:
        # A genome that breaks something is a result too: it is logged with its reason and the search goes on.
        first_line = (str(error).strip() or "no message").splitlines()[0]
        return Evaluation("failed", reason=f"{type(error).__name__}: {first_line}")


def _evaluate_apart(task: Task, genome: Any, *, inputs: Tensor, labels: Tensor | None) -> Evaluation:
    """One evaluation with whatever objectives have a value; `reason` says why the others have none."""
    together = _evaluate_safely(task, genome, inputs=inputs, labels=labels)
    if together.status != "failed" or len(task.objectives) == 1:
        return together
    alone = {
        name: _evaluate_safely(replace(task, objectives=(name,)), genome, inputs=inputs, labels=labels)
        for name in task.objectives
    }
    values = {name: value for found in alone.values() for name, value in found.objectives.items()}
    reasons = [f"{name}: {found.reason}" for name, found in alone.items() if found.reason]
    return Evaluation("ok" if values else "failed", objectives=values, reason="; ".join(reasons))


def _evaluate(task: Task, genome: Any, *, inputs: Tensor, labels: Tensor | None) -> Evaluation:
    wanted = objectives(tuple(dict.fromkeys((*task.objectives, *task.limits))))
    wanted.sort(key=lambda objective: bool(objective.statistics))
    candidate = Candidate(
        task.space.decode(genome),
        inputs=inputs,
        labels=labels,
        time_steps=task.time_steps,
        seed=task.seed,
        statistics=[statistic for objective in wanted for statistic in objective.statistics],
    )
    values: dict[str, float] = {}
    diagnostics: dict[str, float] = {}
    violation = 0.0
    broken: list[str] = []
    for objective in wanted:
        if violation and objective.statistics and objective.name not in task.limits:
            continue  # only what tells how far it is from feasible is still of interest
        measured = objective.value(candidate)
        if not math.isfinite(measured.value):
            return Evaluation(
                "failed", diagnostics=diagnostics, reason=f"{objective.name} is {measured.value}"
            )
        if objective.scale == "log10" and measured.value <= 0:
            return Evaluation(
                "failed",
                diagnostics=diagnostics | measured.diagnostics,
                reason=f"{objective.name} is {measured.value:g}; its log10 scale needs a positive number",
            )
        values[objective.name] = measured.value
        diagnostics |= measured.diagnostics
        limit = task.limits.get(objective.name, math.inf)
        if measured.value > limit:
            violation += measured.value / limit - 1.0
            broken.append(f"{objective.name} {measured.value:g} is above {limit:g}")
    known = {name: values[name] for name in task.objectives if name in values}
    diagnostics |= {name: value for name, value in values.items() if name not in known}
    if violation:
        return Evaluation(
            "infeasible",
            objectives=known,
            violation=violation,
            diagnostics=diagnostics,
            reason="; ".join(broken),
        )
    return Evaluation("ok", objectives=known, diagnostics=diagnostics)
