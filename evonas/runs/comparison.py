"""Paired comparisons: what an experiment expects of two of its networks, the effect that was seen, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evonas.errors import ConfigError
from evonas.runs.settings import shown
from genomes.registry import nearest

EXPECTATIONS = {"above": 1, "below": -1, "not_below": 1, "not_above": -1}
"""What a claim can say of a difference, with the sign of the side on which it is right."""

LEVEL = 0.95

CONFIRMED, NOT_SEEN, REVERSED, UNDECIDED = "confirmed", "not seen", "reversed", "no interval"


@dataclass(frozen=True)
class Comparison:
    """A measure of some networks against that of others, seed by seed.

    Attributes:
        of, against: names of networks, each ``variant/network`` or either part where that says which; the mean over
            several is compared. Nothing in `against` compares with 0.
        measure: a column of `ExperimentResult.observations`.
        expect: one of `EXPECTATIONS`; nothing for a difference about which nothing is claimed.
        margin: how much below (above) still counts as not below (not above).
        relative: whether the difference is told as a share of `against`, by the ratio of the two.

    Raises:
        ConfigError: an expectation that is none, or a margin that does not go with it.
    """

    of: tuple[str, ...]
    against: tuple[str, ...]
    measure: str
    expect: str = ""
    margin: float = 0.0
    relative: bool = False

    def __post_init__(self) -> None:
        if self.expect and self.expect not in EXPECTATIONS:
            raise ConfigError(f"expect must be one of {', '.join(EXPECTATIONS)}; got '{self.expect}'")
        if (self.margin > 0) != self.expect.startswith("not_") or not 0 <= self.margin < math.inf:
            raise ConfigError(
                "margin must be above 0 with not_below and not_above, and left out elsewhere; got"
                f" {self.margin} with '{self.expect}'"
            )
        if self.relative and not self.against:
            raise ConfigError("relative needs networks to compare with; name them as against")

    @property
    def arms(self) -> tuple[str, ...]:
        """All networks that are compared."""
        return *self.of, *self.against

    @property
    def title(self) -> str:
        """What is compared, in words."""
        first, second = (" and ".join(arms) for arms in (self.of, self.against))
        return f"{self.measure} of {first}" + (f" against {second}" if second else "")

    @property
    def claim(self) -> str:
        """What is expected, in words: ``not below, margin 0.01``."""
        words = self.expect.replace("_", " ") or "-"
        unit = " %" if self.relative else ""
        return (
            f"{words}, margin {self.margin * (100 if self.relative else 1):g}{unit}" if self.margin else words
        )


@dataclass(frozen=True)
class Effect:
    """The mean difference over `n` pairs, its interval, and what that says of the claim, '' where there is none."""

    value: float
    low: float
    high: float
    n: int
    verdict: str = ""


def from_table(content: object, *, where: str) -> Comparison:
    """The comparison that a table ``[[comparisons]]`` describes.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} must be a table; got {shown(content)}")
    known = tuple(Comparison.__dataclass_fields__)
    for key in content:
        if key not in known:
            raise ConfigError(f"{where}: unknown key '{key}'; {nearest(str(key), list(known))}")
    measure, expect = content.get("measure"), content.get("expect", "")
    margin, relative = content.get("margin", 0.0), content.get("relative", False)
    for name, value, kind in (
        ("measure", measure, str),
        ("expect", expect, str),
        ("relative", relative, bool),
    ):
        if not isinstance(value, kind):
            raise ConfigError(
                f"{where}: {name} must be {'a text' if kind is str else 'true or false'}; got {shown(value)}"
            )
    if isinstance(margin, bool) or not isinstance(margin, int | float):
        raise ConfigError(f"{where}: margin must be a number; got {shown(margin)}")
    of, against = (_arms(content.get(name, ()), name=name, where=where) for name in ("of", "against"))
    if not of:
        raise ConfigError(f"{where}: of must name at least one network")
    try:
        return Comparison(of, against, str(measure), str(expect), float(margin), bool(relative))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def from_dict(values: Mapping[str, Any]) -> Comparison:
    """The comparison whose fields `dataclasses.asdict` wrote."""
    return Comparison(**{**values, "of": tuple(values["of"]), "against": tuple(values["against"])})


def paired(comparison: Comparison, of: Sequence[float], against: Sequence[float]) -> Effect:
    """The effect in pairs of values, those of one seed at the same place; pairs with a NaN are left out.

    The interval is that of Student's t over the differences, of their logarithms where the comparison is relative;
    there a pair without a ratio, one that is not above 0, is left out too.

    >>> c = Comparison(("a",), ("b",), "test_accuracy", expect="above")
    >>> paired(c, [0.52, 0.55, 0.53], [0.50, 0.51, 0.50])
    Effect(value=0.030..., low=0.005..., high=0.054..., n=3, verdict='confirmed')
    """
    from scipy.stats import t  # takes a while to import

    least = 0.0 if comparison.relative else -math.inf
    pairs = np.array(
        [pair for pair in zip(of, against, strict=True) if np.isfinite(pair).all() and min(pair) > least]
    )
    n = len(pairs)
    if not n:
        return Effect(math.nan, math.nan, math.nan, 0, UNDECIDED if comparison.expect else "")
    if comparison.relative:
        pairs = np.log(pairs)
    differences = pairs[:, 0] - pairs[:, 1]
    value = float(differences.mean())
    half = (
        float(t.ppf((1 + LEVEL) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    )
    bounds = (value, value - half, value + half)
    told = [math.expm1(bound) for bound in bounds] if comparison.relative else bounds
    return judged(comparison, value=told[0], low=told[1], high=told[2], n=n)


def judged(comparison: Comparison, *, value: float, low: float, high: float, n: int) -> Effect:
    """The effect with its verdict: confirmed where the interval is on the side of the claim, reversed on the other.

    The side begins at 0, or where a margin allows as much on the wrong side of it.
    """
    verdict = ""
    if comparison.expect:
        sign = EXPECTATIONS[comparison.expect]
        worst, best = sorted((sign * low, sign * high))
        verdict = NOT_SEEN
        if not math.isfinite(low) or not math.isfinite(high):
            verdict = UNDECIDED
        elif worst > -comparison.margin:
            verdict = CONFIRMED
        elif best < -comparison.margin:
            verdict = REVERSED
    return Effect(value, low, high, n, verdict)


def _arms(value: object, *, name: str, where: str) -> tuple[str, ...]:
    arms = (value,) if isinstance(value, str) else value
    if not isinstance(arms, list | tuple) or not all(isinstance(arm, str) and arm for arm in arms):
        raise ConfigError(
            f"{where}: {name} must be the name of a network or a list of names; got {shown(value)}"
        )
    return tuple(arms)
