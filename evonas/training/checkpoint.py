"""The files of a training: each replaced in one piece, and nothing in them but plain values and tensors."""

from __future__ import annotations

import io
from pathlib import Path

import torch

from evonas.atomic import atomic_write
from evonas.errors import RunError


def write_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`, which afterwards holds the old or the new content, whatever happens meanwhile.

    Raises:
        RunError: the disk is full, or the folder is missing or not writable.
    """
    try:
        atomic_write(path, content)
    except OSError as error:
        why = error.strerror or str(error)
        raise RunError(f"cannot write {path}: {why}; free some space or choose another folder") from error


def write_tensors(path: Path, content: object) -> None:
    """Save nested dicts, lists, numbers, strings and tensors; see `write_file`."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_file(path, buffer.getvalue())


def read_tensors(path: Path) -> dict[str, object]:
    """What `write_tensors` saved at `path`, tensors on the CPU.

    Raises:
        RunError: the file is damaged, or holds something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises zip, pickle, key and end-of-file errors alike
        raise RunError(
            f"{path} is damaged ({type(error).__name__}); delete it to train from the start"
        ) from error
    if not isinstance(content, dict):
        raise RunError(
            f"{path} holds a {type(content).__name__}, not a training; delete it to train from the start"
        )
    return content
