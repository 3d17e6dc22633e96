"""Do firing rate and energy at first weights order networks as those after training do? On SpikeNAS-Bench.

    evonas rank TABLE.csv --space spikenas_bench --proxies energy_nj,firing_rate --limit 200 \\
        --set evaluation.batch=8 --csv OUT.csv
    python experiments/fitness/energy.py TABLE.csv OUT.csv

The column `firing_rates` of TABLE has the trained rate of each layer: six edges of the first cell, six of the second
(-1 where an edge has no neurons), the layer before the reduction, the last one before the pooling, and two of the head,
which are left out. That order is read off the table (a layer that nothing drives has rate 0, an output layer of ten
classes 0.1). Edges on no way from the input of a cell to its output fire too, in a quarter of the rows; the engine cuts
them, and their rates do not count. From the others follow, as the engine defines both, the mean over neurons and the
accumulates of a step; multiply-accumulates do not depend on them. Rank correlations are Kendall's tau over
architectures with ties at random, in all pairs and in pairs of networks with equally many convolutions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from split import live_code

from evonas.ranking.statistics import count_pairs, interval, resamples
from evonas.ranking.table import ID
from evonas.rng import generator

NEURONS = np.array([128 * 32 * 32] * 6 + [256 * 16 * 16] * 6 + [128 * 32 * 32, 256 * 16 * 16])
"""Neurons of each layer of the table that counts."""

FAN_OUT = np.array([9 * 128] * 6 + [9 * 256] * 6 + [9 * 256, 0])
"""Accumulates that one spike causes, borders apart: 3 x 3 convolutions. What is pooled first is no longer a spike."""


def trained(cell: str, rates: str) -> tuple[float, float]:
    """Mean firing rate over neurons, and accumulates of one time step, of a network by its column `firing_rates`."""
    found = np.array([float(rate) for rate in rates.split(";")])[: len(NEURONS)]
    live = [code != "0" for code in live_code(cell)]
    there = (found >= 0) & np.array([*live, *live, True, True])
    spikes = np.where(there, found, 0.0) * NEURONS
    return float(spikes.sum() / NEURONS[there].sum()), float(spikes @ FAN_OUT)


def main() -> None:
    """Print the rank correlations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("scores", type=Path, metavar="OUT.csv")
    paths = parser.parse_args()
    rows = pd.read_csv(paths.scores, dtype={"cell": str}).dropna(subset=["energy_nj", "firing_rate"])
    table = pd.read_csv(paths.table, dtype={"cell": str})
    rates = table[table["epochs"] == 100].drop_duplicates("cell").set_index("cell")["firing_rates"]
    rows = rows[rows["cell"].isin(rates.index)]
    after = [trained(cell, rates.loc[cell]) for cell in rows["cell"]]
    rows = rows.assign(rate_after=[rate for rate, _ in after], accumulates_after=[sum_ for _, sum_ in after])
    columns = ["energy_nj", "firing_rate", "rate_after", "accumulates_after", "live_convolutions"]
    networks = rows.groupby(ID)[columns].mean()
    drawn = resamples(networks.index.to_numpy(str), n_resamples=1000, rng=generator(0, "bootstrap"))
    print(f"{len(networks)} architectures")
    for before, then in (("firing_rate", "rate_after"), ("energy_nj", "accumulates_after")):
        x, y = networks[before].to_numpy(), networks[then].to_numpy()
        for text, groups in (("all", None), ("equally many convolutions", networks["live_convolutions"])):
            within = None if groups is None else groups.to_numpy()
            tau = count_pairs(x, y, groups=within).tau[0]
            low, high = interval(count_pairs(x, y, groups=within, weights=drawn).tau)
            print(f"{before} against {then}, {text}: {tau:.2f} [{low:.2f}, {high:.2f}]")
    ratio = networks["firing_rate"].mean() / networks["rate_after"].mean()
    print(f"mean rate at first weights over that after training: {ratio:.2f}")


if __name__ == "__main__":
    main()
