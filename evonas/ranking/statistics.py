"""How well scores rank accuracies: pairs, ranks, and what choosing by the score costs.

Every score is read as "more is better". Pairs are counted with weights, so that a bootstrap over networks is a matrix
of weights, one row for each resample, and needs no sorting. A network that a resample holds twice makes no pair with
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]

BLOCK = 512
"""Networks whose pairs are held at once."""


@dataclass(frozen=True)
class Pairs:
    """Weighted sums over pairs of networks (R,), one for each row of weights.

    `balance` is concordant minus discordant pairs, `n` all of them, the others those that are no tie.
    """

    balance: Array
    n: Array
    untied_scores: Array
    untied_accuracies: Array

    @property
    def tau(self) -> Array:
        """Kendall's tau with ties broken at random, in expectation: a tied pair counts for nothing, but it counts."""
        return _ratio(self.balance, self.n)

    @property
    def tau_b(self) -> Array:
        """Kendall's tau-b (Kendall, Biometrika 33, 1945), which leaves ties out of its scale."""
        return _ratio(self.balance, np.sqrt(self.untied_scores * self.untied_accuracies))


def count_pairs(
    scores: Array,
    accuracies: Array,
    *,
    groups: NDArray[np.generic] | None = None,
    weights: Array | None = None,
) -> Pairs:
    """The pairs of networks, each counting as the product of the `weights` (R, n) of both, 1 if there are none.

    With `groups` (n,) only pairs within a group count.
    """
    if weights is None:
        weights = np.ones((1, len(scores)))
    if groups is None:
        groups = np.zeros(len(scores))
    sums = np.zeros((4, len(weights)))
    for group in np.unique(groups):
        members = groups == group
        inside = weights[:, members]
        n = _n_pairs(inside.sum(1), (inside**2).sum(1))
        sums += (
            _balance(scores[members], accuracies[members], inside),
            n,
            n - _n_tied(scores[members], inside),
            n - _n_tied(accuracies[members], inside),
        )
    return Pairs(*sums)


def _balance(scores: Array, accuracies: Array, weights: Array) -> Array:
    total = np.zeros(len(weights))
    narrow = weights.astype(np.float32)  # counts of resamples, and their sums, are exact in it
    for start in range(0, len(scores), BLOCK):
        block = slice(start, start + BLOCK)
        agreement = np.sign(scores[block, None] - scores) * np.sign(accuracies[block, None] - accuracies)
        total += (narrow @ agreement.T.astype(np.float32) * weights[:, block]).sum(1)
    return total / 2.0


def _n_pairs(sums: Array, squares: Array) -> Array:
    """Pairs of different networks, from the sums of their weights and of the squares of these."""
    return (sums**2 - squares) / 2.0


def _n_tied(values: Array, weights: Array) -> Array:
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    ordered = weights[:, order]
    sums, squares = np.add.reduceat(ordered, starts, axis=1), np.add.reduceat(ordered**2, starts, axis=1)
    return np.asarray(_n_pairs(sums, squares).sum(1))


def _ratio(one: Array, other: Array) -> Array:
    """`one` by `other`, NaN where that is 0."""
    return np.asarray(np.divide(one, other, out=np.full(len(one), np.nan), where=other > 0))


def three_taus(scores: Array, accuracies: Array, chains: Array) -> dict[str, float]:
    """Kendall's tau (ties at random) over all, over their better half by accuracy, within equal chain length."""
    half = accuracies >= np.median(accuracies)
    found = {
        "all": count_pairs(scores, accuracies),
        "better half": count_pairs(scores[half], accuracies[half]),
        "equal chain length": count_pairs(scores, accuracies, groups=chains),
    }
    return {name: float(pairs.tau[0]) for name, pairs in found.items()}


def spearman(scores: Array, accuracies: Array) -> float:
    """Spearman's rank correlation, equal values at their mean rank; NaN where all are equal."""
    ranks = np.stack([rankdata(scores), rankdata(accuracies)])
    deviations = ranks - ranks.mean(1, keepdims=True)
    (x, y), product = (deviations**2).sum(1), (deviations[0] * deviations[1]).sum()
    return float(product / np.sqrt(x * y)) if x > 0 and y > 0 else float("nan")


def resamples(architectures: NDArray[np.generic], *, n_resamples: int, rng: np.random.Generator) -> Array:
    """Weights (n_resamples, n): how often each of n networks is drawn with replacement, with all of its architecture.

    `architectures` (n,) says by name which networks belong together; there are as many draws as names.
    """
    names, which = np.unique(architectures, return_inverse=True)
    n = len(names)
    return rng.multinomial(n, np.full(n, 1.0 / n), size=n_resamples)[:, which].astype(np.float64)


def interval(values: Array, *, share: float = 0.95) -> tuple[float, float]:
    """The middle `share` of resampled values; NaN where none is defined."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1.0 - share) / 2.0, (1.0 + share) / 2.0])
    return float(low), float(high)


# choosing -----------------------------------------------------------------------------------------------------------


def regret(scores: Array, accuracies: Array, *, k: int) -> float:
    """The best accuracy less the best among the `k` best by score; among equal scores the mean over all choices."""
    k = min(k, len(scores))
    last = np.sort(scores)[::-1][k - 1]
    certain, tied = accuracies[scores > last], np.sort(accuracies[scores == last])[::-1]
    floor = certain.max() if len(certain) else -np.inf
    expected = sum(
        p * max(floor, best) for p, best in zip(_chances(len(tied), k - len(certain)), tied, strict=True)
    )
    return float(accuracies.max() - expected)


def _chances(n: int, k: int) -> Iterator[float]:
    """The chance that the best of `k` out of `n` is the first, the second, ... best of all."""
    none_before = 1.0
    for rank in range(n):
        share = min(1.0, k / (n - rank))
        yield none_before * share
        none_before *= 1.0 - share


def draws(n: int, *, size: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions (n_draws, size) of different networks out of `n`, each row a draw."""
    return np.stack([rng.permutation(n)[:size] for _ in range(n_draws)])


def picks(scores: Array, accuracies: Array, *, drawn: NDArray[np.intp]) -> Array:
    """The accuracy (n_draws,) of the network with the best score in each draw; the mean of several that have it."""
    found = scores[drawn]
    best = found == found.max(1, keepdims=True)
    return np.asarray((accuracies[drawn] * best).sum(1) / best.sum(1))


# noise --------------------------------------------------------------------------------------------------------------

N_GRID, N_ROUNDS, N_SIMULATED = 400, 400, 20
NEIGHBOURS = 5
"""The noise at an accuracy is that of this fraction of the networks with repeats, one in five."""


@dataclass(frozen=True)
class Repeats:
    """Networks that were trained more than once: the mean of their accuracies and its variance, both (n,)."""

    means: Array
    variances: Array

    @property
    def deviation(self) -> float:
        """The standard deviation of one training, every network counting once; NaN for none."""
        return float(np.sqrt(self.variances.mean())) if len(self.means) else float("nan")

    def deviations_near(self, accuracies: Array) -> Array:
        """The same of the networks with repeats nearest to each accuracy; bad networks repeat less well."""
        n = -(-len(self.means) // NEIGHBOURS)
        nearest = np.argsort(np.abs(accuracies[:, None] - self.means), axis=1, kind="stable")[:, :n]
        return np.asarray(np.sqrt(self.variances[nearest].mean(1)))


def repeats(accuracies: Array, networks: NDArray[np.generic]) -> Repeats:
    """Those of the `networks` (names, one for each accuracy) that occur more than once."""
    _, which, n_each = np.unique(networks, return_inverse=True, return_counts=True)
    means = np.bincount(which, weights=accuracies) / n_each
    squares = np.bincount(which, weights=(accuracies - means[which]) ** 2)
    several = n_each > 1
    return Repeats(means[several], squares[several] / (n_each[several] - 1))


def ceiling(
    accuracies: Array, *, n_trained: NDArray[np.generic], found: Repeats, rng: np.random.Generator
) -> tuple[float, float]:
    """The tau that the true accuracies would reach: over all networks, and over the better half as measured.

    Args:
        accuracies: measured ones (n,), each the mean of `n_trained` trainings.
        found: what says how far one training can be trusted.

    What is measured is wider than what is true. The distribution of the true accuracies is the one of greatest
    likelihood on a grid (Kiefer and Wolfowitz, Ann. Math. Statist. 27, 1956), found by expectation maximisation; every
    network's is then drawn from what its measurement leaves possible, and measured anew.
    """
    noise = found.deviations_near(accuracies) / np.sqrt(n_trained.astype(np.float64))
    noise = np.maximum(noise, np.ptp(accuracies) / N_GRID)
    grid = np.linspace(accuracies.min(), accuracies.max(), N_GRID)
    likelihood = np.exp(-0.5 * ((accuracies[:, None] - grid) / noise[:, None]) ** 2)
    shares = np.full(N_GRID, 1.0 / N_GRID)
    for _ in range(N_ROUNDS):
        posterior = likelihood * shares
        posterior /= posterior.sum(1, keepdims=True)
        shares = posterior.mean(0)
    up_to = posterior.cumsum(1)
    taus = []
    for _ in range(N_SIMULATED):
        drawn = (up_to < rng.random((len(noise), 1)) * up_to[:, -1:]).sum(1)
        # Between points of the grid all is even, or networks of one point would tie.
        true = grid[drawn] + rng.uniform(-0.5, 0.5, len(noise)) * (grid[1] - grid[0])
        measured = true + noise * rng.standard_normal(len(noise))
        half = measured >= np.median(measured)
        taus.append([count_pairs(true, measured).tau[0], count_pairs(true[half], measured[half]).tau[0]])
    everywhere, in_half = np.mean(taus, axis=0)
    return float(everywhere), float(in_half)
