"""How scores rank networks of about equal size: Kendall's tau over the pairs whose parameters differ by less than 40 %.

    evonas rank experiments/fitness/evonas_table.csv --space evonas --proxies default,rdm_drift,... --csv OUT.csv
    python experiments/fitness/equal_size.py OUT.csv

A score that only says how large a network is has about 0 here. Ties count for nothing, but they count; 95 % intervals
are bootstraps over architectures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from evonas.ranking.statistics import interval, resamples
from evonas.ranking.table import ACCURACY, ID
from evonas.rng import generator

LARGEST_RATIO = 1.4


def taus(networks: pd.DataFrame, *, n_resamples: int) -> pd.DataFrame:
    """For each score in the columns of `networks` the tau and the ends of its interval."""
    first, second = np.triu_indices(len(networks), 1)
    sizes = np.log(networks["parameters"].to_numpy())
    near = np.abs(sizes[first] - sizes[second]) < np.log(LARGEST_RATIO)
    first, second = first[near], second[near]
    drawn = resamples(networks.index.to_numpy(str), n_resamples=n_resamples, rng=generator(0, "bootstrap"))
    weights = drawn[:, first] * drawn[:, second]

    def signs(column: pd.Series) -> np.ndarray:
        values = column.to_numpy(float)
        return np.sign(values[first] - values[second])

    agreement = networks.drop(columns=ACCURACY).apply(signs).mul(signs(networks[ACCURACY]), axis=0)
    ends = [interval(weights @ agreement[name].to_numpy() / weights.sum(1)) for name in agreement]
    return pd.DataFrame(ends, columns=["low", "high"], index=agreement.columns).assign(tau=agreement.mean())


def main() -> None:
    """Print a line for each score, the best first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scores", type=Path, metavar="OUT.csv")
    networks = pd.read_csv(parser.parse_args().scores).groupby(ID).mean(numeric_only=True).dropna()
    found = taus(networks, n_resamples=1000).sort_values("tau", ascending=False)
    for name, row in found.iterrows():
        print(f"{name}: {row['tau']:.2f} [{row['low']:.2f}, {row['high']:.2f}]")


if __name__ == "__main__":
    main()
