"""Genomes as JSON: a strict, typed round trip of frozen dataclasses, and the file format of a saved genome."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from genomes.architecture import InputSpec
from genomes.errors import GenomeFormatError, UnknownNameError
from genomes.registry import load_modules, nearest
from genomes.space import SPACES, Space

T = TypeVar("T")

SCHEMA = 1
"""Version of the saved-genome format; a reader refuses any other."""


def to_plain(value: Any) -> Any:
    """A frozen dataclass as JSON-ready values: dicts, lists, numbers, strings."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [to_plain(v) for v in value] if isinstance(value, tuple) else value


def from_plain(kind: type[T], value: Any, *, where: str) -> T:
    """The dataclass that `to_plain` wrote.

    Raises:
        GenomeFormatError: a missing or unknown key or a value of another type; `where` leads to it.
        GenomeError: what the dataclass itself refuses.
    """
    loaded: T = _load(kind, value, where)
    return loaded


def _load(kind: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (k for k in typing.get_args(kind) if k is not type(None))
        return None if value is None else _load(inner, value, where)
    if origin is tuple:
        kinds = typing.get_args(kind)
        if not isinstance(value, list) or (kinds[-1] is not Ellipsis and len(value) != len(kinds)):
            raise GenomeFormatError(f"{where}: expected a list, got {value!r}")
        each = [kinds[0]] * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(_load(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(each, value, strict=True)))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise GenomeFormatError(f"{where}: expected an object, got {value!r}")
        hints = typing.get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind)]
        for key in value:
            if key not in names:
                raise GenomeFormatError(f"{where}: unknown key '{key}'; {nearest(str(key), names)}")
        missing = [name for name in names if name not in value]
        if missing:
            raise GenomeFormatError(f"{where}: missing key '{missing[0]}'")
        return kind(**{name: _load(hints[name], value[name], f"{where}.{name}") for name in names})
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise GenomeFormatError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value


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
        typed[option] = _load(hints[option], plain, f"space.{option}")
    space: Space[Any] = factory(input=input_spec, **typed)
    return space
