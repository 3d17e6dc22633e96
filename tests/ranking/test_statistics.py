from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kendalltau, spearmanr

from evonas.ranking.statistics import (
    BLOCK,
    Repeats,
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

Array = NDArray[np.float64]


def tables(n: int = 12) -> st.SearchStrategy[tuple[Array, Array]]:
    """Scores and accuracies of 2 to `n` networks, with many ties."""
    numbers = st.integers(0, 4).map(float)
    pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=n)
    return pairs.map(lambda found: (np.array([x for x, _ in found]), np.array([y for _, y in found])))


def random_breaks(scores: Array, accuracies: Array, *, n: int) -> float:
    """Mean tau-b over random breakings of all ties."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n):
        x, y = (values + 1e-6 * rng.random(len(values)) for values in (scores, accuracies))
        found.append(kendalltau(x, y).statistic)
    return float(np.mean(found))


@given(tables())
def test_tau_b_is_that_of_scipy_and_undefined_where_all_is_equal(table: tuple[Array, Array]) -> None:
    scores, accuracies = table
    ours = count_pairs(scores, accuracies).tau_b[0]
    if np.ptp(scores) == 0 or np.ptp(accuracies) == 0:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(kendalltau(scores, accuracies).statistic, abs=1e-12)


@given(tables())
def test_tau_is_concordant_minus_discordant_over_all_pairs(table: tuple[Array, Array]) -> None:
    scores, accuracies = table
    signs = [
        np.sign(scores[i] - scores[j]) * np.sign(accuracies[i] - accuracies[j])
        for i, j in combinations(range(len(scores)), 2)
    ]
    assert count_pairs(scores, accuracies).tau[0] == pytest.approx(np.mean(signs), abs=1e-12)


def test_tau_is_what_breaking_ties_at_random_gives_on_average() -> None:
    rng = np.random.default_rng(1)
    accuracies = rng.normal(size=60)
    scores = np.round(accuracies + rng.normal(size=60))
    expected = random_breaks(scores, accuracies, n=400)
    assert count_pairs(scores, accuracies).tau[0] == pytest.approx(expected, abs=0.01)
    assert count_pairs(scores, accuracies).tau_b[0] > expected + 0.02


def test_more_networks_than_a_block_are_counted_like_few() -> None:
    rng = np.random.default_rng(2)
    n = 2 * BLOCK + 3
    scores, accuracies = rng.integers(0, 40, n).astype(float), rng.normal(size=n)
    found = count_pairs(scores, accuracies)
    assert found.tau_b[0] == pytest.approx(kendalltau(scores, accuracies).statistic, abs=1e-12)
    assert found.n[0] == n * (n - 1) / 2


def test_within_groups_only_pairs_of_one_group_count() -> None:
    scores = np.array([1.0, 2.0, 3.0, 9.0, 8.0])
    accuracies = np.array([1.0, 2.0, 3.0, 1.0, 2.0])
    groups = np.array([0, 0, 0, 7, 7])
    found = count_pairs(scores, accuracies, groups=groups)
    assert (found.n[0], found.balance[0]) == (3 + 1, 3 - 1)
    assert found.tau[0] == 0.5


def test_a_group_of_one_has_no_pairs_and_no_tau() -> None:
    values = np.array([1.0, 2.0])
    found = count_pairs(values, values, groups=np.array([0, 1]))
    assert found.n[0] == 0
    assert np.isnan(found.tau[0])
    assert np.isnan(found.tau_b[0])


@given(tables(8), st.integers(0, 1000))
def test_weights_count_like_networks_that_are_there_so_often_but_copies_make_no_pair(
    table: tuple[Array, Array], seed: int
) -> None:
    scores, accuracies = table
    weights = np.random.default_rng(seed).integers(0, 4, size=(1, len(scores))).astype(float)
    balance = n = untied_scores = untied_accuracies = 0.0
    for i, j in combinations(range(len(scores)), 2):
        both = weights[0, i] * weights[0, j]
        x, y = np.sign(scores[i] - scores[j]), np.sign(accuracies[i] - accuracies[j])
        balance, n = balance + both * x * y, n + both
        untied_scores, untied_accuracies = untied_scores + both * abs(x), untied_accuracies + both * abs(y)
    found = count_pairs(scores, accuracies, weights=weights)
    assert (found.balance[0], found.n[0]) == (balance, n)
    assert (found.untied_scores[0], found.untied_accuracies[0]) == (untied_scores, untied_accuracies)


@given(tables())
def test_spearman_is_that_of_scipy(table: tuple[Array, Array]) -> None:
    scores, accuracies = table
    if np.ptp(scores) == 0 or np.ptp(accuracies) == 0:
        assert np.isnan(spearman(scores, accuracies))
    else:
        expected = spearmanr(scores, accuracies).statistic
        assert spearman(scores, accuracies) == pytest.approx(expected, abs=1e-12)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(200):
        x = rng.normal(size=60)
        y = x + rng.normal(size=60)  # correlation 1 / sqrt 2, tau 2 / pi asin of it: one half
        weights = resamples(np.arange(60), n_resamples=200, rng=rng)
        low, high = interval(count_pairs(x, y, weights=weights).tau)
        covered.append(low <= 0.5 <= high)
    assert 0.88 < np.mean(covered) < 0.99


def test_resamples_draw_as_many_networks_as_there_are_and_depend_on_the_seed_alone() -> None:
    weights = resamples(np.arange(7), n_resamples=5, rng=np.random.default_rng(4))
    assert (weights.sum(1) == 7).all()
    np.testing.assert_array_equal(
        weights, resamples(np.arange(7), n_resamples=5, rng=np.random.default_rng(4))
    )
    assert (weights != resamples(np.arange(7), n_resamples=5, rng=np.random.default_rng(5))).any()


def test_networks_of_one_architecture_are_drawn_together() -> None:
    names = np.array(["a", "b", "a", "c"])
    weights = resamples(names, n_resamples=50, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert (weights[:, 0] != weights[:, 1]).any()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()


def test_the_interval_of_nothing_is_undefined() -> None:
    assert np.isnan(interval(np.array([np.nan, np.nan]))).all()


# choosing -----------------------------------------------------------------------------------------------------------


def test_regret_is_what_the_best_of_k_lacks() -> None:
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    accuracies = np.array([80.0, 70.0, 90.0, 85.0])
    assert [regret(scores, accuracies, k=k) for k in (1, 2, 3, 4, 99)] == [10.0, 10.0, 0.0, 0.0, 0.0]


@given(tables(7), st.integers(1, 8))
def test_regret_among_equal_scores_is_the_mean_over_all_choices(table: tuple[Array, Array], k: int) -> None:
    scores, accuracies = table
    k = min(k, len(scores))
    last = np.sort(scores)[::-1][k - 1]
    certain = [int(i) for i in np.flatnonzero(scores > last)]
    tied = [int(i) for i in np.flatnonzero(scores == last)]
    chosen = [certain + list(some) for some in combinations(tied, k - len(certain))]
    expected = accuracies.max() - np.mean([accuracies[list(some)].max() for some in chosen])
    assert regret(scores, accuracies, k=k) == pytest.approx(expected, abs=1e-12)


def test_networks_without_a_value_are_chosen_last() -> None:
    scores = np.array([-np.inf, 1.0, -np.inf])
    assert regret(scores, np.array([90.0, 80.0, 70.0]), k=1) == 10.0


def test_a_draw_holds_no_network_twice_and_the_best_by_score_is_picked() -> None:
    drawn = draws(30, size=10, n_draws=50, rng=np.random.default_rng(6))
    assert drawn.shape == (50, 10)
    assert all(len(set(row)) == 10 for row in drawn.tolist())
    accuracies = np.random.default_rng(7).normal(size=30)
    np.testing.assert_array_equal(picks(accuracies, accuracies, drawn=drawn), accuracies[drawn].max(1))
    np.testing.assert_array_equal(picks(-accuracies, accuracies, drawn=drawn), accuracies[drawn].min(1))


def test_among_equal_scores_the_mean_is_picked() -> None:
    scores, accuracies = np.array([1.0, 1.0, 0.0]), np.array([80.0, 90.0, 99.0])
    assert picks(scores, accuracies, drawn=np.array([[0, 1, 2], [1, 2, 2]])).tolist() == [85.0, 90.0]


# noise --------------------------------------------------------------------------------------------------------------


def test_the_deviation_of_one_training_comes_from_networks_trained_more_than_once() -> None:
    accuracies = np.array([1.0, 3.0, 50.0, 10.0, 10.0, 13.0])
    found = repeats(accuracies, np.array(["a", "a", "b", "c", "c", "c"]))
    assert found.means.tolist() == [2.0, 11.0]
    assert found.variances.tolist() == [2.0, 3.0]
    assert found.deviation == pytest.approx(np.sqrt(2.5))
    assert np.isnan(repeats(accuracies, np.arange(6)).deviation)


def test_noise_is_that_of_networks_of_like_accuracy() -> None:
    found = Repeats(np.arange(10.0), np.where(np.arange(10) < 5, 4.0, 1.0))
    assert found.deviations_near(np.array([-3.0, 0.4, 8.0, 100.0])).tolist() == [2.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_the_ceiling_is_the_tau_of_the_true_accuracies(noise: float) -> None:
    rng = np.random.default_rng(8)
    n, n_trained = 1500, rng.integers(1, 4, 1500)
    true = rng.normal(size=n)
    measured = true + noise * rng.standard_normal(n) / np.sqrt(n_trained)
    half = measured >= np.median(measured)
    found = Repeats(np.linspace(-2, 2, 20), np.full(20, noise**2))
    everywhere, in_half = ceiling(measured, n_trained=n_trained, found=found, rng=rng)
    assert everywhere == pytest.approx(count_pairs(true, measured).tau[0], abs=0.04)
    assert in_half == pytest.approx(count_pairs(true[half], measured[half]).tau[0], abs=0.06)
