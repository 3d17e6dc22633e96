"""What a ranking found: rank correlations with intervals, what choosing by a score costs, the noise around both."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evonas.ranking.statistics import (
    Array,
    Pairs,
    ceiling,
    count_pairs,
    draws,
    interval,
    picks,
    regret,
    repeats,
    resamples,
    spearman,
)
from evonas.ranking.table import ACCURACY, ID
from evonas.rng import generator

SUBSETS = ("all", "better half", "top decile", "equal chain length")
"""Networks over which scores are ranked; at equal chain length only pairs of equal chain length count."""

N_RESAMPLES = 1000
TOP = (1, 10, 50)
"""Of how many of the best by score the regret is told."""

N_DRAWS, DRAW_SIZE = 200, 500
"""How often the best by score is chosen from how many networks; from half of them where there are fewer than twice."""


@dataclass(frozen=True)
class Report:
    """Everything that is told about a ranking.

    `correlations` are those of the function of that name. `choices` has one row for each score: the regret of the best
    by score, and the mean accuracy of the one chosen from a draw of networks. `facts` are those of `facts_of`, and
    about the scoring: n_disconnected rows, n_architectures, core_seconds_per_network, n_failed and seed_tau by score
    (see `tau_between`; over n_seed_tau networks), reasons of failures by architecture.
    """

    correlations: pd.DataFrame
    choices: pd.DataFrame
    facts: Mapping[str, Any]
    predictions: pd.DataFrame | None = None

    def correlation_cells(self) -> list[list[str]]:
        """The rank correlations as a person reads them, the header first."""
        rows = []
        for name, found in self.correlations.groupby("score", sort=False):
            by_subset: dict[str, Any] = {str(row.subset): row for row in found.itertuples()}
            taus = [_with_interval(by_subset[subset]) for subset in SUBSETS]
            everywhere = by_subset["all"]
            rows.append(
                [
                    str(name),
                    str(everywhere.n),
                    taus[0],
                    _two(everywhere.tau_b),
                    _two(everywhere.spearman),
                    *taus[1:],
                ]
            )
        return [["score", "n", "tau, all", "tau-b", "Spearman", *(f"tau, {s}" for s in SUBSETS[1:])], *rows]

    def lead_cells(self) -> list[list[str]]:
        """How far the tau of the first score is above that of each other, as a person reads it, the header first."""
        first = self.correlations["score"].iloc[0]
        others = self.correlations[self.correlations["score"] != first]
        rows = []
        for name, found in others.groupby("score", sort=False):
            by_subset = found.set_index("subset")
            rows.append([str(name), *(_with_interval(by_subset.loc[subset], "lead") for subset in SUBSETS)])
        return [[f"{first} above", *SUBSETS], *rows]

    def choice_cells(self) -> list[list[str]]:
        """What choosing by a score brings, as a person reads it, the header first."""
        header = [
            "score",
            *(f"regret of best {k}" if k > 1 else "regret of best" for k in TOP),
            f"best of {self.facts['draw_size']} +- sd of draws",
            "tau between seeds",
        ]
        noise = self.facts["seed_tau"]
        rows = [
            [
                str(row["score"]),
                *(_two(row[f"regret_{k}"]) for k in TOP),
                f"{_two(row['best_of'])} +- {_two(row['best_of_sd'])}",
                _two(noise.get(row["score"], math.nan)),
            ]
            for row in self.choices.to_dict("records")
        ]
        return [header, *rows]

    def prediction_cells(self) -> list[list[str]]:
        """The predictor's rank correlations, mean +- standard deviation over draws, the header first."""
        assert self.predictions is not None
        subsets = [subset for subset in SUBSETS if subset in self.predictions.columns]
        rows = [
            [
                str(model),
                str(k),
                *(f"{_two(found[subset].mean())} +- {_two(found[subset].std(ddof=0))}" for subset in subsets),
            ]
            for (model, k), found in self.predictions.groupby(["model", "k"], sort=False)
        ]
        return [["predictor", "trained", *(f"tau, {subset}" for subset in subsets)], *rows]

    def lines(self) -> list[str]:
        """What stands around the tables, in words."""
        facts = self.facts
        size, scored = facts["draw_size"], facts["n_architectures"]
        lines = [
            f"{facts['n_rows']} rows of {facts['n_networks']} networks, {scored} architectures;"
            f" {facts['n_disconnected']} rows without a path to the output are left out",
            f"choosing from {size}: at random {facts['mean_accuracy']:.2f}, at random among the deepest"
            f" {facts['mean_accuracy_of_deepest']:.2f}, the best possible {facts['best_possible_of_draw']:.2f}",
        ]
        if facts["n_repeated"]:
            lines.append(
                f"{facts['n_repeated']} architectures were trained more than once, standard deviation"
                f" {facts['deviation']:.2f}; the true accuracies would reach tau {_two(facts['ceiling'])},"
                f" in the better half {_two(facts['ceiling_better_half'])}"
            )
        if math.isfinite(facts["core_seconds_per_network"]):
            lines.append(f"scoring took {facts['core_seconds_per_network']:.2f} core-seconds a network")
        if self.predictions is not None and self.predictions.empty:
            lines.append("too few networks to train some and order the rest")
        lines += [
            f"{name}: no value for {n} of {scored} networks" for name, n in facts["n_failed"].items() if n
        ]
        reasons = Counter(facts["reasons"].values()).most_common(1)
        return lines + [f"most often because: {reason}" for reason, _ in reasons]

    def to_json(self) -> bytes:
        """All of it as JSON; what is not defined is null."""
        content = {
            "facts": dict(self.facts),
            "correlations": self.correlations.to_dict("records"),
            "choices": self.choices.to_dict("records"),
            "predictions": None if self.predictions is None else self.predictions.to_dict("records"),
        }
        return (json.dumps(_plain(content), indent=1, allow_nan=False) + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _two(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _with_interval(row: Any, figure: str = "tau") -> str:
    value, low, high = (getattr(row, name) for name in (figure, f"{figure}_low", f"{figure}_high"))
    return "-" if math.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def correlations(
    networks: pd.DataFrame, names: Sequence[str], *, seed: int, n_resamples: int = N_RESAMPLES
) -> pd.DataFrame:
    """The rank correlation of the columns `names` with the accuracies of `networks` (one row each, see `distinct`).

    Columns: score, subset, n, tau (ties at random), tau_low, tau_high, tau_b, tau_b_low, tau_b_high, spearman (none at
    equal chain length); lead, lead_low, lead_high, how far the tau of the first of `names` is above, over the networks
    that have both. Intervals are of 95 %, from resamples of architectures: networks of one architecture stay together,
    and the resamples are the same for all scores. A network without a value is left out for that score. The better
    half lies at or above the median accuracy, the top decile at or above the nine-tenths quantile; a resample keeps
    these bounds.
    """
    accuracies = networks[ACCURACY].to_numpy(float)
    chains = networks["chain_length"].to_numpy(float)
    drawn = resamples(networks[ID].to_numpy(str), n_resamples=n_resamples, rng=generator(seed, "bootstrap"))
    weights = np.vstack([np.ones(len(networks)), drawn])  # the table itself, then its resamples

    def pairs(scores: Array, members: NDArray[np.bool_], groups: Array | None) -> Pairs:
        within = None if groups is None else groups[members]
        return count_pairs(scores[members], accuracies[members], groups=within, weights=weights[:, members])

    first = networks[names[0]].to_numpy(float)
    of_first: dict[tuple[str, bytes], Array] = {}
    rows = []
    for name in names:
        scores = networks[name].to_numpy(float)
        for subset, members, groups in _subsets(accuracies, chains):
            inside = members & np.isfinite(scores)
            found = pairs(scores, inside, groups)
            both = inside & np.isfinite(first)  # to compare is fair over the same networks alone
            key = subset, both.tobytes()
            if key not in of_first:
                of_first[key] = pairs(first, both, groups).tau
            here = found if (both == inside).all() else pairs(scores, both, groups)
            x, y = scores[inside], accuracies[inside]
            rows.append(
                {
                    "score": name,
                    "subset": subset,
                    "n": len(x),
                    **_with_ends("tau", found.tau),
                    **_with_ends("tau_b", found.tau_b),
                    **_with_ends("lead", of_first[key] - here.tau),
                    "spearman": spearman(x, y) if groups is None and len(x) > 1 else math.nan,
                }
            )
    return pd.DataFrame(rows)


def _with_ends(name: str, values: Array) -> dict[str, float]:
    """The figure of the table, which comes first, and the ends of the interval of its resamples."""
    low, high = interval(values[1:])
    return {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}


def _subsets(accuracies: Array, chains: Array) -> Iterator[tuple[str, NDArray[np.bool_], Array | None]]:
    """Name, members and groups of each of `SUBSETS`."""
    everyone = np.ones(len(accuracies), dtype=bool)
    yield SUBSETS[0], everyone, None
    yield SUBSETS[1], accuracies >= np.median(accuracies), None
    yield SUBSETS[2], accuracies >= np.quantile(accuracies, 0.9), None
    yield SUBSETS[3], everyone, chains


def choices(networks: pd.DataFrame, names: Sequence[str], *, seed: int) -> pd.DataFrame:
    """What choosing by each of the columns `names` brings.

    Columns: score, regret_1, regret_10, regret_50 (see `regret`), best_of and best_of_sd: mean and standard deviation
    of the accuracy of the one chosen in each of `N_DRAWS` draws, the same draws for every score. Networks without a
    value are not chosen, and a score that has none at all has no figures.
    """
    accuracies = networks[ACCURACY].to_numpy(float)
    drawn = _drawn(len(networks), seed=seed)
    rows: list[dict[str, Any]] = []
    for name in names:
        scores = networks[name].to_numpy(float)
        if not np.isfinite(scores).any():
            rows.append({"score": name})
            continue
        scores = np.nan_to_num(scores, nan=-np.inf)
        chosen = picks(scores, accuracies, drawn=drawn)
        rows.append(
            {
                "score": name,
                **{f"regret_{k}": regret(scores, accuracies, k=k) for k in TOP},
                "best_of": float(chosen.mean()),
                "best_of_sd": float(chosen.std()),
            }
        )
    columns = ["score", *(f"regret_{k}" for k in TOP), "best_of", "best_of_sd"]
    return pd.DataFrame(rows, columns=columns)


def _drawn(n: int, *, seed: int) -> NDArray[np.intp]:
    return draws(n, size=min(DRAW_SIZE, max(1, n // 2)), n_draws=N_DRAWS, rng=generator(seed, "choices"))


def facts_of(networks: pd.DataFrame, rows: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """What the table itself says: choosing blindly or perfectly, and how far one training can be trusted.

    `rows` are the rows of the table that `networks` were made of. Of `deviation` the sample are architectures that were
    trained more than once; `ceiling` and `ceiling_better_half` are the tau that the true accuracies would reach.
    """
    accuracies = networks[ACCURACY].to_numpy(float)
    drawn = _drawn(len(networks), seed=seed)
    deepest = networks["chain_length"] == networks["chain_length"].max()
    found = repeats(rows[ACCURACY].to_numpy(float), rows[ID].to_numpy(str))
    bounds = (math.nan, math.nan)
    if found.deviation > 0 and np.ptp(accuracies) > 0:
        n_trained = networks["n_trained"].to_numpy()
        bounds = ceiling(accuracies, n_trained=n_trained, found=found, rng=generator(seed, "ceiling"))
    return {
        "n_networks": len(networks),
        "n_rows": len(rows),
        "mean_accuracy": float(accuracies.mean()),
        "mean_accuracy_of_deepest": float(accuracies[deepest].mean()),
        "best_accuracy": float(accuracies.max()),
        "draw_size": drawn.shape[1],
        "best_possible_of_draw": float(picks(accuracies, accuracies, drawn=drawn).mean()),
        "deviation": found.deviation,
        "n_repeated": len(found.means),
        "ceiling": bounds[0],
        "ceiling_better_half": bounds[1],
    }


def tau_between(first: pd.Series[float], second: pd.Series[float]) -> float:
    """Kendall's tau (ties at random) between two scorings of the architectures that both have; NaN below two."""
    both = pd.concat([first, second], axis=1, join="inner").dropna().to_numpy(float)
    return float(count_pairs(both[:, 0], both[:, 1]).tau[0]) if len(both) > 1 else math.nan
