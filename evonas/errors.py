"""The errors of the engine: one family, each member also the matching builtin.

A message says which argument, what was expected, what came and what to do, in one line; the command line prints
it and exits with 2.
"""

from __future__ import annotations


class EvonasError(Exception):
    """Root of everything `evonas` raises for bad input."""


class ConfigError(EvonasError, ValueError):
    """A setting that is unknown, of the wrong type or out of range."""


class DataError(EvonasError, ValueError):
    """A data file that is there but not what it should be."""


class DataMissingError(EvonasError, FileNotFoundError):
    """A data set that is not on disk and could not be fetched."""


class RunError(EvonasError, ValueError):
    """A run folder that cannot be used as asked: it exists, is not a run, or differs in what matters."""
