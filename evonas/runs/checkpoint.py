"""Checkpoints: the state of a run after each generation, one JSON file with its SHA-256, the last three kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evonas.atomic import atomic_write

SCHEMA = 2
N_KEPT = 3
BEGUN = "begun.json"
_FILE_NAME = re.compile(r"generation-(\d{5,})\.json")


def write(folder: Path, *, generation: int, state: Mapping[str, Any]) -> Path:
    """Write `state` as the checkpoint of `generation` and return its path.

    The checkpoints of later generations are removed (the run was taken up before them), and all but the last three.

    Args:
        folder: the `checkpoints` folder of a run.
        generation: 0 or more; -1 for the state of a run that has not begun, which records its settings.
        state: JSON-able data with finite numbers and keys of text.

    Raises:
        OSError: the disk is full; the checkpoints written before are untouched.
    """
    content = _canonical({"schema": SCHEMA, "generation": generation, "state": state})
    digest = hashlib.sha256(content).hexdigest()
    path = folder / (BEGUN if generation < 0 else f"generation-{generation:05d}.json")
    atomic_write(path, content[:-1] + f',"sha256":"{digest}"}}'.encode())
    numbers = _generations(folder)
    kept = [number for number in numbers if number <= generation][-N_KEPT:]
    for number, old in numbers.items():
        if number not in kept and number >= 0:
            old.unlink(missing_ok=True)
    return path


def load_newest(
    folder: Path, *, refuse: Callable[[Mapping[str, Any]], str] = lambda state: ""
) -> tuple[dict[str, Any] | None, list[str]]:
    """The state of the newest checkpoint that is intact, and one message for each newer one that had to be skipped.

    Args:
        folder: the `checkpoints` folder of a run; it need not exist.
        refuse: called with an intact state; a reason skips it too, an empty text accepts it.

    Returns:
        The state, `None` when there is no usable checkpoint, and the messages, newest first.
    """
    skipped: list[str] = []
    for number, path in reversed(_generations(folder).items()):
        state, reason = _read(path, generation=number)
        reason = reason or refuse(state)
        if not reason:
            return state, [f"{message}; using {path.name}" for message in skipped]
        skipped.append(f"checkpoint {path.name} is not used: {reason}")
    return None, skipped


def _read(path: Path, *, generation: int) -> tuple[dict[str, Any], str]:
    """The state in `path` and an empty text, or nothing and what is wrong with the file."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        return {}, f"it cannot be read ({error.strerror})"
    except ValueError:
        return {}, "it is cut or not JSON"
    if not isinstance(content, dict) or "sha256" not in content or not isinstance(content.get("state"), dict):
        return {}, "it is not a checkpoint"
    if content.get("schema") != SCHEMA:
        return {}, f"its schema is {content.get('schema')!r}, this version reads {SCHEMA}"
    digest = content.pop("sha256")
    if hashlib.sha256(_canonical(content)).hexdigest() != digest:
        return {}, "its content does not match its SHA-256"
    if content.get("generation") != generation:
        return {}, f"it holds generation {content.get('generation')}"
    return content["state"], ""


def _generations(folder: Path) -> dict[int, Path]:
    """The checkpoint files by generation, oldest first."""
    if not folder.is_dir():
        return {}
    matches = ((_FILE_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    numbered = [(int(match[1]), path) for match, path in matches if match]
    begun = [(-1, folder / BEGUN)] if (folder / BEGUN).exists() else []
    return dict(sorted(begun + numbered))


def _canonical(content: object) -> bytes:
    """JSON with one spelling per value: sorted keys, no spaces, exact floats, and no NaN, which is not JSON."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
