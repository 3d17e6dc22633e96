"""Steady-state NSGA-II with a fixed lag: one offspring at a time, so that no worker waits for a generation to end."""

from __future__ import annotations

from dataclasses import dataclass

from evonas.errors import ConfigError
from evonas.evolution.strategies import STRATEGIES, Rhythm
from evonas.evolution.strategies.nsga2 import NSGA2


@dataclass(frozen=True)
class SteadyState(NSGA2):
    """NSGA-II that replaces one member at a time (Durillo, Nebro, Luna, Alba, EMO 2009), without waiting for the last.

    Each evaluation competes with the population for its places, and the next offspring is bred from who is left. So
    that this does not depend on which evaluation is finished first, they are told in the order of their proposals, a
    fixed number `lag` of proposals behind: up to that many workers have something to do at any time, and all numbers of
    workers find the same. A lag of 1 is the sequential algorithm.
    """

    def rhythm(self, *, population: int, lag: int | None) -> Rhythm:
        """See `Strategy.rhythm`. Without a `lag` it is the population: as many at a time as a generation has."""
        if lag is not None and lag < 1:
            raise ConfigError(f"evolution.lag: expected at least 1, got {lag}")
        return Rhythm(batch=1, lag=population if lag is None else lag)


STRATEGIES.register("steady_state", SteadyState())
