"""What an executor is: it evaluates genomes somewhere and hands the results back as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol

from evonas.evolution.evaluation import Evaluation


class Executor(Protocol):
    """A context manager that holds whatever evaluates: this process, or workers."""

    def submit(self, position: int, genome: Any) -> None:
        """Have `genome` evaluated once there is room; those submitted first are begun first."""
        ...

    def finished(self) -> list[tuple[int, Evaluation]]:
        """Position and evaluation of what was finished since the last call, at least one; waits for it.

        Something must have been submitted that was not handed out yet.
        """
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def evaluated(executor: Executor, genomes: Sequence[Any]) -> Iterator[tuple[int, Evaluation]]:
    """The position and evaluation of each genome, in the order they are finished."""
    for position, genome in enumerate(genomes):
        executor.submit(position, genome)
    n_left = len(genomes)
    while n_left:
        found = executor.finished()
        n_left -= len(found)
        yield from found
