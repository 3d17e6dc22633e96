"""A ranking as a picture: for every score a field of points, score against accuracy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from evonas.errors import ConfigError
from evonas.ranking.report import Report
from evonas.ranking.table import ACCURACY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_COLUMNS = 4


def new_figure(path: Path) -> Figure:
    """An empty picture, to be written to `path`. Needs matplotlib (the extra `plots`).

    Raises:
        ConfigError: matplotlib is missing, or the suffix is no picture format.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise ConfigError("--figure needs matplotlib; pip install 'evonas[plots]'") from None
    figure = Figure(layout="constrained")
    formats = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in formats:
        raise ConfigError(
            f"--figure {path}: expected a name that ends in one of .{', .'.join(sorted(formats))}"
        )
    return figure


def draw_ranking(networks: pd.DataFrame, report: Report, path: Path) -> None:
    """Write the picture to `path`: accuracies of the better half in blue, scores with their tau above.

    Raises:
        ConfigError: as `new_figure`.
    """
    figure = new_figure(path)
    found = report.correlations.set_index(["score", "subset"])
    names = list(dict.fromkeys(report.correlations["score"]))
    n_columns = min(N_COLUMNS, len(names))
    n_rows = math.ceil(len(names) / n_columns)
    figure.set_size_inches(3.4 * n_columns, 3.0 * n_rows)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    better = networks[ACCURACY] >= networks[ACCURACY].median()
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names, strict=False):
        for members, colour in ((~better, "0.7"), (better, "tab:blue")):
            axis.scatter(networks.loc[members, name], networks.loc[members, ACCURACY], s=5, color=colour)
        taus = [found.loc[(name, subset), "tau"] for subset in ("all", "better half")]
        axis.set_title(f"{name}\ntau {taus[0]:.2f}, better half {taus[1]:.2f}", fontsize=9)
        axis.set_ylim(networks[ACCURACY].quantile(0.02), None)
    for axis in axes[:, 0]:
        axis.set_ylabel("test accuracy")
    figure.savefig(path, dpi=110)
