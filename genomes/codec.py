"""Frozen dataclasses as JSON-ready values and back: a strict, typed round trip."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from genomes.errors import GenomeFormatError
from genomes.registry import nearest

ADDED_LATER: Mapping[str, bool] = {"added later": True}
"""Metadata of a field that older files lack: it is written only where it differs from its default."""


def to_plain(value: Any) -> Any:
    """A frozen dataclass as JSON-ready values: dicts, lists, numbers, strings."""
    if isinstance(value, tuple):
        return [to_plain(v) for v in value]
    kind: type = type(value)
    if not dataclasses.is_dataclass(kind):
        return value
    names, added_later = _written(kind)
    plain = {name: to_plain(getattr(value, name)) for name in names}
    for name, default in added_later:
        if plain[name] == default:
            del plain[name]
    return plain


@cache
def _written(kind: type) -> tuple[tuple[str, ...], tuple[tuple[str, Any], ...]]:
    """The fields of a dataclass, and those of them that were added later, with the value at which they are left out."""
    fields = dataclasses.fields(kind)
    later = tuple((f.name, to_plain(f.default)) for f in fields if f.metadata == ADDED_LATER)
    return tuple(f.name for f in fields), later


def from_plain(kind: Any, value: Any, *, where: str) -> Any:
    """The value of type `kind` (a dataclass, tuple, number, text, or one of these or None) that `to_plain` wrote.

    Raises:
        GenomeFormatError: a missing or unknown key or a value of another type; `where` leads to it.
        GenomeError: what the dataclass itself refuses.
    """
    return _load(kind, value, where)


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
        fields = dataclasses.fields(kind)
        names = [f.name for f in fields]
        for key in value:
            if key not in names:
                raise GenomeFormatError(f"{where}: unknown key '{key}'; {nearest(str(key), names)}")
        missing = [f.name for f in fields if f.name not in value and f.metadata != ADDED_LATER]
        if missing:
            raise GenomeFormatError(f"{where}: missing key '{missing[0]}'")
        return kind(**{key: _load(hints[key], given, f"{where}.{key}") for key, given in value.items()})
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise GenomeFormatError(f"{where}: expected {kind.__name__}, got {value!r}")
    return value
