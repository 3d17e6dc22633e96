"""The weights of `rdm_geometry`: ridge regression of test accuracies on its ingredients, over 200 architectures.

    evonas rank DEV.csv --space spikenas_bench --only epochs=100 --csv OUT.csv \\
        --proxies default,rdm_alignment,rdm_sparsity,rdm_expansion,rdm_drift
    python experiments/fitness/fit_weights.py OUT.csv

DEV.csv is from split.py. The architectures are the first by SHA-256 of the first of their live cells in the alphabet;
accuracies of equal architectures are averaged.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from split import live_code

from evonas.proxies.rdm_geometry import Geometry
from evonas.ranking.table import ACCURACY, ID

N_ARCHITECTURES = 200
PENALTY = 2.0
"""Of the ridge, on columns of unit variance."""

LEAST_ACCURACY = 85.5
"""What is worse counts as this: how bad the bad ones are shall not decide."""

_NOTHING = {"alignment": 0.0, "sparsity": 0.0, "expansion": 0.0, "drift": 0.0, "depth": np.inf}

WEIGHTS = {
    name: Geometry(**{**_NOTHING, name: 1.0}).score * (-1.0 if name == "depth" else 1.0) for name in _NOTHING
}
"""The weight of each ingredient in the score; that of the depth is of -1 / depth."""


def read(path: Path) -> pd.DataFrame:
    """The scored rows of what `evonas rank --csv` wrote, with their live cell and a column for each of `WEIGHTS`."""
    rows = pd.read_csv(path, dtype={"cell": str}).dropna(subset=["rdm_geometry"])
    found = {name: rows[f"rdm_{name}"] for name in WEIGHTS if name != "depth"}
    rest = rows["rdm_geometry"] - sum(WEIGHTS[name] * column for name, column in found.items())
    return rows.assign(live=rows["cell"].map(live_code), **found, depth=rest / WEIGHTS["depth"])


def by_architecture(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each architecture of `rows` (see `read`), in the order in which they are taught."""
    columns = dict.fromkeys(rows.select_dtypes("number").columns, "first")
    networks = rows.groupby(ID).agg({**columns, ACCURACY: "mean", "live": "min"})
    keys = networks["live"].map(lambda code: hashlib.sha256(code.encode()).hexdigest())
    return networks.loc[keys.sort_values().index]


def fit(taught: pd.DataFrame, names: Sequence[str] = tuple(WEIGHTS)) -> np.ndarray:
    """The weights of the columns `names`, from the accuracies of the architectures `taught`."""
    spread = taught[[*names]].std().to_numpy()
    x = (taught[[*names]] - taught[[*names]].mean()).to_numpy() / spread
    y = taught[ACCURACY].clip(lower=LEAST_ACCURACY).to_numpy()
    return np.linalg.solve(x.T @ x + PENALTY * np.eye(len(names)), x.T @ (y - y.mean())) / spread


def main() -> None:
    """Print the weights, scaled so that alignment has the one that it has in the score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scores", type=Path, metavar="OUT.csv")
    weights = fit(by_architecture(read(parser.parse_args().scores))[:N_ARCHITECTURES])
    for (name, there), weight in zip(
        WEIGHTS.items(), weights * WEIGHTS["alignment"] / weights[0], strict=True
    ):
        print(f"{name}: {weight:.2f}, in the score {there:g}")


if __name__ == "__main__":
    main()
