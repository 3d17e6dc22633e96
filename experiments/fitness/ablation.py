"""What each ingredient of `rdm_geometry` adds: rank correlations of the score without it.

    evonas rank TABLE.csv --space spikenas_bench --only epochs=100 --csv OUT.csv \\
        --proxies default,rdm_alignment,rdm_sparsity,rdm_expansion,rdm_drift
    python experiments/fitness/ablation.py OUT.csv

The score is a sum, so the columns of OUT are enough. Kendall's tau with ties at random over live cells (see split.py),
with 95 % bootstrap intervals: all, better half by accuracy, pairs of equal chain length.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from split import live_code

from evonas.proxies.rdm_geometry import Geometry
from evonas.ranking.statistics import count_pairs, interval, resamples
from evonas.rng import generator

RDM = ("alignment", "expansion", "drift")
"""The ingredients that are read off Gram matrices."""


def contributions(rows: pd.DataFrame) -> pd.DataFrame:
    """What each ingredient contributes to the score of each row; what is left is due to the depth."""
    nothing = Geometry(alignment=0.0, sparsity=0.0, expansion=0.0, drift=0.0, depth=np.inf)
    parts = {
        name: rows[f"rdm_{name}"] * Geometry(**{**vars(nothing), name: 1.0}).score
        for name in ("alignment", "sparsity", "expansion", "drift")
    }
    return pd.DataFrame(parts).assign(depth=rows["rdm_geometry"] - sum(parts.values()))


def main(path: Path) -> None:
    """Print a row for the score and for what is left of it without some of its parts."""
    rows = pd.read_csv(path, dtype={"cell": str}).dropna(subset=["rdm_geometry"])
    cells = rows.assign(live=rows["cell"].map(live_code)).groupby("live")
    networks = cells[[name for name in rows.columns if name.startswith(("rdm", "test", "chain"))]].mean()
    accuracies, chains = networks["test_acc"].to_numpy(), networks["chain_length"].to_numpy()
    half = accuracies >= np.median(accuracies)
    drawn = resamples(len(networks), n_resamples=1000, rng=generator(0, "bootstrap"))
    parts = contributions(networks)
    left_out = [(), *((name,) for name in parts), RDM, tuple(name for name in parts if name != "depth")]
    print(f"{len(networks)} live cells")
    for names in left_out:
        score = parts.drop(columns=[*names]).sum(axis=1).to_numpy()
        taus = []
        for inside, groups in ((slice(None), None), (half, None), (slice(None), chains)):
            x, y = score[inside], accuracies[inside]
            low, high = interval(count_pairs(x, y, groups=groups, weights=drawn[:, inside]).tau)
            taus.append(f"{count_pairs(x, y, groups=groups).tau[0]:.2f} [{low:.2f}, {high:.2f}]")
        print(f"without {', '.join(names) or 'nothing'}: {'  '.join(taus)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
