"""Evaluations of a run in submission order: each architecture is run once, results wait for those before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from evonas.evaluation.executor import Executor
from evonas.evolution.evaluation import FAILURES, Evaluation, Proposal


class RememberingMap:
    """The `map` of the population loop: proposals in, one evaluation each out, in order.

    An architecture that was evaluated before in this run, or earlier among the same proposals, is not run again. What
    `recorded` returns for a proposal is taken as its evaluation (a resumed run replays its log so); everything else is
    handed to `on_result` in submission order, whatever order the executor finishes in.
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
        self._known: dict[str, Evaluation] = {}
        self._recorded = recorded
        self._on_result = on_result
        for architecture_id, evaluation in known:
            self._remember(architecture_id, evaluation)

    def __call__(self, proposals: Sequence[Proposal]) -> list[Evaluation]:
        """One evaluation for each proposal."""
        results: dict[int, Evaluation] = {}
        replayed: set[int] = set()
        to_run: dict[str, int] = {}
        for position, proposal in enumerate(proposals):
            evaluation = self._recorded(proposal)
            if evaluation is not None:
                results[position] = evaluation
                replayed.add(position)
                self._remember(proposal.architecture_id, evaluation)
            elif proposal.architecture_id not in self._known:
                to_run.setdefault(proposal.architecture_id, position)
        order = list(to_run.values())
        finished = self._executor.run([proposals[position].genome for position in order])
        committed: list[Evaluation] = []
        for position, proposal in enumerate(proposals):
            own = to_run.get(proposal.architecture_id) == position
            while own and position not in results:
                done, evaluation = next(finished)
                results[order[done]] = evaluation
            if own:
                self._remember(proposal.architecture_id, results[position])
            evaluation = (
                results[position] if position in results else again(self._known[proposal.architecture_id])
            )
            if position not in replayed:
                self._on_result(proposal, evaluation)
            committed.append(evaluation)
        return committed

    def _remember(self, architecture_id: str, evaluation: Evaluation) -> None:
        if evaluation.status != "cached":
            self._known.setdefault(architecture_id, evaluation)


def again(evaluation: Evaluation) -> Evaluation:
    """The evaluation of an architecture that was met before: `cached`, or failed as it did the first time."""
    status = evaluation.status if evaluation.status in FAILURES else "cached"
    return replace(evaluation, status=status, seconds=0.0, core_seconds=0.0, worker="", attempts=0)
