"""Checks of one setting: its type, its range, and how a value typed on the command line is read."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass

from evonas.errors import ConfigError

MOST_FLOAT = 2**1023  # a whole number beyond has no float
NOTHING = "none"  # TOML has no null: this word unsets an optional setting


@dataclass(frozen=True)
class Limits:
    """What a setting may be beyond its type: an interval of numbers, a list of words, a list of so many names."""

    least: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()

    def violated_by(self, value: object) -> bool:
        """Whether `value`, already of the right type, lies outside."""
        if isinstance(value, str):
            return bool(self.choices) and value not in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (
            (self.least is not None and value < self.least)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )

    def __str__(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        bounds = ((self.least, "at least"), (self.above, "above"), (self.below, "below"))
        return " and ".join(f"{word} {bound:g}" for bound, word in bounds if bound is not None)


def limits_of(field: dataclasses.Field[object]) -> Limits:
    """The limits that the declaration of a setting carries in its metadata."""
    limits = field.metadata.get("limits", Limits())
    assert isinstance(limits, Limits)
    return limits


def checked(name: str, value: object, *, annotation: object, limits: Limits) -> object:
    """`value` as a setting of type `annotation`: an int becomes a float and a list a tuple where that is the type.

    >>> checked("training.weight_decay", 1, annotation=float, limits=Limits(least=0))
    1.0
    >>> checked("evolution.population", 1, annotation=int, limits=Limits(least=2))
    Traceback (most recent call last):
    evonas.errors.ConfigError: evolution.population must be a whole number, at least 2; got 1

    Raises:
        ConfigError: wrong type or outside `limits`.
    """
    expected = _expected(annotation, limits)
    inner, optional = _without_none(annotation)
    if optional and (value is None or value == NOTHING):
        return None
    if inner is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < MOST_FLOAT else math.inf
    if inner == tuple[str, ...]:
        if (
            not isinstance(value, list | tuple)
            or len(value) < (limits.least or 0)
            or not all(isinstance(v, str) and v for v in value)
        ):
            raise ConfigError(f"{name} must be {expected}; got {shown(value)}")
        if len(set(value)) < len(value):
            raise ConfigError(f"{name} must be {expected}, each once; got {shown(value)}")
        return tuple(value)
    right_type = isinstance(value, typing.cast(type, inner)) and (
        inner is bool or not isinstance(value, bool)
    )
    finite = not isinstance(value, float) or math.isfinite(value)
    if not right_type or not finite or value == "" or limits.violated_by(value):
        raise ConfigError(f"{name} must be {expected}; got {shown(value)}")
    return value


def typed(text: str, *, annotation: object) -> object:
    """The value that `text` from the command line stands for, where a setting of type `annotation` is wanted.

    Numbers, booleans and lists are written as in TOML; a list of names also as ``a,b`` or ``[a,b]``;
    a word needs no quotes.

    >>> typed("20", annotation=int), typed("rdm,parameters", annotation=tuple[str, ...])
    (20, ['rdm', 'parameters'])
    >>> typed("[if,lif]", annotation=None), typed("'none'", annotation=str)
    (['if', 'lif'], 'none')
    """
    inner, optional = _without_none(annotation)
    if optional and text == NOTHING:
        return None
    if inner is str:
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
    if inner == tuple[str, ...] and not text.startswith("["):
        return [part.strip() for part in text.split(",")]
    if re.fullmatch(r"\[[A-Za-z_./~][\w, ./~-]*\]", text):  # a shell takes the quotes of ["a","b"] away
        return [part.strip() for part in text[1:-1].split(",")]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:  # not TOML, or a number of thousands of digits
        return text


def checked_option(name: str, value: object) -> object:
    """`value` as an option of a search space: a number, word or boolean; a list of such becomes a tuple.

    Raises:
        ConfigError: anything else, since it would not survive `config.json`.
    """
    parts = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(part, int | float | str) for part in parts) or any(
        isinstance(part, float) and not math.isfinite(part) for part in parts
    ):
        raise ConfigError(
            f"{name} must be a number, a word, true or false, or a list of these; got {shown(value)}"
        )
    return tuple(parts) if isinstance(value, list) else value


def shown(value: object) -> str:
    """`value` as a message shows it, on one line and not longer than a line.

    >>> shown("24"), shown((1, 2)), shown(None)
    ("'24'", '[1, 2]', 'none')
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = list(value)
    text = repr(dict(value) if isinstance(value, Mapping) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def _without_none(annotation: object) -> tuple[object, bool]:
    """The type without its `None`, and whether it had one."""
    if isinstance(annotation, types.UnionType):
        (inner,) = (part for part in annotation.__args__ if part is not type(None))
        return inner, True
    return annotation, False


def _expected(annotation: object, limits: Limits) -> str:
    inner, optional = _without_none(annotation)
    words = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
    text = words[inner] if isinstance(inner, type) and inner in words else "a list of names"
    if limits.choices:
        text = str(limits)
    elif str(limits):
        text += f", {limits}"
    return text + (f", or '{NOTHING}'" if optional else "")
