"""The seam between selection and evaluation: proposals go out, one `Evaluation` each comes back, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

STATUSES = ("ok", "cached", "infeasible", "failed", "timeout", "worker_died")
"""Every outcome a proposal can have."""

FAILURES = frozenset({"failed", "timeout", "worker_died"})
"""Outcomes that carry no fitness: they are counted, and never enter population or archive."""


@dataclass(frozen=True)
class Proposal:
    """One genome that a strategy asks to have evaluated.

    Attributes:
        index: running number within the run, from 0.
        generation: the generation it was proposed for, 0 for the random first population.
        genome: the genotype; opaque to this package.
        architecture_id: canonical id of what the genome decodes to.
        parents: architecture ids of its parents; empty for a fresh sample.
    """

    index: int
    generation: int
    genome: object
    architecture_id: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """What became of one proposal.

    Attributes:
        status: one of `STATUSES`.
        objectives: value by objective name, natural sign and unit; may be empty unless the proposal is
            feasible.
        violation: 0.0 when feasible, else the sum of the relative excesses over the hard constraints.
        diagnostics: further numbers by name; never used by selection.
        reason: empty when all is well, else one line.
        seconds: wall time spent; with `core_seconds`, `worker` and `attempts` the only fields in which two runs of a
            seed may differ.
        core_seconds: time that the evaluating thread was running on a core.
        worker: name of the process that did it.
        attempts: how often it was started.
    """

    status: str
    objectives: Mapping[str, float] = field(default_factory=dict)
    violation: float = 0.0
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0
    core_seconds: float = field(default=0.0, compare=False)
    worker: str = ""
    attempts: int = 1

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status: expected one of {', '.join(STATUSES)}, got {self.status!r}")


class EvaluationQueue(Protocol):
    """All that evolution knows of evaluation: what goes in first comes out first, whatever is finished when."""

    def submit(self, proposal: Proposal, /) -> None:
        """Have `proposal` evaluated; does not wait for it."""
        ...

    def next(self) -> Evaluation:
        """The evaluation of the oldest proposal whose evaluation was not handed out yet, once it is there."""
        ...


class DirectQueue:
    """Evaluates by a function call when the evaluation is asked for, which is all that a table of results needs."""

    def __init__(self, evaluate: Callable[[Proposal], Evaluation]) -> None:
        self._evaluate = evaluate
        self._waiting: deque[Proposal] = deque()

    def submit(self, proposal: Proposal, /) -> None:
        """See `EvaluationQueue.submit`."""
        self._waiting.append(proposal)

    def next(self) -> Evaluation:
        """See `EvaluationQueue.next`."""
        return self._evaluate(self._waiting.popleft())
