"""The figures of the claims, drawn from the results beside this file.

    python experiments/claims/figures.py [--results experiments/claims/results] [--runs runs]

writes verdicts.png, noise.png, balance.png, depth.png and attention.png into experiments/claims/figures/. A result is
`<experiment>-small.csv`, the `observations.csv` of that experiment. What no result holds is read off run folders with
--runs: the inhibition by generation off scales-small, the membrane potentials and firing maps off attention-small,
which needs N-MNIST. It is kept among the results, and taken from there without --runs. A figure whose results are
missing is left out, and said so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from figure_numbers import (
    BALANCE,
    CHANCE,
    HERE,
    MAPS,
    PICTURED,
    POTENTIALS,
    Claim,
    ResultMissingError,
    apart,
    by_depth,
    claims,
    curve,
    disturbed,
    interval,
    keep,
    read,
)

from evonas.errors import EvonasError, RunError
from evonas.runs.comparison import CONFIRMED, NOT_SEEN, REVERSED, UNDECIDED
from genomes.errors import GenomeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.0
"""In inches, a hundred pixels each where a page shows the figure 700 pixels wide."""
STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9}

# Okabe and Ito's colours, which stay apart for the colour-blind; a marker and a word say the same again.
BLACK, GREY, BLUE, GREEN = "#000000", "#767676", "#0072B2", "#009E73"
ORANGE, RED, PURPLE = "#E69F00", "#D55E00", "#CC79A7"

VERDICTS = {CONFIRMED: (BLUE, "o"), NOT_SEEN: (GREY, "s"), REVERSED: (RED, "D"), UNDECIDED: (GREY, "x")}
STYLES = {
    "found": ("found", BLUE, "o"),
    "vgg": ("VGG", ORANGE, "s"),
    "resnet": ("ResNet", GREEN, "^"),
    "plain": ("plain", BLACK, "x"),
    "sew": ("SEW", ORANGE, "s"),
    "ms": ("MS", GREEN, "^"),
    "dense_add": ("additive", BLUE, "o"),
    "concatenate": ("concat.", PURPLE, "D"),
    "asa_none": ("no attention", BLACK, "x"),
    "asa_full": ("attention", BLUE, "o"),
    "asa_important": ("important part", GREEN, "^"),
    "asa_rest": ("other part", PURPLE, "D"),
    "asa_half": ("factor 1/2", ORANGE, "s"),
}
"""What each network or connection is called in a figure, its colour and its marker."""

DISTURBANCES = {
    "gaussian": "Gaussian noise on the input\n(standard deviations)",
    "salt_pepper": "salt and pepper\n(share of pixels)",
    "dropped": "dropped spikes\n(share of spikes)",
}
MOTIFS = {
    "feedforward_excitation": "feed-forward\nexcitation",
    "feedforward_inhibition": "feed-forward\ninhibition",
    "feedback_inhibition": "feedback\ninhibition",
    "lateral_inhibition": "lateral\ninhibition",
    "mutual_inhibition": "mutual\ninhibition",
    "inhibitory": "inhibitory\nedges",
}
DODGE = 2.0
"""How far apart the points of one depth are drawn, in layers."""


def draw_verdicts(figure: Figure, results: Path) -> None:
    """A forest plot: the accuracies on one axis in percentage points, every other measure on an axis of its own."""
    found = claims(results)
    accuracies = [claim for claim in found if claim.is_accuracy]
    panels = [*([accuracies] if accuracies else []), *([claim] for claim in found if not claim.is_accuracy)]
    heights = [len(panel) for panel in panels]
    figure.set_size_inches(WIDTH, 0.27 * len(found) + 0.5 * len(panels) + 0.4)
    figure.suptitle("First comparison of every claim: effect, 95 % interval; shaded: where the claim holds")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_forest(axis, panel)
        measure = "difference in accuracy, percentage points" if panel[0].is_accuracy else panel[0].unit
        axis.set_xlabel(measure, labelpad=1)


def _draw_forest(axis: Axes, panel: list[Claim]) -> None:
    ends = [end for claim in panel for end in (claim.low, claim.value, claim.high, claim.border, 0.0)]
    lowest, highest = np.nanmin(ends), np.nanmax(ends)
    margin = 0.08 * (highest - lowest) or 1.0
    left, right = lowest - margin, highest + margin
    for i, claim in enumerate(panel):
        colour, marker = VERDICTS[claim.verdict]
        holds = (claim.border, right) if claim.side > 0 else (left, claim.border)
        axis.fill_betweenx([i - 0.36, i + 0.36], *holds, color="0.92", linewidth=0)
        axis.plot([claim.low, claim.high], [i, i], color=colour, linewidth=2)
        axis.plot(claim.value, i, marker=marker, color=colour, markersize=6)
        numbers = f"{claim.value:.3g} [{claim.low:.3g}, {claim.high:.3g}] n={claim.n}"
        beside = {"xycoords": axis.get_yaxis_transform(), "textcoords": "offset points", "va": "center"}
        axis.annotate(claim.verdict, (1, i), (8, 0), color=colour, weight="bold", **beside)
        axis.annotate(numbers.replace("-", "\N{MINUS SIGN}"), (1, i), (66, 0), **beside)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set(xlim=(left, right), ylim=(len(panel) - 0.5, -0.5))
    axis.set_yticks(range(len(panel)), [claim.words for claim in panel])
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)


def draw_noise(figure: Figure, results: Path) -> None:
    """Accuracy against the level of each disturbance, with a band over the seeds."""
    rows = read(results, "noise")
    figure.set_size_inches(WIDTH, 3.0)
    axes = figure.subplots(1, len(DISTURBANCES), sharey=True)
    for axis, (disturbance, words) in zip(axes, DISTURBANCES.items(), strict=True):
        curves = disturbed(rows, disturbance)
        for name, found in curves.items():
            colour = STYLES[name][1]
            axis.fill_between(found["x"], found["low"], found["high"], color=colour, alpha=0.15, linewidth=0)
        _draw_lines(axis, curves)
        axis.set_xlabel(words)
        levels = sorted({x for found in curves.values() for x in found["x"]})
        axis.set_xticks(levels, [f"{level:g}" for level in levels])
    axes[0].set_ylabel("test accuracy, %")
    for axis, disturbance in zip(axes, DISTURBANCES, strict=True):
        _label_ends(axis, disturbed(rows, disturbance), gap=0.08)
    figure.suptitle(f"Trained without disturbance: mean of {rows['seed'].nunique()} seeds, 95 % interval")


def draw_balance(figure: Figure, results: Path) -> None:
    """What fronts hold more of than random genomes of equal size, and the inhibition by generation."""
    rows, shares = read(results, "motifs"), read(results, BALANCE)
    chance = read(results, CHANCE).set_index("name")
    figure.set_size_inches(WIDTH, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    for i, name in enumerate(MOTIFS):
        values = (100 * rows[f"{name}_excess"]).tolist()
        mean = interval(values)
        colour = ORANGE if "excitation" in name else BLUE
        left.fill_betweenx(
            [i - 0.4, i + 0.4], *(100 * chance.loc[name, ["low", "high"]]), color="0.85", linewidth=0
        )
        left.plot(values, np.full(len(values), i + 0.22), "o", color=colour, alpha=0.5, markersize=4, mew=0)
        left.plot([mean.low, mean.high], [i, i], color=colour, linewidth=2)
        left.plot(mean.value, i, "D", color=colour, markersize=6)
    left.axvline(0, color="black", linewidth=0.8)
    left.set_yticks(range(len(MOTIFS)), MOTIFS.values())
    left.set(
        ylim=(len(MOTIFS) - 0.5, -0.5), xlabel="front less random genomes of equal size,\npercentage points"
    )
    left.set_title(f"Share in the front (dots: {len(rows)} seeds;\ngrey: 95 % of permutations)", loc="left")
    for _, seed in shares.groupby("seed"):
        right.plot(seed["generation"], 100 * seed["share"], color=BLUE, alpha=0.35, linewidth=1)
    mean_share = curve(shares.assign(share=100 * shares["share"]), x="generation", y="share")
    right.plot(mean_share["x"], mean_share["value"], color=BLUE, linewidth=2.5)
    right.annotate(
        "mean", (mean_share["x"].iloc[-1], mean_share["value"].iloc[-1]), (4, 0), textcoords="offset points",
        color=BLUE, va="center",
    )  # fmt: skip
    right.set_xticks(mean_share["x"])
    right.set(xlabel="generation (0 is random)", ylabel="inhibitory edges, % of signed ones")
    right.set_title("Inhibition in what is proposed", loc="left")


def draw_depth(figure: Figure, results: Path) -> None:
    """Accuracy with few and with many images, and what a training step takes, against the depth."""
    rows = read(results, "connections")
    rows = rows.assign(test_accuracy=100 * rows["test_accuracy"])
    figure.set_size_inches(WIDTH, 5.4)
    above, below = figure.subfigures(2, 1)
    few, many = above.subplots(1, 2, width_ratios=[2.4, 1], sharey=True)
    gradient, memory, time = below.subplots(1, 3)
    panels = [
        (few, "test_accuracy", "few", "Test accuracy, %, 2,000 images (dotted: chance)"),
        (many, "test_accuracy", "many", "20,000 images"),
        (gradient, "gradient_ratio", "few", "Gradient norm, first to\nlast layer (log10)"),
        (memory, "saved_mb", "few", "Memory of a training\nstep, MB"),
        (time, "step_seconds", "few", "Time of a training\nstep, s"),
    ]
    curves = [_dodged(by_depth(rows, measure, images=images)) for _, measure, images, _ in panels]
    for (axis, _, _, title), drawn in zip(panels, curves, strict=True):
        for name, found in drawn.items():
            axis.vlines(found["x"], found["low"], found["high"], color=STYLES[name][1], linewidth=1)
        _draw_lines(axis, drawn)
        depths = sorted({depth for found in drawn.values() for depth in found["depth"]})
        axis.set_xticks(depths)
        axis.set_xlim(depths[0] - 4 * DODGE, depths[-1] + 4 * DODGE)
        axis.set_title(title, loc="left")
        axis.set_xlabel("layers")
    for axis in (few, many):
        axis.axhline(10, color=GREY, linewidth=1, linestyle=":")
    for axis in (memory, time):
        axis.set_ylim(bottom=0)
    for (axis, *_), drawn in zip(panels, curves, strict=True):
        _label_ends(axis, drawn, gap=0.085)
    figure.suptitle(f"Means of {rows['seed'].nunique()} seeds, 95 % intervals")


def draw_attention(figure: Figure, results: Path) -> None:
    """Firing and accuracy of each network and seed, and with and without attention potentials and firing maps."""
    rows, potentials, maps = read(results, "attention"), read(results, POTENTIALS), read(results, MAPS)
    figure.set_size_inches(WIDTH, 5.4)
    above, below = figure.subfigures(2, 1, height_ratios=[1.3, 1])
    scatter, histogram = above.subplots(1, 2)
    means = {}
    for network, found in rows.groupby("network", sort=False):
        _, colour, marker = STYLES[str(network)]
        x, y = 100 * found["firing_rate"], 100 * found["test_accuracy"]
        scatter.plot(x, y, marker, color=colour, alpha=0.5, markersize=4)
        scatter.plot(x.mean(), y.mean(), marker, color=colour, markersize=9, mew=2)
        means[str(network)] = pd.DataFrame({"x": [x.mean()], "value": [y.mean()]})
    scatter.set(xlabel="firing rate, %", ylabel="test accuracy, %")
    scatter.set_title(f"N-MNIST: {rows['seed'].nunique()} seeds, means large", loc="left")
    _label_ends(scatter, means, gap=0.09)
    for network in PICTURED:
        name, colour, _ = STYLES[network]
        found = potentials[potentials["network"] == network]
        # What lies beyond the histogram is counted at its ends, and is not of that potential.
        inside = found.iloc[1:-1]
        histogram.plot(inside["potential"], 100 * inside["share"], color=colour, label=name)
    histogram.axvline(1, color=GREY, linewidth=0.8, linestyle=":")
    histogram.set_yscale("log")
    histogram.set(xlabel="membrane potential (threshold: 1)", ylabel="neurons and steps in a bin, %")
    histogram.set_title("Before the reset, all layers", loc="left")
    histogram.legend(frameon=False, handlelength=1, loc="upper right")
    highest = 100 * maps["rate"].max()
    squares = below.subplots(1, len(PICTURED))
    for axis, network in zip(squares, PICTURED, strict=True):
        square = maps[maps["network"] == network].pivot(index="row", columns="column", values="rate")
        image = axis.imshow(100 * square, cmap="viridis", vmin=0, vmax=highest)
        axis.set_title(f"{STYLES[network][0]}: {100 * square.to_numpy().mean():.1f} %")
        axis.set_axis_off()
    below.colorbar(image, ax=squares, label="firing rate, %")
    below.suptitle("Where the first layer behind the stem fires", fontsize="medium")


FIGURES = {
    "verdicts": draw_verdicts,
    "noise": draw_noise,
    "balance": draw_balance,
    "depth": draw_depth,
    "attention": draw_attention,
}


def _draw_lines(axis: Axes, curves: Mapping[str, pd.DataFrame]) -> None:
    for name, found in curves.items():
        _, colour, marker = STYLES[name]
        axis.plot(found["x"], found["value"], marker=marker, color=colour, linewidth=1.5, markersize=5)


def _dodged(curves: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The curves a little beside each other, so that intervals show; where they were is kept in a column depth."""
    middle = (len(curves) - 1) / 2
    return {
        name: found.assign(depth=found["x"], x=found["x"] + DODGE * (i - middle))
        for i, (name, found) in enumerate(curves.items())
    }


def _label_ends(axis: Axes, curves: Mapping[str, pd.DataFrame], *, gap: float) -> None:
    """Name every curve at the right, at least `gap` of the axis apart; its limits must be final."""
    axis.get_ylim()  # the limits are not set before they are asked for
    ends = [(found["x"].iloc[-1], found["value"].iloc[-1]) for found in curves.values()]
    heights = axis.transAxes.inverted().transform(axis.transData.transform(ends))[:, 1]
    for name, end, height in zip(curves, ends, apart(heights, gap=gap), strict=True):
        words, colour, _ = STYLES[name]
        axis.annotate(
            words,
            end,
            (1.04, height),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 1, "shrinkA": 1, "shrinkB": 3},
        )


def draw(results: Path, out: Path) -> list[str]:
    """Write every figure whose results are there into `out`; returns why others are left out, a line each.

    Raises:
        RunError: matplotlib is missing.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise RunError("the figures need matplotlib; pip install 'evonas[plots]'") from None
    out.mkdir(parents=True, exist_ok=True)
    left_out = []
    for name, fill in FIGURES.items():
        with matplotlib.rc_context(STYLE):
            figure = Figure(layout="constrained")
            try:
                fill(figure, results)
            except ResultMissingError as error:
                left_out.append(f"{name}.png is left out: {error}")
            else:
                figure.savefig(out / f"{name}.png", dpi=150)
    return left_out


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, draw the figures; 2 after bad input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", help="default: beside this file")
    parser.add_argument("--runs", type=Path, help="the folder of the experiments' folders")
    parser.add_argument("--out", type=Path, default=HERE / "figures", help="default: beside this file")
    options = parser.parse_args(arguments)
    try:
        missing = keep(options.runs, options.results) if options.runs is not None else []
        for line in [*missing, *draw(options.results, options.out)]:
            print(line, file=sys.stderr)
    except (EvonasError, GenomeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
