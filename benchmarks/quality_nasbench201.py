"""Search quality on the complete table of NAS-Bench-201: hypervolume per evaluation, ours against two baselines.

Every one of the 15,625 cells has its true CIFAR-10 test accuracy (Dong & Yang, ICLR 2020), so an evaluation is a
lookup. Objectives: accuracy (max) against the number of convolutions, 0 to 6 (min). The strategies of evonas run
through the loop and with the defaults of a real run; Optuna's NSGA-II runs through its own. All see the same
objectives and budget and, seed by seed, begin with the same random cells; Optuna is given the population size,
of those tried, that suits it best.

    python benchmarks/quality_nasbench201.py --table ../shared/data/nasbench201_cifar10_test_acc.csv

needs the extra `bench` (Optuna, matplotlib).
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evonas.evolution.archive import hypervolume
from evonas.evolution.evaluation import DirectQueue, Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import evolve, make_toolbox
from evonas.evolution.state import EvolutionState
from evonas.evolution.strategies import Strategy, strategy

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
CONVOLUTIONS = frozenset("23")
N_EDGES = 6
POPULATIONS = (10, 20, 50)
OUR_POPULATION = 20
COUNTS = (50, 100, 200, 300, 500, 1000)
FIGURE = Path(__file__).parent / "figures" / "nasbench201.png"


@dataclass(frozen=True)
class CellSpace:
    """Cells as strings of six digits, the operation of each edge; neutral operators, one edge at a time."""

    name: str = "nasbench201"

    def sample(self, *, rng: np.random.Generator) -> str:
        """Every cell is equally likely."""
        return "".join(str(digit) for digit in rng.integers(len(OPERATIONS), size=N_EDGES))

    def mutate(self, genome: str, *, rng: np.random.Generator) -> str:
        """One edge gets another operation."""
        edge = int(rng.integers(N_EDGES))
        digit = (int(genome[edge]) + 1 + int(rng.integers(len(OPERATIONS) - 1))) % len(OPERATIONS)
        return genome[:edge] + str(digit) + genome[edge + 1 :]

    def crossover(self, a: str, b: str, *, rng: np.random.Generator) -> str:
        """Each edge from either parent."""
        return "".join(x if first else y for x, y, first in zip(a, b, rng.random(N_EDGES) < 0.5, strict=True))

    def architecture_id(self, genome: str) -> str:
        """The cell itself: the table keeps isomorphic cells apart, and so do all searches here."""
        return genome

    def to_dict(self, genome: str) -> str:
        """A cell is JSON already."""
        return genome

    def from_dict(self, data: str) -> str:
        """The cell that `to_dict` wrote."""
        return data


def read_table(path: Path) -> dict[str, tuple[float, float]]:
    """(test accuracy in %, number of convolutions) of each cell.

    Raises:
        ValueError: a row whose digits do not spell its operations, so that counting them would be wrong.
    """
    table = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            cell = row["arch"]
            spelt = [part.split("~")[0] for part in row["arch_str"].replace("+", "").split("|") if part]
            if spelt != [OPERATIONS[int(digit)] for digit in cell]:
                raise ValueError(f"{path}: {cell} is not {row['arch_str']}")
            table[cell] = (float(row["test_acc_mean"]), float(sum(digit in CONVOLUTIONS for digit in cell)))
    return table


def table_specs(table: dict[str, tuple[float, float]]) -> tuple[ObjectiveSpec, ...]:
    """Accuracy against convolutions; the worst of the table is the reference corner, its best the ideal."""
    accuracies = [accuracy for accuracy, _ in table.values()]
    return (
        ObjectiveSpec("accuracy", "max", "%", "linear", (min(accuracies), max(accuracies))),
        ObjectiveSpec("convolutions", "min", "edges", "linear", (0.0, float(N_EDGES))),
    )


def ours(
    search: Strategy,
    *,
    table: dict[str, tuple[float, float]],
    specs: Sequence[ObjectiveSpec],
    n: int,
    size: int,
    seed: int,
    lag: int | None = None,
) -> list[str]:
    """The first `n` cells that `search` proposes."""
    cells: list[str] = []

    def evaluate(proposal: Proposal) -> Evaluation:
        cell = proposal.architecture_id
        cells.append(cell)
        return Evaluation("ok", dict(zip((spec.name for spec in specs), table[cell], strict=True)))

    evolve(
        toolbox=make_toolbox(space=CellSpace()),
        queue=DirectQueue(evaluate),
        strategy=search,
        lag=lag,
        state=EvolutionState(),
        specs=specs,
        generations=-(-n // size) - 1,
        population=size,
        seed=seed,
    )
    return cells[:n]


def optunas(
    *, table: dict[str, tuple[float, float]], first: Sequence[str], n: int, size: int, seed: int
) -> list[str]:
    """The cells that Optuna's NSGA-II proposes until `n` of them are distinct (`4 n` proposals at most).

    `first` is its first population. Its defaults but for the population size: uniform crossover with probability
    0.9, then each parameter drawn anew with probability 1 / 6.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.NSGAIISampler(population_size=size, seed=seed),
    )
    cells: list[str] = []
    distinct: set[str] = set()

    def evaluate(trial: optuna.Trial) -> tuple[float, float]:
        cell = "".join(trial.suggest_categorical(f"edge{i}", list("01234")) for i in range(N_EDGES))
        cells.append(cell)
        distinct.add(cell)
        if len(distinct) >= n and len(cells) >= n:
            study.stop()
        return table[cell]

    for cell in first:
        study.enqueue_trial({f"edge{i}": digit for i, digit in enumerate(cell)})
    study.optimize(evaluate, n_trials=4 * n)
    return cells


def curve(
    cells: Sequence[str], *, table: dict[str, tuple[float, float]], specs: Sequence[ObjectiveSpec]
) -> NDArray[np.float64]:
    """(len(cells),): hypervolume of everything proposed up to each cell."""
    volumes: list[float] = []
    best: dict[float, float] = {}
    for cell in cells:
        accuracy, n_convolutions = table[cell]
        if accuracy > best.get(n_convolutions, -1.0):
            best[n_convolutions] = accuracy
            volumes.append(hypervolume([(a, c) for c, a in best.items()], specs))
        else:
            volumes.append(volumes[-1])
    return np.array(volumes)


def distinct(cells: Sequence[str]) -> list[str]:
    """The cells without repetitions, in order of first appearance."""
    return list(dict.fromkeys(cells))


def padded(curves: Sequence[NDArray[np.float64]], *, n: int) -> NDArray[np.float64]:
    """(len(curves), n); a search that ran dry keeps what it has."""
    return np.stack([np.pad(c[:n], (0, max(0, n - len(c))), mode="edge") for c in curves])


Curves = dict[str, NDArray[np.float64]]


def report(curves: Curves, *, title: str, reference: str, maximum: float) -> None:
    """Print the spread at several counts and over the curve, and `reference` against the others, seed by seed."""
    n = next(iter(curves.values())).shape[1]
    counts = [count for count in COUNTS if count <= n]
    measures: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
        str(count): lambda values, count=count: values[:, count - 1] for count in counts
    }
    measures["mean of the curve"] = lambda values: values.mean(axis=1)
    print(f"\nhypervolume per {title}, % of the table's: median [quartiles], {len(curves[reference])} seeds")
    print(f"{'':24}" + "".join(f"{name:>23}" for name in measures))
    for name, values in curves.items():
        row = [quartiles(measure(100 * values / maximum)) for measure in measures.values()]
        print(f"{name:24}" + "".join(f"{cell:>23}" for cell in row))
    print(f"{reference} against each, seed by seed: wins/ties/losses")
    for name, values in curves.items():
        row = [score(measure(curves[reference]), measure(values)) for measure in measures.values()]
        if name != reference:
            print(f"{name:24}" + "".join(f"{cell:>23}" for cell in row))


def quartiles(values: NDArray[np.float64]) -> str:
    """Median and quartiles as text."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def score(a: NDArray[np.float64], b: NDArray[np.float64]) -> str:
    """Wins, ties and losses of `a` against `b`; equal up to rounding is a tie."""
    difference = np.where(np.isclose(a, b, rtol=0, atol=1e-12), 0.0, a - b)
    return f"{(difference > 0).sum()}/{(difference == 0).sum()}/{(difference < 0).sum()}"


def plot(panels: dict[str, Curves], *, maximum: float) -> None:
    """The curves with their interquartile bands, one panel for each way of counting, written to `FIGURE`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(11, 4.2), sharey=True, constrained_layout=True)
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, values in curves.items():
            low, middle, high = np.percentile(1 - values / maximum, [25, 50, 75], axis=0)
            x = np.arange(1, values.shape[1] + 1)
            (line,) = axis.plot(x, middle, label=name)
            axis.fill_between(x, low, high, alpha=0.2, color=line.get_color())
        axis.set(xlabel=title, yscale="log", ylim=(1e-4, 1), xlim=(0, next(iter(curves.values())).shape[1]))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("hypervolume missing, share of the table's")
    axes[0].legend()
    n_seeds = len(next(iter(next(iter(panels.values())).values())))
    figure.suptitle(f"NAS-Bench-201, accuracy against convolutions: median and quartiles of {n_seeds} seeds")
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=120)
    print(f"\nwritten: {FIGURE}")


def main() -> int:
    """Run and print everything; 0 when our median is above every baseline's, over the curve and at its end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=Path("../shared/data/nasbench201_cifar10_test_acc.csv"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=1000)
    arguments = parser.parse_args()
    started = time.perf_counter()
    table = read_table(arguments.table)
    specs = table_specs(table)
    maximum = float(curve(list(table), table=table, specs=specs)[-1])
    n, seeds = arguments.evaluations, range(arguments.seeds)
    print(f"{len(table)} cells, hypervolume of all {maximum:.6f}; {n} evaluations, {arguments.seeds} seeds")

    def many(propose: Callable[[int], list[str]]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        runs = [propose(seed) for seed in seeds]
        every = padded([curve(cells, table=table, specs=specs) for cells in runs], n=n)
        once = padded([curve(distinct(cells), table=table, specs=specs) for cells in runs], n=n)
        return every, once, float(np.median([len(distinct(cells[:n])) for cells in runs]))

    def of_ours(name: str, *, size: int) -> Callable[[int], list[str]]:
        return lambda seed: ours(strategy(name), table=table, specs=specs, n=n, size=size, seed=seed)

    def of_optuna(*, size: int) -> Callable[[int], list[str]]:
        sample = strategy("random")
        return lambda seed: optunas(
            table=table,
            first=ours(sample, table=table, specs=specs, n=size, size=size, seed=seed),
            n=n,
            size=size,
            seed=seed,
        )

    searches: dict[str, Callable[[int], list[str]]] = {}
    for size in POPULATIONS:
        searches[f"evonas nsga2, N={size}"] = of_ours("nsga2", size=size)
    searches["evonas random"] = of_ours("random", size=OUR_POPULATION)
    for size in POPULATIONS:
        searches[f"Optuna NSGA-II, N={size}"] = of_optuna(size=size)
    proposals: Curves = {}
    distincts: Curves = {}
    for name, propose in searches.items():
        proposals[name], distincts[name], n_distinct = many(propose)
        print(f"{name:24} distinct cells among the first {n}: {n_distinct:.0f} (median)", flush=True)
    reference = f"evonas nsga2, N={OUR_POPULATION}"
    panels = {"evaluations": proposals, "distinct evaluations": distincts}
    for title, curves in panels.items():
        report(curves, title=title, reference=reference, maximum=maximum)
    optunas_names = [name for name in searches if name.startswith("Optuna")]
    best = {
        title: max(optunas_names, key=lambda name, curves=curves: float(np.median(curves[name].mean(axis=1))))
        for title, curves in panels.items()
    }
    print(f"\nOptuna's best population over the curve: {best}")
    plot(
        {t: {k: c[k] for k in (reference, best[t], "evonas random")} for t, c in panels.items()},
        maximum=maximum,
    )
    print(f"{time.perf_counter() - started:.0f} s")
    behind = [
        f"{name} per {title}"
        for title, curves in panels.items()
        for name in [*optunas_names, "evonas random"]
        for measure in (lambda values: values.mean(axis=1), lambda values: values[:, -1])
        if np.median(measure(curves[reference])) <= np.median(measure(curves[name]))
    ]
    if behind:
        print("no better in the median, over the curve or at its end: " + "; ".join(behind))
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
