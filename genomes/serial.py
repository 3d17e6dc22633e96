"""Saved genomes: a JSON file with a genome, its space, and a line on where it is from."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genomes.architecture import InputSpec
from genomes.codec import from_plain, to_plain
from genomes.errors import GenomeFormatError, IllegalGeneError, UnknownNameError
from genomes.registry import load_modules, nearest
from genomes.space import SPACES, Space

SCHEMA = 1
"""Version of the saved-genome format; a reader refuses any other."""


def genome_text(genome: Any, *, space: Space[Any], provenance: str) -> str:
    """The content of a saved genome: the genome, its space, the input it was made for, a line on where it is from."""
    saved = {
        "schema": SCHEMA,
        "space": space.name,
        "input": to_plain(space.input),
        "options": _options(space),
        "provenance": provenance,
        "genome": space.to_dict(genome),
    }
    return json.dumps(saved, indent=1) + "\n"


def save_genome(path: Path, genome: Any, *, space: Space[Any], provenance: str) -> None:
    """Write one genome to a file; see `genome_text`."""
    path.write_text(genome_text(genome, space=space, provenance=provenance))


def load_genome(path: Path) -> tuple[Any, Space[Any]]:
    """The genome of a file that `save_genome` wrote, and its space.

    Raises:
        GenomeFormatError: not JSON, another schema version, a missing or unknown key.
        GenomeError: a gene or name that the space does not know.
    """
    try:
        saved = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise GenomeFormatError(f"{path}: not a saved genome: {error}") from error
    if not isinstance(saved, dict) or saved.get("schema") != SCHEMA:
        found = saved.get("schema") if isinstance(saved, dict) else type(saved).__name__
        raise GenomeFormatError(f"{path}: expected a saved genome of schema {SCHEMA}, got {found!r}")
    for key in saved:
        if key not in _KEYS:
            raise GenomeFormatError(f"{path}: unknown key '{key}'; {nearest(key, list(_KEYS))}")
    for key in _KEYS:
        if key not in saved:
            raise GenomeFormatError(f"{path}: missing key '{key}'")
    name = from_plain(str, saved["space"], where="space")
    spec = from_plain(InputSpec, saved["input"], where="input")
    space = build_space(name, input_spec=spec, options=saved["options"])
    genome = space.from_dict(saved["genome"])
    space.check(genome)
    return genome, space


_KEYS = ("schema", "space", "input", "options", "provenance", "genome")


def _options(space: Space[Any]) -> dict[str, Any]:
    """The fields of a space that differ from their defaults."""
    return {
        f.name: to_plain(getattr(space, f.name))
        for f in dataclasses.fields(space)  # type: ignore[arg-type]
        if f.name != "input" and getattr(space, f.name) != f.default
    }


def build_space(name: str, *, input_spec: InputSpec, options: Mapping[str, Any]) -> Space[Any]:
    """The search space `name` for one kind of input; `options` are its fields, as JSON or TOML gives them.

    Raises:
        UnknownNameError: no such space, or it has no such option.
        GenomeFormatError: an option of the wrong type.
        IllegalGeneError: an option out of range.
    """
    if not isinstance(options, Mapping):
        raise GenomeFormatError(f"options: expected an object, got {options!r}")
    load_modules("genomes.spaces")
    factory: Any = SPACES.get(name)
    hints = typing.get_type_hints(factory)
    known = [f.name for f in dataclasses.fields(factory) if f.name != "input"]
    typed = {}
    for option, value in options.items():
        if option not in known:
            raise UnknownNameError(
                f"unknown option 'space.{option}' of space '{name}'; {nearest(option, known)}"
            )
        plain = list(value) if isinstance(value, tuple) else value
        typed[option] = from_plain(hints[option], plain, where=f"space.{option}")
        if isinstance(plain, list) and len(set(typed[option])) < len(plain):
            shown = ", ".join(map(str, plain))
            raise IllegalGeneError(f"space.{option}: expected each value once, got {shown}")
    space: Space[Any] = factory(input=input_spec, **typed)
    return space
