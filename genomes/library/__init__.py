"""Saved genomes with their provenance, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genomes.errors import UnknownNameError
from genomes.registry import nearest
from genomes.serial import load_genome
from genomes.space import Space

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of the saved genomes.

    >>> "spiking_vgg" in names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> tuple[Any, Space[Any]]:
    """A saved genome and its space.

    Raises:
        UnknownNameError: no genome of that name.
    """
    if name not in names():
        raise UnknownNameError(f"unknown genome '{name}'; {nearest(name, names())}")
    return load_genome(FOLDER / f"{name}.json")
