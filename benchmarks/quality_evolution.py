"""Search quality on the real space: hypervolume of evolution against random search at equal evaluations, on digits.

Both strategies run through the installed command with the same evaluator, the same bounds of the hypervolume, the same
number of proposals and, seed by seed, the same first population.

    python benchmarks/quality_evolution.py [--seeds 5] [--population 24] [--generations 10] [--workers 2]

needs the extra `bench` (matplotlib). Exit code 0 only if evolution ends above random search with every seed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from evonas import load_run

FIGURE = Path(__file__).parent / "figures" / "evolution_digits.png"
STRATEGIES = ("nsga2", "random")


def hypervolumes(strategy: str, *, seed: int, options: argparse.Namespace, folder: Path) -> pd.Series[float]:
    """Hypervolume of the archive after each generation."""
    run_dir = folder / f"{strategy}-{seed}"
    command = [sys.executable, "-m", "evonas", "evolve", "--dataset", "digits", "--run-dir", str(run_dir)]
    command += [
        "--seed",
        str(seed),
        "--population",
        str(options.population),
        "--workers",
        str(options.workers),
    ]
    command += ["--generations", str(options.generations), "--set", f"evolution.strategy={strategy}"]
    subprocess.run([*command, "--set", "training.elites=0"], check=True, stdout=subprocess.DEVNULL)
    return load_run(run_dir).generations()["hypervolume"]


def draw(curves: dict[str, list[pd.Series[float]]], population: int) -> None:
    """One thin line per seed, the median thick."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    for strategy, colour in zip(STRATEGIES, ("tab:blue", "0.5"), strict=True):
        table = pd.DataFrame(curves[strategy]).T
        evaluations = (table.index + 1) * population
        axis.plot(evaluations, table, color=colour, linewidth=0.6)
        axis.plot(evaluations, table.median(axis=1), color=colour, linewidth=2.5, label=f"{strategy}, median")
    axis.set(xlabel="evaluations", ylabel="hypervolume", title="digits, space evonas")
    axis.legend(frameon=False)
    FIGURE.parent.mkdir(exist_ok=True)
    figure.savefig(FIGURE, dpi=110)


def main() -> int:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("seeds", 5), ("population", 24), ("generations", 10), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    curves: dict[str, list[pd.Series[float]]] = {strategy: [] for strategy in STRATEGIES}
    with tempfile.TemporaryDirectory() as folder:
        print("seed   " + "   ".join(f"{strategy:>8}" for strategy in STRATEGIES))
        for seed in range(options.seeds):
            for strategy in STRATEGIES:
                curves[strategy].append(
                    hypervolumes(strategy, seed=seed, options=options, folder=Path(folder))
                )
            print(
                f"{seed:>4}   " + "   ".join(f"{curves[s][-1].iloc[-1]:8.4f}" for s in STRATEGIES), flush=True
            )
    ends = {strategy: [float(curve.iloc[-1]) for curve in curves[strategy]] for strategy in STRATEGIES}
    for strategy in STRATEGIES:
        median, low, high = statistics.median(ends[strategy]), min(ends[strategy]), max(ends[strategy])
        print(f"{strategy}: median {median:.4f}, {low:.4f} to {high:.4f}, n = {options.seeds}")
    won = sum(a > b for a, b in zip(ends["nsga2"], ends["random"], strict=True))
    print(f"evolution above random search: {won} of {options.seeds} seeds,", end=" ")
    print(f"{options.population * (options.generations + 1)} evaluations each")
    draw(curves, options.population)
    return 0 if won == options.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
