"""What the observations of an experiment say of its comparisons."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from evonas.errors import ConfigError
from evonas.runs.comparison import Comparison, Effect, judged, paired
from genomes.registry import nearest

if TYPE_CHECKING:
    import pandas as pd


def effect(asked: Comparison, found: pd.DataFrame, *, lacking: Collection[str] = ()) -> Effect:
    """What the rows of `ExperimentResult.observations` say of one comparison.

    `lacking` are the variants and networks that have no row, for they are not over yet, diverged, or found nothing.

    Raises:
        ConfigError: the comparison names a network or a measure that is not there.
    """
    if not len(found):
        return paired(asked, [], [])
    if asked.measure not in found:
        numbers = [str(name) for name in found.columns[4:]]
        raise ConfigError(
            f"comparisons: unknown measure '{asked.measure}'; {nearest(asked.measure, numbers)}"
        )
    if {f"{asked.measure}_low", f"{asked.measure}_high"} <= {*found} and not asked.against:
        # Measured once, with an interval of its own.
        ends = (
            _by_seed(replace(asked, measure=asked.measure + end), asked.of, found, lacking=lacking)
            for end in ("", "_low", "_high")
        )
        value, low, high = (fmean(end.values()) if end else math.nan for end in ends)
        ranked = _by_seed(replace(asked, measure="n_networks"), asked.of, found, lacking=lacking)
        return judged(asked, value=value, low=low, high=high, n=int(min(ranked.values(), default=0)))
    sides = [_by_seed(asked, arms, found, lacking=lacking) for arms in (asked.of, asked.against) if arms]
    seeds = sorted(set(sides[0]).intersection(*sides))
    of, *against = [[side[seed] for seed in seeds] for side in sides]
    return paired(asked, of, against[0] if against else [0.0] * len(of))


def _by_seed(
    asked: Comparison, arms: Sequence[str], found: pd.DataFrame, *, lacking: Collection[str]
) -> dict[int, float]:
    """The mean of the measure over `arms`, by seed; seeds that lack one of them are left out."""
    if not {name for arm in arms for name in (arm, arm.split("/")[0])}.isdisjoint(lacking):
        return {}
    each = []
    full = found["variant"] + "/" + found["network"]
    for arm in arms:
        named = (found[names == arm] for names in (full, found["variant"], found["network"]))
        rows = next((rows for rows in named if len(rows)), found[:0])
        names = sorted(set(full[rows.index]))
        if len(names) != 1:
            hint = nearest(arm, sorted(set(full))) if not names else f"it can be {' or '.join(names)}"
            raise ConfigError(f"comparisons: '{arm}' is not the name of one network; {hint}")
        each.append(dict(zip(rows["seed"], rows[asked.measure], strict=True)))
    seeds = set(each[0]).intersection(*each)
    return {int(seed): fmean(float(values[seed]) for values in each) for seed in seeds}
