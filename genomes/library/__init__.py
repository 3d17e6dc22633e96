"""Saved genomes with their provenance, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genomes.errors import UnknownNameError
from genomes.registry import nearest
from genomes.serial import load_genome
from genomes.space import Space

FOLDER = Path(__file__).parent


def names(space: str | None = None) -> list[str]:
    """The names of the saved genomes, of all spaces or of one.

    >>> "spiking_vgg" in names("evonas")
    True
    """
    paths = sorted(FOLDER.glob("*.json"))
    return [path.stem for path in paths if space in (None, json.loads(path.read_text())["space"])]


def load(name: str) -> tuple[Any, Space[Any]]:
    """A saved genome and its space.

    Raises:
        UnknownNameError: no genome of that name.
    """
    if name not in names():
        raise UnknownNameError(f"unknown genome '{name}'; {nearest(name, names())}")
    return load_genome(FOLDER / f"{name}.json")
