"""The errors of the genotype: one family, each member also the matching builtin."""

from __future__ import annotations


class GenomeError(Exception):
    """Root of everything `genomes` raises for bad input."""


class UnknownNameError(GenomeError, LookupError):
    """A name that no registered part carries."""


class IllegalGeneError(GenomeError, ValueError):
    """A gene whose value the search space does not contain."""


class DisconnectedError(IllegalGeneError):
    """A network whose output is not reached from its input."""


class GenomeFormatError(GenomeError, ValueError):
    """A saved genome that cannot be read: wrong shape, unknown key, other schema version."""
