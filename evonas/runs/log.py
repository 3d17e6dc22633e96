"""The evaluation log: one JSON line per proposed genome, in order; the truth from which every result is derived."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from evonas.errors import RunError
from evonas.evolution.evaluation import STATUSES, Evaluation, Proposal


@dataclass(frozen=True)
class Row:
    """One line of the log. `seconds`, `worker` and `attempts` alone may differ between two runs of one seed."""

    index: int
    generation: int
    architecture_id: str
    status: str
    objectives: Mapping[str, float]
    violation: float
    diagnostics: Mapping[str, float]
    reason: str
    genome: Any  # the space's JSON form
    parents: tuple[str, ...]
    seconds: float
    worker: str
    attempts: int

    def proposal(self) -> Proposal:
        """The proposal this row records, its genome in the space's JSON form."""
        return Proposal(
            index=self.index,
            generation=self.generation,
            genome=self.genome,
            architecture_id=self.architecture_id,
            parents=self.parents,
        )

    def evaluation(self) -> Evaluation:
        """The outcome this row records."""
        return Evaluation(
            status=self.status,
            objectives=self.objectives,
            violation=self.violation,
            diagnostics=self.diagnostics,
            reason=self.reason,
            seconds=self.seconds,
            worker=self.worker,
            attempts=self.attempts,
        )


def row(proposal: Proposal, evaluation: Evaluation, *, genome: object) -> Row:
    """The line for a proposal and its outcome; `genome` is the proposal's genome in the space's JSON form."""
    return Row(
        index=proposal.index,
        generation=proposal.generation,
        architecture_id=proposal.architecture_id,
        status=evaluation.status,
        objectives=evaluation.objectives,
        violation=evaluation.violation,
        diagnostics=evaluation.diagnostics,
        reason=evaluation.reason,
        genome=genome,
        parents=tuple(proposal.parents),
        seconds=evaluation.seconds,
        worker=evaluation.worker,
        attempts=evaluation.attempts,
    )


class LogWriter:
    """The log of a run, open for appending; a row is on disk when `append` returns.

    Use as a context manager. Write from one process only, after `recover` where the file is not new.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        self._end = os.fstat(self._descriptor).st_size

    def append(self, rows: Sequence[Row]) -> None:
        """Write `rows` and wait until they are on disk (a few milliseconds).

        Raises:
            OSError: the disk is full; none of `rows` is then kept, what was written before is.
        """
        content = b"".join(_encode(row) for row in rows)
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(content)

    def close(self) -> None:
        """Close the file; nothing is pending."""
        os.close(self._descriptor)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> list[Row]:
    """The rows of the log in order, empty where there is no file yet; a cut last line is dropped.

    Raises:
        RunError: a line before the last is broken, which no interruption explains.
    """
    rows, _, broken, is_last = _intact(path)
    if broken and not is_last:
        raise RunError(
            f"{path}: line {len(rows) + 1} {broken}; 'evonas resume {path.parent}' keeps the {len(rows)} rows before "
            "it and evaluates the rest again"
        )
    return rows


def recover(path: Path) -> tuple[list[Row], list[str]]:
    """Cut the log back to its intact rows, so that it can be appended to, and return them and what was dropped.

    A line that is broken takes all later ones with it: a run is the sequence of its rows.
    """
    rows, n_bytes, broken, is_last = _intact(path)
    if not broken:
        return rows, []
    n_dropped = path.stat().st_size - n_bytes
    with open(path, "r+b") as file:
        file.truncate(n_bytes)
        os.fsync(file.fileno())
    where = "the last line" if is_last else f"line {len(rows) + 1}"
    return rows, [
        f"{path.name}: {where} {broken}; kept the {len(rows)} rows before it, dropped {n_dropped} bytes"
    ]


def _intact(path: Path) -> tuple[list[Row], int, str, bool]:
    """The rows up to the first broken line, their bytes, what is wrong with that line, and whether it is the last."""
    content = path.read_bytes() if path.exists() else b""
    rows: list[Row] = []
    n_bytes = 0
    lines = [line for line in re.split(rb"(?<=\n)", content) if line]  # bytes.splitlines would cut at \r too
    for number, line in enumerate(lines):
        parsed = _decode(line, index=number)
        if isinstance(parsed, str):
            return rows, n_bytes, parsed, number == len(lines) - 1
        rows.append(parsed)
        n_bytes += len(line)
    return rows, n_bytes, "", False


def _encode(row: Row) -> bytes:
    content = {field.name: getattr(row, field.name) for field in fields(row)}
    # A diagnostic may be undefined (a silent layer has no correlation) and JSON has no NaN; an objective may not.
    content["diagnostics"] = {
        name: value if math.isfinite(value) else None for name, value in row.diagnostics.items()
    }
    content["objectives"] = dict(row.objectives)
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _decode(line: bytes, *, index: int) -> Row | str:
    """The row in `line`, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "is cut"
    try:
        content = json.loads(line)
    except ValueError:
        return "is not JSON"
    if not isinstance(content, dict) or set(content) != {field.name for field in fields(Row)}:
        return "is not the record of an evaluation"
    if not all(isinstance(content[name], kind) for name, kind in _TYPES.items()):
        return "has a value of the wrong type"
    if content["status"] not in STATUSES or not all(map(_is_finite, content["objectives"].values())):
        return "has an unknown status or an objective that is not a finite number"
    if content["index"] != index:
        return f"has index {content['index']}, expected {index}"
    content["parents"] = tuple(content["parents"])
    content["diagnostics"] = {
        name: math.nan if value is None else value for name, value in content["diagnostics"].items()
    }
    return Row(**content)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


_TYPES: dict[str, type | tuple[type, ...]] = {
    "index": int,
    "generation": int,
    "architecture_id": str,
    "status": str,
    "objectives": dict,
    "violation": (int, float),
    "diagnostics": dict,
    "reason": str,
    "parents": list,
    "seconds": (int, float),
    "worker": str,
    "attempts": int,
}
