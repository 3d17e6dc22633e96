"""Merging by rank: by hand, and what it does not hang on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from evonas.ranking.merging import rank_merge


def table(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=list("abcd"))


def test_logs_of_relative_ranks_add_up() -> None:
    merged = rank_merge(table(one=[1.0, 2.0, 3.0, 4.0], other=[9.0, 7.0, 8.0, 6.0]))
    shares = [(1 / 4, 4 / 4), (2 / 4, 2 / 4), (3 / 4, 3 / 4), (4 / 4, 1 / 4)]
    assert merged.tolist() == pytest.approx([math.log(x) + math.log(y) for x, y in shares])
    assert merged.index.tolist() == list("abcd")


def test_a_row_that_is_good_in_all_beats_one_that_is_best_and_worst() -> None:
    merged = rank_merge(table(one=[1.0, 2.0, 3.0, 4.0], other=[4.0, 2.0, 3.0, 1.0]))
    assert merged.idxmax() == "c"  # ranks 3 and 3, which add up to no more than 4 and 2 would


def test_the_best_in_everything_has_zero() -> None:
    assert rank_merge(table(one=[1, 2, 3, 9], other=[-4, -3, -2, -1]))["d"] == 0.0


def test_only_the_order_of_a_column_counts() -> None:
    drawn = pd.DataFrame(np.random.default_rng(0).random((30, 3)), columns=list("xyz"))
    bent = drawn.assign(x=np.exp(50 * drawn["x"]), y=drawn["y"] ** 3 - 7, z=np.log(drawn["z"]))
    assert rank_merge(drawn).tolist() == rank_merge(bent).tolist()


def test_ties_share_their_mean_rank() -> None:
    merged = rank_merge(table(one=[1.0, 5.0, 5.0, 2.0]))
    assert merged.tolist() == pytest.approx([math.log(n / 4) for n in (1, 3.5, 3.5, 2)])


def test_what_is_missing_or_minus_infinite_is_worst_and_leaves_a_number() -> None:
    merged = rank_merge(table(one=[1.0, np.nan, 3.0, 4.0], other=[1.0, 2.0, -np.inf, 4.0]))
    assert np.isfinite(merged).all()
    assert merged["b"] == pytest.approx(math.log(1 / 4) + math.log(3 / 4))
    assert merged["c"] == pytest.approx(math.log(3 / 4) + math.log(1 / 4))


def test_a_row_without_any_value_has_no_merged_one() -> None:
    merged = rank_merge(table(one=[1.0, np.nan, 3.0, 4.0], other=[1.0, np.nan, np.nan, 4.0]))
    assert merged.isna().tolist() == [False, True, False, False]


def test_no_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one proxy"):
        rank_merge(pd.DataFrame(index=[0, 1]))
