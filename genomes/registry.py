"""Named parts: registered once, listed in order of name, found with a hint when misspelt."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from typing import Generic, TypeVar

from genomes.errors import UnknownNameError

T = TypeVar("T")


def nearest(name: str, known: list[str]) -> str:
    """A hint to append to an error: the closest of `known`, and the full list.

    >>> nearest("cifr10", ["cifar10", "digits"])
    "did you mean 'cifar10'? known: cifar10, digits"
    """
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean '{match[0]}'? " if match else ""
    return f"{hint}known: {', '.join(known)}"


class Registry(Generic[T]):
    """The parts of one kind, by name.

    >>> colours: Registry[int] = Registry("colour")
    >>> colours.register("red", 1)
    1
    >>> colours.get("red"), colours.names()
    (1, ['red'])
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._parts: dict[str, T] = {}

    def register(self, name: str, part: T) -> T:
        """Store `part` under `name` and return it.

        Raises:
            ValueError: `name` is taken; two files must not define one name.
        """
        if name in self._parts:
            raise ValueError(f"{self.kind} '{name}' is registered twice; choose another name")
        self._parts[name] = part
        return part

    def get(self, name: str) -> T:
        """The part called `name`.

        Raises:
            UnknownNameError: no such part; the message names the nearest one.
        """
        try:
            return self._parts[name]
        except KeyError:
            raise UnknownNameError(f"unknown {self.kind} '{name}'; {nearest(name, self.names())}") from None

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._parts)


def load_modules(package: str) -> None:
    """Import every module of `package`, so that each file registers its parts by itself."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
