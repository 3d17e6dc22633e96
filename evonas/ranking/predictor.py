"""A predictor on top of the proxies: k trained networks teach it how counts and proxies go with accuracy.

It sees features that any architecture has, and the proxies' values, each by its rank among all networks of the table;
it is taught the ranks of the k accuracies and orders the rest. The ridge starts from the first proxy: its column is
`LEAD` times as large as the others, so that the penalty leaves it alone where k networks do not say better.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import RidgeCV

from evonas.ranking.statistics import Array, three_taus
from evonas.ranking.table import ACCURACY
from evonas.rng import generator
from genomes.architecture import INPUT, Architecture

N_TRAINED = (10, 25, 50, 100)
N_REPEATS = 20
"""Draws of the networks that are taken as trained."""

MIN_REST = 10
"""Networks that must be left to be ordered."""

LEAD = 10.0

PENALTIES = tuple(10.0**exponent for exponent in range(-2, 5))
"""Of the ridge; the one with the smallest leave-one-out error is taken."""


def features(architecture: Architecture) -> dict[str, float]:
    """Numbers that any architecture has: sizes, depths, paths, how often each operation and each neuron occurs.

    An operation counts by what it does and by the neurons it reads, whatever its width. Of the thresholds there is also
    how much they rise from the first spiking layers to the last.
    """
    a = architecture
    counts: Counter[str] = Counter()
    for synapse in a.synapses:
        read = a.nodes[synapse.source].neuron
        counts[f"{type(synapse.operation).__name__}{f' behind {read}' if read else ''}"] += 1
        counts["delayed"] += synapse.delay
    counts.update(f"neurons {a.nodes[i].neuron}" for i in a.spiking)
    counts["merges"] = sum(len(into) > 1 for into in a.incoming)
    paths, longest = _paths(a)
    place = np.array([longest[i] for i in a.spiking], dtype=np.float64)
    threshold = np.array([neuron.v_threshold for i in a.spiking if (neuron := a.nodes[i].neuron)])
    sizes = {"parameters": a.n_parameters, "macs": a.macs_per_step, "neurons": a.n_neurons, "paths": paths}
    shape = {"depth": a.depth, "chain length": a.chain_length, "convolutions": a.n_convolutions}
    rise = {"rise of thresholds": float(np.mean((threshold - threshold.mean()) * (place - place.mean())))}
    return {name: float(n) for name, n in (sizes | shape | rise | dict(counts)).items()}


def _paths(architecture: Architecture) -> tuple[int, list[int]]:
    """The number of paths from input to readout, delayed edges left out, and for each node the longest way to it."""
    n_paths, longest = [0] * len(architecture.nodes), [0] * len(architecture.nodes)
    n_paths[INPUT] = 1
    for i, into in enumerate(architecture.incoming):
        for synapse in (architecture.synapses[s] for s in into):
            if not synapse.delay:
                n_paths[i] += n_paths[synapse.source]
                longest[i] = max(longest[i], longest[synapse.source] + 1)
    return sum(n_paths[i] for i in architecture.outputs), longest


def feature_table(architectures: Sequence[Architecture]) -> pd.DataFrame:
    """The features of each architecture, in their order; what an architecture lacks it has 0 of."""
    return pd.DataFrame([features(architecture) for architecture in architectures]).fillna(0.0)


def normal_scores(values: Array) -> Array:
    """The values by rank, as quantiles of a normal distribution; equal ones stay equal, undefined ones lie at 0."""
    known = np.isfinite(values)
    found = np.zeros(len(values))
    found[known] = norm.ppf(rankdata(values[known]) / (known.sum() + 1))
    return found


def _ridge() -> Any:
    return RidgeCV(alphas=PENALTIES)


def _gaussian_process() -> Any:
    return GaussianProcessRegressor(
        RBF(3.0, (0.5, 100.0)) + WhiteKernel(0.5, (1e-3, 10.0)), normalize_y=True, random_state=0
    )


MODELS: Mapping[str, tuple[Callable[[], Any], float]] = {
    "ridge": (_ridge, LEAD),
    "Gaussian process": (_gaussian_process, 1.0),
}
"""How to make each model, and how much larger than the others it sees the column of the first proxy."""


def predictions(
    networks: pd.DataFrame,
    inputs: pd.DataFrame,
    *,
    seed: int,
    first: str | None = None,
    sizes: Sequence[int] = N_TRAINED,
) -> pd.DataFrame:
    """How well the networks that were not trained are ordered, one row for each model, k and draw of the k.

    Args:
        networks: one row for each network, with its accuracy and chain length; see `distinct`.
        inputs: what the models see of them, in the same order; `first` is the column that they start from.
        sizes: the values of k; those that leave too few networks are left out.

    Columns: model, k, draw, and Kendall's tau (ties at random) under "all", "better half", "equal chain length".
    """
    accuracies = networks[ACCURACY].to_numpy(float)
    chains = networks["chain_length"].to_numpy(float)
    seen = np.column_stack([normal_scores(inputs[name].to_numpy(float)) for name in inputs.columns])
    spread = seen.std(0)
    seen = (seen - seen.mean(0)) / np.where(spread > 0, spread, 1.0)
    is_first = inputs.columns == first
    rows = []
    for k in (k for k in sizes if k + MIN_REST <= len(networks)):
        for draw in range(N_REPEATS):
            order = generator(seed, "predictor", k, draw).permutation(len(networks))
            taught, rest = order[:k], order[k:]
            for name, (make, lead) in MODELS.items():
                shown = seen * np.where(is_first, lead, 1.0)
                guess = _taught(make(), shown[taught], normal_scores(accuracies[taught])).predict(shown[rest])
                rows.append(
                    {
                        "model": name,
                        "k": k,
                        "draw": draw,
                        **three_taus(guess, accuracies[rest], chains[rest]),
                    }
                )
    return pd.DataFrame(rows, columns=["model", "k", "draw", "all", "better half", "equal chain length"])


def _taught(model: Any, seen: Array, targets: Array) -> Any:
    with warnings.catch_warnings():
        # A scale at the end of its range is an answer too.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(seen, targets)
