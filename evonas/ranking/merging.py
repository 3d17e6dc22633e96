"""Several proxies into one: by rank, since their units have nothing in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

PLUS = "+"
"""Between the parts of the name of a merged score."""


def parts(names: Sequence[str]) -> tuple[str, ...]:
    """What is to be scored for `names`, each once.

    >>> parts(["swap", "swap+zen"])
    ('swap', 'zen')
    """
    return tuple(dict.fromkeys(part for name in names for part in name.split(PLUS)))


def rank_merge(columns: pd.DataFrame) -> pd.Series[float]:
    """The merged score of each row: the sum over columns of log(rank / n), 0 for a row that is best in all of them.

    Higher is better in each column and in the result. The rank of the best of n rows is n and that of the worst 1, ties
    share their mean rank, a missing value counts as the worst, and a row without any has none. The logarithm punishes
    one bad rank more than good ones can make up for: the non-linear aggregation of AZ-NAS (Lee and Ham, CVPR 2024,
    arXiv 2403.19232). The value of a row depends on the others: it compares the rows of one table and no two tables.

    >>> rank_merge(pd.DataFrame({"swap": [10, 20, 30, 40], "zen": [3.5, 2.5, 1.5, 4.5]})).round(2).tolist()
    [-1.67, -1.39, -1.67, 0.0]

    Raises:
        ValueError: no columns.
    """
    if not len(columns.columns):
        raise ValueError("columns: expected at least one proxy to merge, got none")
    shares = columns.rank(method="average", na_option="top") / len(columns)
    return pd.Series(np.log(shares).sum(axis=1), index=columns.index).where(columns.notna().any(axis=1))
