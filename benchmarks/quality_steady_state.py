"""What a fixed lag costs: hypervolume per evaluation of steady_state against nsga2, on the table of NAS-Bench-201.

The table and the objectives are those of `quality_nasbench201.py`: true test accuracy against the number of
convolutions, every evaluation a lookup. Seed by seed both strategies begin with the same random cells. A lag of 1 is
the sequential algorithm, a lag of the population has as many evaluations under way as a generation; the larger the lag,
the less a proposal knows, and the first `lag`, at least a population, are random. Differences are paired by seed.

    python benchmarks/quality_steady_state.py --table ../shared/data/nasbench201_cifar10_test_acc.csv [--population 20]

Exit code 0 only if, with the lag of the population, the mean loss is within 2 % at every count.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from quality_nasbench201 import OUR_POPULATION, curve, ours, quartiles, read_table, table_specs

from evonas.evolution.strategies import strategy
from evonas.rng import generator

LAGS = (1, 20, 50, 100, 200)
COUNTS = (100, 200, 500)
MOST_LOST = 2.0
N_RESAMPLES = 10_000


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean: the percentiles of a bootstrap over seeds."""
    rng = generator(0, "bootstrap")
    means = rng.choice(values, size=(N_RESAMPLES, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def row(name: str, cells: Sequence[str]) -> None:
    """Print one row of the table."""
    print(f"{name:22}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


def main() -> int:
    """Run and print everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=Path("../shared/data/nasbench201_cifar10_test_acc.csv"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--population", type=int, default=OUR_POPULATION)
    options = parser.parse_args()
    began = time.perf_counter()
    table = read_table(options.table)
    specs = table_specs(table)
    maximum = float(curve(list(table), table=table, specs=specs)[-1])

    def shares(name: str, *, lag: int | None) -> NDArray[np.float64]:
        """(seeds, counts): hypervolume in % of the table's."""
        curves = [
            curve(
                ours(
                    strategy(name),
                    table=table,
                    specs=specs,
                    n=max(COUNTS),
                    size=options.population,
                    seed=seed,
                    lag=lag,
                ),
                table=table,
                specs=specs,
            )
            for seed in range(options.seeds)
        ]
        return 100 * np.stack(curves)[:, np.array(COUNTS) - 1] / maximum

    print(
        f"hypervolume, % of the table's: median [quartiles], {options.seeds} seeds; below it what steady_state"
    )
    print("has more than nsga2, in % of it: mean [95 % interval], paired by seed\n")
    row(f"population {options.population}", [f"{count} evaluations" for count in COUNTS])
    reference = shares("nsga2", lag=None)
    row("nsga2", [quartiles(column) for column in reference.T])
    lost = 0.0
    for lag in sorted({*LAGS, options.population}):
        found = shares("steady_state", lag=lag)
        more = 100 * (found / reference - 1)
        row(f"steady_state, lag {lag}", [quartiles(column) for column in found.T])
        intervals = [(float(column.mean()), *interval(column)) for column in more.T]
        row("", [f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]" for mean, low, high in intervals])
        if lag == options.population:
            lost = -min(mean for mean, _, _ in intervals)
    print(f"\nmost lost with the lag of the population: {lost:.2f} %, goal at most {MOST_LOST:g} %")
    print(f"{time.perf_counter() - began:.0f} s")
    return 0 if lost <= MOST_LOST else 1


if __name__ == "__main__":
    sys.exit(main())
