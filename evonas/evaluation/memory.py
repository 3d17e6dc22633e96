"""Evaluations of a run in submission order: each architecture is run once, results wait for those before them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from evonas.evaluation.executor import Executor
from evonas.evolution.evaluation import FAILURES, Evaluation, Proposal


class RememberingQueue:
    """The `EvaluationQueue` of a run: proposals go in, one evaluation each comes out, in order.

    An architecture that was evaluated before in this run, or is being evaluated, is not run again. What `recorded`
    returns for a proposal is taken as its evaluation (a resumed run replays its log so). Every evaluation is handed to
    `on_result` before it comes out, so in submission order, whatever order the executor finishes in.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        known: Iterable[tuple[str, Evaluation]] = (),
        recorded: Callable[[Proposal], Evaluation | None] = lambda proposal: None,
        on_result: Callable[[Proposal, Evaluation], None] = lambda proposal, evaluation: None,
    ) -> None:
        self._executor = executor
        self._recorded = recorded
        self._on_result = on_result
        self._waiting: deque[Proposal] = deque()
        self._running: set[str] = set()
        self._results: dict[int, Evaluation] = {}
        self._known: dict[str, Evaluation] = {}
        for architecture_id, evaluation in known:
            self._remember(architecture_id, evaluation)

    def submit(self, proposal: Proposal, /) -> None:
        """See `EvaluationQueue.submit`."""
        architecture_id = proposal.architecture_id
        evaluation = self._recorded(proposal)
        if evaluation is not None:
            self._results[proposal.index] = evaluation
            self._remember(architecture_id, evaluation)
        elif architecture_id not in self._known and architecture_id not in self._running:
            self._running.add(architecture_id)
            self._executor.submit(proposal.index, proposal.genome)
        self._waiting.append(proposal)

    def next(self) -> Evaluation:
        """See `EvaluationQueue.next`."""
        proposal = self._waiting.popleft()
        architecture_id = proposal.architecture_id
        # The double of a pending one stands behind it, so it is known by the time that its own turn comes.
        while proposal.index not in self._results and architecture_id not in self._known:
            self._results.update(self._executor.finished())
        evaluation = self._results.pop(proposal.index, None)
        if evaluation is None:
            evaluation = again(self._known[architecture_id])
        else:
            self._remember(architecture_id, evaluation)
            self._running.discard(architecture_id)
        self._on_result(proposal, evaluation)
        return evaluation

    def _remember(self, architecture_id: str, evaluation: Evaluation) -> None:
        if evaluation.status != "cached":
            self._known.setdefault(architecture_id, evaluation)


def again(evaluation: Evaluation) -> Evaluation:
    """The evaluation of an architecture that was met before: `cached`, or failed as it did the first time."""
    status = evaluation.status if evaluation.status in FAILURES else "cached"
    return replace(evaluation, status=status, seconds=0.0, core_seconds=0.0, worker="", attempts=0)
