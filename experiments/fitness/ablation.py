"""What each ingredient of `rdm_geometry` adds: rank correlations of a score that was made without it.

    evonas rank PART.csv --space spikenas_bench --only epochs=100 --csv OUT.csv \\
        --proxies default,rdm_alignment,rdm_sparsity,rdm_expansion,rdm_drift
    python experiments/fitness/ablation.py DEV_OUT.csv CONFIRM_OUT.csv

for both parts of split.py. What is left of the ingredients gets weights of its own, from 200 architectures of the
development part as in fit_weights.py, and is ranked on the other part: Kendall's tau with ties at random over live
cells, all, better half by accuracy, pairs of equal chain length, with 95 % bootstrap intervals over architectures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from fit_weights import N_ARCHITECTURES, WEIGHTS, by_architecture, fit, read

from evonas.ranking import correlations
from evonas.ranking.table import ACCURACY, ID

RDM = ("alignment", "expansion", "drift")
"""The ingredients that are read off Gram matrices."""


def main() -> None:
    """Print a row for the score and for what can be made without some of its ingredients."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dev", type=Path, metavar="DEV_OUT.csv")
    parser.add_argument("confirm", type=Path, metavar="CONFIRM_OUT.csv")
    paths = parser.parse_args()
    taught, confirm = by_architecture(read(paths.dev))[:N_ARCHITECTURES], read(paths.confirm)
    columns = dict.fromkeys((ID, "rdm_geometry", "chain_length", *WEIGHTS), "first")
    networks = confirm.groupby("live").agg({**columns, ACCURACY: "mean"})
    scores = {"the score": networks["rdm_geometry"]}
    for left_out in ((), *((name,) for name in WEIGHTS), RDM):
        kept = [name for name in WEIGHTS if name not in left_out]
        scores[f"without {', '.join(left_out) or 'nothing'}"] = networks[kept] @ fit(taught, kept)
    scores["depth alone"] = networks["depth"]
    found = correlations(networks.join(pd.DataFrame(scores)), list(scores), seed=0)
    print(f"{len(networks)} live cells, {networks[ID].nunique()} architectures")
    for name, rows in found.groupby("score", sort=False):
        taus = [
            f"{row.subset} {row.tau:.2f} [{row.tau_low:.2f}, {row.tau_high:.2f}]" for row in rows.itertuples()
        ]
        print(f"{name}: {', '.join(taus)}")


if __name__ == "__main__":
    main()
