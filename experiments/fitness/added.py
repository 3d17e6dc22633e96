"""What other proxies know that the ingredients of `rdm_geometry` do not: tau of a fit with and without each of them.

    evonas rank DEV.csv --space spikenas_bench --only epochs=100 --csv OUT.csv --noise 0 \\
        --set 'space.channels=[16]' --set 'space.hidden=[128]' \\
        --proxies default,rdm_alignment,rdm_sparsity,rdm_expansion,rdm_drift,meco_spikes,...
    python experiments/fitness/added.py OUT.csv

DEV.csv is from split.py. The regression of fit_weights.py on 200 random architectures is ranked on the others:
Kendall's tau with ties at random over all, in the better half, within equal chain length, mean of 30 draws. Then
follows what each further column of OUT adds to the three on the same draws, as quantiles of a normal distribution by
its ranks.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from fit_weights import N_ARCHITECTURES, WEIGHTS, by_architecture, fit, read

from evonas.ranking.predictor import normal_scores
from evonas.ranking.statistics import three_taus
from evonas.ranking.table import ACCURACY
from evonas.rng import generator

N_DRAWS = 30


def fitted(networks: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """The three taus of a fit on the columns `names`."""
    taus = []
    for draw in range(N_DRAWS):
        order = generator(0, "added", draw).permutation(len(networks))
        taught, rest = (networks.iloc[part] for part in (order[:N_ARCHITECTURES], order[N_ARCHITECTURES:]))
        guess = (rest[[*names]] @ fit(taught, names)).to_numpy()
        taus.append(three_taus(guess, rest[ACCURACY].to_numpy(), rest["chain_length"].to_numpy()))
    return pd.DataFrame(taus).mean()


def main() -> None:
    """Print the taus without further columns and what each of them adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scores", type=Path, metavar="OUT.csv")
    networks = by_architecture(read(parser.parse_args().scores))
    alone = fitted(networks, list(WEIGHTS))
    print(f"{len(networks)} architectures; the ingredients: {alone.round(3).to_dict()}")
    known = {"rdm_geometry", ACCURACY, "live", *WEIGHTS, *(f"rdm_{name}" for name in WEIGHTS)}
    others = {name: normal_scores(networks[name].to_numpy(float)) for name in networks if name not in known}
    added = {
        name: fitted(networks.assign(**{name: column}), [*WEIGHTS, name]) - alone
        for name, column in others.items()
        if np.ptp(column) > 0
    }
    for name, taus in sorted(added.items(), key=lambda item: -item[1]["all"]):
        print(f"{name}: {taus.round(3).to_dict()}")


if __name__ == "__main__":
    main()
