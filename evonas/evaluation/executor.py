"""What an executor is: it evaluates genomes somewhere and hands the results back as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol

from evonas.evolution.evaluation import Evaluation


class Executor(Protocol):
    """A context manager that holds whatever evaluates: this process, or workers."""

    def run(self, genomes: Sequence[Any]) -> Iterator[tuple[int, Evaluation]]:
        """The position and evaluation of each genome, in the order they are finished."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
