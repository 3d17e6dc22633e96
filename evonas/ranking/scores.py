"""Scores on disk: one JSON line for each evaluation, appended as it comes, so that nothing is computed twice."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Scored:
    """What one evaluation found of an architecture with the first weights of `seed`, in `core_seconds`.

    `values` are by proxy, None where it failed for the `reason`; `sources` say which code computed each.
    """

    architecture_id: str
    seed: int
    values: Mapping[str, float | None]
    sources: Mapping[str, str]
    reason: str
    core_seconds: float


@dataclass(frozen=True)
class Scores:
    """The scores of some networks with the same seed: by architecture and proxy, None where a proxy failed.

    `core_seconds` is what an evaluation took in the mean, of those by just these proxies; NaN for none. `reasons` say
    by architecture why something has no value.
    """

    values: Mapping[str, Mapping[str, float | None]]
    core_seconds: float
    reasons: Mapping[str, str]


class ScoreLog:
    """Every evaluation in a file, and a place to append more. Use as a context manager, from one process only.

    A line that cannot be read, such as one that an interruption cut, is as if it had never been written.
    """

    def __init__(self, path: Path) -> None:
        content = path.read_bytes() if path.exists() else b""
        self._found: dict[tuple[str, int, str, str], Scored] = {}
        for line in content.split(b"\n"):
            scored = _decode(line)
            if scored is not None:
                self._remember(scored)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        if content and not content.endswith(b"\n"):
            self._write(b"\n")

    def _remember(self, scored: Scored) -> None:
        for name in scored.values:
            self._found[scored.architecture_id, scored.seed, name, scored.sources[name]] = scored

    def find(self, architecture_id: str, *, seed: int, name: str, source: str) -> Scored | None:
        """The evaluation that has a value of one proxy by this code, or says that there is none."""
        return self._found.get((architecture_id, seed, name, source))

    def append(self, scored: Scored) -> None:
        """Write an evaluation and wait until it is on disk.

        Raises:
            OSError: the disk is full.
        """
        content = {name: getattr(scored, name) for name in scored.__dataclass_fields__}
        self._write(json.dumps(content, separators=(",", ":"), allow_nan=False).encode() + b"\n")
        self._remember(scored)

    def _write(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._descriptor, content) :]
        os.fsync(self._descriptor)

    def __enter__(self) -> ScoreLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def _decode(line: bytes) -> Scored | None:
    try:
        content: dict[str, Any] = json.loads(line)
        scored = Scored(**content)
        numbers = [value for value in scored.values.values() if value is not None]
        return (
            scored if set(scored.values) <= set(scored.sources) and all(map(math.isfinite, numbers)) else None
        )
    except (ValueError, TypeError, AttributeError):
        return None


def some(architecture_ids: Iterable[str], n: int) -> Sequence[str]:
    """`n` of the architectures, drawn at random, the same ones always; a smaller number is part of a larger."""
    return sorted(architecture_ids, key=lambda i: hashlib.sha256(i.encode()).digest())[:n]
