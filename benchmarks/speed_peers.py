"""Our networks beside the same ones in SpikingJelly, snnTorch and Norse, and as released codes run them: step by step.

Needs the environment of `peers-requirements.txt`. Times are processor time, which other work on the machine changes
less than the clock (on CUDA the clock); ratios are theirs / ours, each run of theirs between two of ours. Parts:

evaluation  the rate RDM of 64 CIFAR-10 images, T = 4, from built networks with equal weights. Layer by layer they
            calibrate batch norms on the batch as we do; step by step they cannot and are given the statistics, so that
            their time is a lower bound. The statistics of spikes are computed by our functions in all. "score" is the
            largest distance of a score from ours in single precision; where that is above 1e-5 the two networks are
            compared in double precision, and if it is above 1e-5 there, the program ends.
memory      the peak of one evaluation, each in a fresh process
training    one step of training: forward, loss, backward, optimizer

    python benchmarks/speed_peers.py [--root DATA] [--parts evaluation,memory,training] [--widths 16] [--n 2]
        [--rounds 1] [--memory-n 2] [--training-n 1] [--device cpu|cuda] [--threads 1]

Architectures are sampled from the default space with neurons that all libraries have and without separable kernels.
What was the slower memory format at the first width is not tried again at the others.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from peers import evaluation, memory, training
from peers.genomes import BATCH, KINDS, TIME_STEPS, images, sampled

from evonas.errors import EvonasError

PARTS = ("evaluation", "memory", "training")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def evaluations(inputs: torch.Tensor, *, widths: list[int], ns: list[int], rounds: int) -> None:
    """Print a table for each width and kind."""
    forms = {kind: list(evaluation.FORMS) for kind in KINDS}
    for width, n in zip(widths, ns, strict=True):
        for kind in KINDS:
            rows = [
                evaluation.compare(architecture, forms[kind], inputs=inputs, rounds=rounds)
                for architecture in sampled(kind, width=width, n=n)
            ]
            ours = statistics.median(row.seconds for row in rows)
            print(
                f"\nevaluation, {kind}, width {width}, n = {n}: ours {ours:.3f} s (median); {_load()}; theirs / ours"
            )
            print("\n".join(evaluation.table(rows, forms[kind])), flush=True)
            forms[kind] = evaluation.best_layouts(rows, forms[kind])


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=None)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--widths", type=_numbers, default=[16])
    parser.add_argument(
        "--n", type=_numbers, default=[2], help="architectures of each kind at each width, at most 20"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--measure", nargs=6, help=argparse.SUPPRESS
    )  # memory of one evaluation in this process
    parser.add_argument("--memory-n", type=int, default=2)
    parser.add_argument("--training-n", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of the training part")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if options.measure:
        name, kind, width, n, index, path = options.measure
        peak, _ = memory.measure(
            name, kind=kind, width=int(width), n=int(n), index=int(index), images=Path(path)
        )
        print(peak)
        return 0
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: expected some of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    if len(options.n) == 1:
        options.n *= len(options.widths)
    if len(options.n) != len(options.widths):
        parser.error(f"--n: expected one number, or one for each of {options.widths}, got {options.n}")
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore", module="norse")
    try:
        inputs, labels = images(options.root)
    except EvonasError as error:
        parser.error(f"--root: {error}")
    print(
        f"CIFAR-10, batch {BATCH}, T {TIME_STEPS}; {platform.machine()}, {os.cpu_count()} cores,"
        f" {options.threads} thread(s), torch {torch.__version__}; {_load()}"
    )
    started = time.perf_counter()
    try:
        if "evaluation" in parts:
            evaluations(inputs, widths=options.widths, ns=options.n, rounds=options.rounds)
        if "memory" in parts:
            memory.run(inputs, width=options.widths[0], n=options.memory_n)
        if "training" in parts:
            training.run(
                inputs,
                labels,
                width=options.widths[0],
                n=options.training_n,
                device=torch.device(options.device),
                rounds=options.rounds,
            )
    except (evaluation.ScoresDifferError, training.GradientsDifferError) as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        parser.error(
            f"{error.name} is not installed; run in the environment of benchmarks/peers-requirements.txt"
        )
    print(f"\n{time.perf_counter() - started:.0f} s in all; {_load()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
