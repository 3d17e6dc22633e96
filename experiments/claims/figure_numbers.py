"""The numbers that figures.py draws, from results and from run folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evonas.errors import RunError
from evonas.rng import generator
from evonas.runs.comparison import EXPECTATIONS, Comparison, Effect, paired
from evonas.runs.experiment_effects import effect
from evonas.runs.experiment_file import plan
from evonas.runs.experiment_table import load_experiment

HERE = Path(__file__).parent
SIZE = "small"

CLAIMS = {
    "shapes": "found nets beat VGG, ResNet",
    "feedback": "backward connections help",
    "diversity": "diversity predicts accuracy",
    "scales": "all scales beat one alone",
    "search_time": "search by RDMs loses nothing",
    "transfer": "transfer loses nothing",
    "noise": "found nets resist noise",
    "training_methods": "other training loses nothing",
    "motifs": "elites hold more inhibition",
    "connections": "additive saves deep nets",
    "kernels": "larger kernels help",
    "redundancy": "attention cuts redundancy",
    "attention": "attention cuts firing",
}
"""What is claimed, by experiment, in the order of the summary."""

UNITS = {
    "test_accuracy": "test accuracy",
    "noise_loss": "loss of accuracy",
    "tau": "Kendall's tau",
    "inhibitory_excess": "share of edges",
    "channel_correlation": "correlation of channels",
    "firing_rate": "firing rate",
}
"""What the measures of the first comparisons are called."""
ACCURACIES = ("test_accuracy", "noise_loss")

PICTURED = ("asa_none", "asa_half", "asa_full")
LAYER = 1
"""The layer of the firing maps: the first with attention, behind the stem."""
BALANCE, CHANCE, POTENTIALS, MAPS = "balance", "chance", "potentials", "firing_maps"
"""What is kept of run folders."""


class ResultMissingError(RunError):
    """A figure cannot be drawn for want of a result."""


@dataclass(frozen=True)
class Claim:
    """The first comparison of an experiment; its numbers are in percent where `is_accuracy` or the unit says so.

    Attributes:
        border, side: the claim holds above `border` where `side` is 1, below where it is -1.
    """

    words: str
    unit: str
    is_accuracy: bool
    value: float
    low: float
    high: float
    n: int
    verdict: str
    border: float
    side: int


def result_file(name: str) -> str:
    """What a result is called, by its experiment or by what it holds."""
    return f"{name}-{SIZE}.csv"


def read(results: Path, name: str) -> pd.DataFrame:
    """The result of that name.

    Raises:
        ResultMissingError: there is none.
    """
    path = results / result_file(name)
    if not path.is_file():
        raise ResultMissingError(f"{path} is missing")
    return pd.read_csv(path)


def claims(results: Path) -> list[Claim]:
    """Every claim whose experiment has a result.

    Raises:
        ResultMissingError: none has.
    """
    there = [name for name in CLAIMS if (results / result_file(name)).is_file()]
    if not there:
        raise ResultMissingError(f"{results} has the result of no claim")
    return [_claim(name, read(results, name)) for name in there]


def _claim(name: str, rows: pd.DataFrame) -> Claim:
    asked = plan(HERE / f"{name}.toml", size=SIZE, flags={}).experiment.comparisons[0]
    seen, side = effect(asked, rows), EXPECTATIONS[asked.expect]
    is_accuracy = asked.measure in ACCURACIES and not asked.relative
    unit = UNITS.get(asked.measure, asked.measure.replace("_", " "))
    factor = 100 if is_accuracy or asked.relative else 1
    return Claim(
        words=CLAIMS[name],
        unit=f"change of {unit}, %" if asked.relative else unit,
        is_accuracy=is_accuracy,
        value=factor * seen.value,
        low=factor * seen.low,
        high=factor * seen.high,
        n=seen.n,
        verdict=seen.verdict,
        border=-factor * side * asked.margin,
        side=side,
    )


def interval(values: Sequence[float]) -> Effect:
    """The mean of `values` with its 95 % interval by Student's t; NaN are left out."""
    return paired(Comparison(("values",), (), "value"), values, [0.0] * len(values))


def curve(rows: pd.DataFrame, *, x: str, y: str) -> pd.DataFrame:
    """The mean of column `y` with its interval at each value of column `x`: columns x, value, low, high, n."""
    found = [(at, interval(group[y].tolist())) for at, group in rows.groupby(x)]
    return pd.DataFrame(
        {"x": at, "value": e.value, "low": e.low, "high": e.high, "n": e.n} for at, e in found
    )


def disturbed(rows: pd.DataFrame, disturbance: str) -> dict[str, pd.DataFrame]:
    """Of each variant the curve of the accuracy in percent over the levels of a disturbance, 0 where there is none."""
    levels = {"clean": 0.0}
    for name in rows:
        if match := re.fullmatch(rf"{disturbance}_(\d+)", name):
            levels[name] = int(match[1]) / 100
    long = rows.melt(["variant"], [*levels], "column", "accuracy")
    long = long.assign(level=long["column"].map(levels), accuracy=100 * long["accuracy"])
    return {
        str(of): curve(found, x="level", y="accuracy") for of, found in long.groupby("variant", sort=False)
    }


def by_depth(rows: pd.DataFrame, measure: str, *, images: str) -> dict[str, pd.DataFrame]:
    """Of each connection the curve of a measure over the depth, with "few" or with "many" images.

    Raises:
        ResultMissingError: no network has it.
    """
    named = rows["variant"].str.extract(r"^(?P<connection>.+)_(?P<depth>\d+)_(?P<images>few|many)$")
    found = rows.assign(**named)[named["images"] == images].dropna(subset=[measure])
    if not len(found):
        raise ResultMissingError(f"there is no {measure} with {images} images")
    found = found.assign(depth=found["depth"].astype(int))
    return {
        str(of): curve(part, x="depth", y=measure) for of, part in found.groupby("connection", sort=False)
    }


def apart(values: Sequence[float], *, gap: float) -> np.ndarray:
    """Places for labels, near `values` and in their order, with at least `gap` between two.

    >>> apart([0.5, 0.1, 0.5], gap=0.2).round(3).tolist()
    [0.4, 0.1, 0.6]
    """
    from scipy.optimize import isotonic_regression  # takes a while to import

    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(order))
    places = np.empty(len(order))
    places[order] = isotonic_regression(np.asarray(values, dtype=float)[order] - steps).x + steps
    return places


def keep(runs: Path, results: Path) -> list[str]:
    """Write what the figures need of the folders in `runs` among the results; returns what is not there, a line each.

    Raises:
        DataMissingError: N-MNIST is not on disk and could not be fetched.
    """
    results.mkdir(parents=True, exist_ok=True)
    missing = []
    for names, take in (((BALANCE, CHANCE), inhibition), ((POTENTIALS, MAPS), activity)):
        try:
            found = take(runs)
        except RunError as error:
            missing.append(f"{' and '.join(map(result_file, names))} not renewed: {error}")
            continue
        for name, rows in zip(names, found, strict=True):
            rows.to_csv(results / result_file(name), index=False, float_format="%.6g")
    return missing


def inhibition(runs: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The inhibitory share in each generation of each search on all scales, and what chance puts into their fronts.

    Columns: seed, generation, share; and name, excess, low, high: what all fronts together have more of than random
    genomes of equal size, and where 95 % of the permutations lie (`evonas.measurements.motifs.permutation_interval`).

    Raises:
        ResultMissingError: none of them is over.
    """
    from evonas.measurements.motifs import balance, matched, permutation_interval  # imports torch

    path = runs / f"scales-{SIZE}"
    searches = [
        (member.seed, run)
        for member, run in load_experiment(path).runs()
        if member.variant == "all" and run.is_complete
    ]
    if not searches:
        raise ResultMissingError(f"{path} has no run of the variant 'all' that is over")
    shares = [
        {"seed": seed, "generation": generation, "share": share}
        for seed, run in searches
        for generation, share in enumerate(balance(run))
    ]
    found = permutation_interval([matched(run) for _, run in searches], rng=generator(0, "permutations"))
    chance = [
        {"name": name.removesuffix("_share"), "excess": of.value, "low": of.low, "high": of.high}
        for name, of in found.items()
    ]
    return pd.DataFrame(shares), pd.DataFrame(chance)


def activity(runs: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Membrane potentials and firing maps of `PICTURED`, each a mean over `n` seeds.

    Columns: network, potential (the middle of a bin, in thresholds), share, n; and network, row, column, rate (spikes
    per neuron and time step of layer `LAYER`), n.

    Raises:
        ResultMissingError: none of the networks is trained.
    """
    from evonas.measurements.membrane import EDGES, picture  # imports torch
    from evonas.pipeline.problem import load_data
    from evonas.runs.progress import reporter

    path = runs / f"attention-{SIZE}"
    found = []
    for _, run in load_experiment(path).runs():
        trained = {
            name: run.elites[name]
            for name in PICTURED
            if name in run.elites and run.is_trained(run.elites[name])
        }
        if trained:
            dataset = load_data(run.record.config, reporter())
            found += [
                (name, picture(run, network, dataset, layer=LAYER)) for name, network in trained.items()
            ]
    if not found:
        raise ResultMissingError(f"{path} has no trained network of {', '.join(PICTURED)}")
    middles = (EDGES[:-1] + EDGES[1:]) / 2
    potentials = [
        pd.DataFrame({"network": name, "potential": middles, "share": seen.shares}) for name, seen in found
    ]
    maps = [
        pd.DataFrame({"network": name, "row": row, "column": column, "rate": seen.firing_map.ravel()})
        for name, seen in found
        for row, column in [np.indices(seen.firing_map.shape).reshape(2, -1)]
    ]
    return _over_seeds(potentials, "share"), _over_seeds(maps, "rate")


def _over_seeds(frames: Sequence[pd.DataFrame], value: str) -> pd.DataFrame:
    keys = [name for name in frames[0] if name != value]
    groups = pd.concat(frames).groupby(keys, sort=False)[value]
    return groups.agg(**{value: "mean", "n": "size"}).reset_index()
