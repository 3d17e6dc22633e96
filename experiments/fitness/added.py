"""What other proxies know that the ingredients of `rdm_geometry` do not: tau of a fit with and without each of them.

    evonas rank DEV.csv --space spikenas_bench --only epochs=100 --csv OUT.csv --noise 0 \\
        --set 'space.channels=[16]' --set 'space.hidden=[128]' \\
        --proxies default,rdm_alignment,rdm_sparsity,rdm_expansion,rdm_drift,meco_spikes,...
    python experiments/fitness/added.py OUT.csv

DEV.csv is from split.py. Ridge regression as in fit_weights.py on 200 random architectures is ranked on the others:
Kendall's tau with ties at random over all, in the better half, within equal chain length, mean of 30 draws; then what
each further column of OUT adds to the three on the same draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from fit_weights import LEAST_ACCURACY, N_ARCHITECTURES, PENALTY, WEIGHTS, read

from evonas.ranking.statistics import count_pairs
from evonas.ranking.table import ACCURACY, ID
from evonas.rng import generator

N_DRAWS = 30
FARTHEST = 3.0
"""Values farther from the mean, in standard deviations, count as this far."""


def fitted(networks: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """The three taus of a fit on the columns `names`, a missing value being the least of its column."""
    columns = networks[[*names]].fillna(networks[[*names]].min())
    x = ((columns - columns.mean()) / columns.std()).clip(-FARTHEST, FARTHEST).to_numpy()
    accuracies, chains = networks[ACCURACY].to_numpy(), networks["chain_length"].to_numpy()
    targets = accuracies.clip(LEAST_ACCURACY)
    taus = []
    for draw in range(N_DRAWS):
        order = generator(0, "added", draw).permutation(len(networks))
        taught, rest = order[:N_ARCHITECTURES], order[N_ARCHITECTURES:]
        deviations = targets[taught] - targets[taught].mean()
        normal = x[taught].T @ x[taught] + PENALTY * np.eye(len(names))
        guess, truth = x[rest] @ np.linalg.solve(normal, x[taught].T @ deviations), accuracies[rest]
        half = truth >= np.median(truth)
        pairs = (
            count_pairs(guess, truth),
            count_pairs(guess[half], truth[half]),
            count_pairs(guess, truth, groups=chains[rest]),
        )
        taus.append([float(found.tau[0]) for found in pairs])
    return np.mean(taus, axis=0)


def main() -> None:
    """Print the taus without further columns and what each of them adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scores", type=Path, metavar="OUT.csv")
    rows = read(parser.parse_args().scores)
    networks = rows.groupby(ID).agg(
        dict.fromkeys(rows.select_dtypes("number").columns, "first") | {ACCURACY: "mean"}
    )
    known = {"rdm_geometry", ACCURACY, *WEIGHTS, *(f"rdm_{name}" for name in WEIGHTS)}
    alone = fitted(networks, list(WEIGHTS))
    print(f"{len(networks)} architectures; the ingredients: {alone.round(3)}")
    added = {name: fitted(networks, [*WEIGHTS, name]) - alone for name in networks if name not in known}
    for name, taus in sorted(added.items(), key=lambda item: -item[1][0]):
        print(f"{name}: {taus.round(3)}")


if __name__ == "__main__":
    main()
