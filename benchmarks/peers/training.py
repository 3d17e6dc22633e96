"""One training step, ours beside the same network in other libraries: forward, loss, backward, optimizer."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from evonas.snn.network import SpikingNetwork
from evonas.training.settings import Settings, build_optimizer
from genomes.architecture import Architecture
from peers.genomes import KINDS, TIME_STEPS, sampled
from peers.libraries import LIBRARIES
from peers.network import PeerNetwork

SETTINGS = Settings(
    time_steps=TIME_STEPS,
    epochs=1,
    batch=64,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.0,
    label_smoothing=0.0,
    amp=False,
    seed=0,
)
TOLERANCE = 1e-3
"""Relative distance of the gradients in double precision."""

CHECKED = 4  # images that gradients are compared on

SAME = ("spikingjelly",)
"""Libraries whose gradients must be ours. snnTorch's differ at leaky neurons with soft reset, Norse's everywhere."""


class GradientsDifferError(Exception):
    """A peer that does not learn what we do: its time would say nothing."""


@dataclass(frozen=True)
class Form:
    """A library with a memory format; layer by layer, feedback cycles stepped."""

    library: str
    channels_last: bool

    def __str__(self) -> str:
        return f"{self.library}, {'channels-last' if self.channels_last else 'NCHW'}"

    def network(self, ours: SpikingNetwork, *, dtype: torch.dtype = torch.float32) -> PeerNetwork:
        """`ours` in this form, ready to be trained."""
        library = LIBRARIES[self.library]()
        return PeerNetwork(
            ours, library, stepped=False, channels_last=self.channels_last, trained=True, dtype=dtype
        )


def step(network: nn.Module, inputs: Tensor, labels: Tensor) -> Callable[[], None]:
    """A training step on `inputs`, as `evonas.training` makes it."""
    optimizer = build_optimizer(network, settings=SETTINGS)

    def run() -> None:
        loss = cross_entropy(network(inputs, time_steps=TIME_STEPS), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()

    return run


def gradient(network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    """The gradients of all convolutions and of the readout, in one vector (the order is that of the synapses)."""
    cross_entropy(network(inputs, time_steps=TIME_STEPS), labels).backward()
    found = [p.grad for name, p in network.named_parameters() if p.ndim > 1 or name.startswith("readout")]
    return torch.cat([grad.flatten() for grad in found if grad is not None])


def distances(
    architecture: Architecture, forms: list[Form], inputs: Tensor, labels: Tensor
) -> dict[Form, float]:
    """The relative distance of each form's gradients from ours: few images, double precision, calibrated statistics."""
    few, targets = inputs[:, :CHECKED].double(), labels[:CHECKED]
    ours = SpikingNetwork(architecture, seed=0).eval()
    with torch.no_grad():
        ours(inputs[:, :CHECKED], time_steps=TIME_STEPS, calibrate=True)
    networks = {form: form.network(ours, dtype=torch.float64).eval() for form in forms}
    expected = gradient(ours.double(), few, targets)
    return {
        form: float((gradient(theirs, few, targets) - expected).norm() / expected.norm())
        for form, theirs in networks.items()
    }


@dataclass(frozen=True)
class Row:
    """What one architecture took: our seconds, for each form the ratio to ours and the distance of the gradients."""

    seconds: float
    ratios: dict[Form, float]
    distances: dict[Form, float]


def timed(run: Callable[[], None], device: torch.device) -> float:
    """The seconds of `run`: processor time, or on CUDA those of the clock."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def compare(
    architecture: Architecture,
    forms: list[Form],
    inputs: Tensor,
    labels: Tensor,
    *,
    device: torch.device,
    rounds: int,
) -> Row:
    """Each form beside ours, every run of theirs between two of ours.

    Raises:
        GradientsDifferError: a library that has our neurons computes other gradients.
    """
    network = SpikingNetwork(architecture, seed=0).train()
    differences = distances(architecture, forms, inputs, labels)
    for form, away in differences.items():
        if form.library in SAME and not away <= TOLERANCE:
            raise GradientsDifferError(f"{form}: gradients of {architecture.id} are {away:.1e} from ours")
    there = inputs.to(device), labels.to(device)
    steps = {form: step(form.network(network).to(device), *there) for form in forms}
    ours = step(network.to(device), *there)
    for run in (ours, *steps.values()):
        timed(run, device)
    before, seconds = timed(ours, device), []
    ratios: dict[Form, list[float]] = {form: [] for form in forms}
    for _ in range(rounds):
        for form, run in steps.items():
            theirs = timed(run, device)
            after = timed(ours, device)
            ratios[form].append(2.0 * theirs / (before + after))
            seconds.append(after)
            before = after
    return Row(
        statistics.median(seconds),
        {form: statistics.median(found) for form, found in ratios.items()},
        differences,
    )


def run(inputs: Tensor, labels: Tensor, *, width: int, n: int, device: torch.device, rounds: int) -> None:
    """Print a table for each kind of architecture."""
    libraries = ["spikingjelly", "snntorch"]
    if importlib.util.find_spec("norse"):
        libraries.append("norse")
    else:
        print("Norse is not installed and left out")
    forms = [Form(library, channels_last) for library in libraries for channels_last in (False, True)]
    for kind in KINDS:
        rows = [
            compare(architecture, forms, inputs, labels, device=device, rounds=rounds)
            for architecture in sampled(kind, width=width, n=n)
        ]
        ours = statistics.median(row.seconds for row in rows)
        print(
            f"\ntraining step, {kind}, width {width}, {device}, n = {n}: ours {ours:.3f} s (median); theirs / ours"
        )
        print(f"  {'':44s}{'median':>8s}{'range':>14s}{'gradient':>10s}")
        for form in forms:
            found = [row.ratios[form] for row in rows]
            away = max(row.distances[form] for row in rows)
            _line(str(form), found, f"{away:10.0e}")
        _line(
            "SpikingJelly at its fastest",
            [min(row.ratios[f] for f in forms if f.library in SAME) for row in rows],
        )
        _line("fastest of all", [min(row.ratios.values()) for row in rows])


def _line(label: str, ratios: list[float], away: str = "") -> None:
    print(
        f"  {label:44s}{statistics.median(ratios):8.2f}{f'{min(ratios):.2f} .. {max(ratios):.2f}':>14s}{away}",
        flush=True,
    )
