"""Gradient norms through 20, 56 and 110 units under each connection rule, at first weights, on CIFAR-10.

For each unit the norm of dL/d(current) at its last convolution (`evonas.proxies.gradient_flow`), in one stage of
constant width and resolution, so that nothing but the connection acts. "decades" is log10 of the first unit's norm over
the last unit's: below 0 the gradient vanishes on its way to the front, above 0 it grows. Firing is given as the mean
rate over all layers and the number of layers that are silent.

    python benchmarks/quality_gradient_depth.py [--root DATA] [--width 16] [--samples 2] [--time-steps 4] [--seed 0]
        [--model lif] [--threshold 0.5] [--tau 2] [--reset hard] [--figure PATH]

needs the extra `bench` (matplotlib) and CIFAR-10 under DATA.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from evonas.data import load, scoring_batch
from evonas.errors import EvonasError
from evonas.proxies.gradient_flow import gradient_norms
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes.architecture import InputSpec
from genomes.micro import NEURON_MODELS, Neuron
from genomes.spaces.danet import DanetSpace, UnitGenome, UnitStage
from genomes.units import CONNECTIONS, UNITS

FIGURE = Path(__file__).parent / "figures" / "gradient_depth.png"
DEPTHS = (20, 56, 110)
KINDS = ("residual", "vgg")
LOWEST = 1e-12  # of the figure; plain stacks go far below


@dataclass(frozen=True)
class Profile:
    """`norms` has one entry per unit, from the input to the readout."""

    norms: list[float]
    rate: float
    n_silent: int


def profile(
    inputs: Tensor,
    *,
    kind: str,
    connection: str,
    n_units: int,
    neuron: Neuron,
    width: int,
    time_steps: int,
    seed: int,
) -> Profile:
    """The gradient and the firing of one stack on `inputs` (1, B, C, H, W)."""
    _, _, *shape = inputs.shape
    spec = InputSpec((shape[0], shape[1], shape[2]), 10)
    space = DanetSpace(spec, widths=(width,), units=(n_units,), min_stages=1, max_stages=1)
    genome = UnitGenome("small", (UnitStage(width, n_units),), kind, connection, neuron)
    architecture = space.decode(genome)
    network = SpikingNetwork(architecture, seed=seed)
    rates: dict[int, float] = {}

    def observe(node: int, spikes: Tensor) -> None:
        rates[node] = float(spikes.mean())

    with torch.no_grad():
        network(inputs, time_steps=time_steps, calibrate=True, observe=observe)
    firing = [rates[node] for node in architecture.spiking]
    norms = list(
        gradient_norms(network, inputs, time_steps=time_steps, rng=generator(seed, "directions")).values()
    )
    step = len(UNITS.get(kind).layers)
    return Profile(norms[step - 1 :: step], sum(firing) / len(firing), sum(rate == 0.0 for rate in firing))


def draw(profiles: dict[tuple[str, str, int], Profile], path: Path) -> None:
    """One panel per kind and depth, one line per connection."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    axes = figure.subplots(len(KINDS), len(DEPTHS), sharey=True, squeeze=False)
    for row, kind in zip(axes, KINDS, strict=True):
        for axis, n_units in zip(row, DEPTHS, strict=True):
            for connection in CONNECTIONS.names():
                norms = profiles[kind, connection, n_units].norms
                axis.semilogy([max(norm, LOWEST / 10) for norm in norms], label=connection)
            axis.set(title=f"{n_units} {kind} units", xlabel="unit", ylim=(LOWEST, 1e2))
    for row in axes:
        row[0].set_ylabel("norm of dL/d(current)")
    axes[0][0].legend(frameon=False, fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> int:
    """Run everything, print the table, draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=None)
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--model", default="lif")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--tau", type=float, default=2.0, help="of models that leak")
    parser.add_argument("--reset", default="hard")
    for name, default in (("width", 16), ("samples", 2), ("time-steps", 4), ("seed", 0), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    tau = options.tau if NEURON_MODELS.get(options.model).leaky else None
    neuron = Neuron(options.model, v_threshold=options.threshold, tau=tau, reset=options.reset)
    torch.set_num_threads(options.threads)
    try:
        batch, _ = scoring_batch(load("cifar10", root=options.root), size=options.samples)
    except EvonasError as error:
        parser.error(f"--root: {error}")
    inputs = torch.from_numpy(batch).unsqueeze(0)
    print(
        f"CIFAR-10, n = {options.samples} images, T {options.time_steps}, width {options.width}, {neuron};"
        f" {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    )
    print(f"{'kind':9}{'connection':>12}{'units':>6}{'first':>10}{'middle':>10}{'last':>10}", end="")
    print(f"{'decades':>9}{'rate':>7}{'silent':>8}{'s':>7}")
    profiles: dict[tuple[str, str, int], Profile] = {}
    for kind in KINDS:
        for connection in CONNECTIONS.names():
            for n_units in DEPTHS:
                start = time.perf_counter()
                found = profile(
                    inputs,
                    kind=kind,
                    connection=connection,
                    n_units=n_units,
                    neuron=neuron,
                    width=options.width,
                    time_steps=options.time_steps,
                    seed=options.seed,
                )
                profiles[kind, connection, n_units] = found
                first, middle, last = found.norms[0], found.norms[n_units // 2], found.norms[-1]
                decades = math.log10(first / last) if first else -math.inf
                print(
                    f"{kind:9}{connection:>12}{n_units:>6}{first:>10.2g}{middle:>10.2g}{last:>10.2g}", end=""
                )
                print(f"{decades:>9.2f}{found.rate:>7.3f}{found.n_silent:>8}", end="")
                print(f"{time.perf_counter() - start:>7.1f}", flush=True)
    draw(profiles, options.figure)
    return 0


if __name__ == "__main__":
    sys.exit(main())
