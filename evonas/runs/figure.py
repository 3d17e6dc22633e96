"""The front of a run as a picture: every pair of objectives, and the hypervolume by generation."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from evonas.errors import RunError
from evonas.evolution.fitness import ObjectiveSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from evonas.runs.results import Run


def draw_front(run: Run, path: Path) -> None:
    """Write the picture to `path`, in the format of its suffix. Needs matplotlib (the extra `plots`).

    Raises:
        RunError: matplotlib is missing, the run has no front yet, or the suffix is no picture format.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise RunError("--figure needs matplotlib; pip install 'evonas[plots]'") from None
    knee = run.knee.architecture_id  # refuses an empty front
    pairs = list(itertools.combinations(range(len(run.specs)), 2))
    figure = Figure(figsize=(4.2 * (len(pairs) + 1), 3.8), layout="constrained")
    axes = figure.subplots(1, len(pairs) + 1, squeeze=False)[0]
    evaluations, front = run.evaluations(), run.pareto_front()
    for axis, (i, j) in zip(axes, pairs, strict=False):
        x, y = run.specs[i], run.specs[j]
        axis.scatter(evaluations[x.name], evaluations[y.name], s=6, color="0.8", label="evaluated")
        axis.scatter(front[x.name], front[y.name], s=16, color="tab:blue", label="front")
        chosen = front[front["architecture_id"] == knee]
        axis.scatter(
            chosen[x.name], chosen[y.name], s=90, marker="*", color="tab:red", label="knee", zorder=3
        )
        _label(axis, x, y)
    axes[0].legend(frameon=False)
    generations = run.generations()
    axes[-1].plot(generations["generation"], generations["hypervolume"], color="tab:blue")
    axes[-1].set(xlabel="generation", ylabel="hypervolume")
    config = run.record.config
    figure.suptitle(
        f"{config.data.name}, space {config.space.name}, {config.evolution.strategy}, seed {config.evolution.seed}:"
        f" {len(evaluations)} genomes, front of {len(front)}"
    )
    try:
        figure.savefig(path, dpi=110)
    except ValueError as error:
        raise RunError(f"--figure {path}: {' '.join(str(error).split())}") from None


def _label(axis: Axes, x: ObjectiveSpec, y: ObjectiveSpec) -> None:
    for spec, set_label, set_scale in (
        (x, axis.set_xlabel, axis.set_xscale),
        (y, axis.set_ylabel, axis.set_yscale),
    ):
        unit = f" [{spec.unit}]" if spec.unit else ""
        set_label(f"{spec.name}{unit} ({spec.direction})")
        if spec.scale == "log10":
            set_scale("log")
