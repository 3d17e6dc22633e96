"""What an evaluation costs beyond its convolutions.

    python benchmarks/speed_evaluation.py --root DATA [--parts bound,separable,profile] [--widths 16,32,64]
        [--n 6,3,1]

bound      One evaluation (network built, calibrated, run once, scored with the RDM of firing rates) beside the time of
           its convolutions alone, each called once, channels last, on as many frames as the evaluation gives it. "run"
           leaves out counting spikes and the RDM.
separable  The same where kernels may be depthwise separable.
profile    Where the time of evaluations goes, by torch operation.

Batch 64 of CIFAR-10, T = 4, 32 x 32, one thread. Times are those of the thread on a processor, measured in turn in one
process, the least of three rounds at width 16 and of one above; given are median, least and most over genomes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from evonas.data import load, scoring_batch
from evonas.evaluation.evaluator import use_one_thread
from evonas.proxies import PROXIES, Candidate
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.snn.synapses import BareConvolutionSynapse, ConvolutionSynapse
from genomes.architecture import Architecture, InputSpec
from genomes.serial import build_space

TIME_STEPS = 4
BATCH = 64
PROXY = "rdm_rates_correlation"
SPEC = InputSpec((3, 32, 32), 10)


def sampled(space_name: str, **options: object) -> Iterator[Architecture]:
    """Random architectures of a space, the same in every run."""
    space = build_space(space_name, input_spec=SPEC, options=options)
    i = 0
    while True:
        yield space.decode(space.sample(rng=generator(0, "speed", i)))
        i += 1


def on_cycle(architecture: Architecture) -> bool:
    """Whether any nodes have to be stepped together."""
    return any(len(group) > 1 for group in architecture.schedule)


def first(architectures: Iterable[Architecture], n: int, *, feedback: bool) -> list[Architecture]:
    """The first `n` with a feedback cycle, or without."""
    found = (a for a in architectures if on_cycle(a) == feedback)
    return [next(found) for _ in range(n)]


def evaluation(architecture: Architecture, inputs: Tensor) -> Callable[[], object]:
    """Build, calibrate, run and score."""
    proxy = PROXIES.get(PROXY)

    def run() -> float:
        candidate = Candidate(
            architecture, inputs=inputs, time_steps=TIME_STEPS, seed=0, statistics=proxy.statistics
        )
        return proxy.value(candidate).value

    return run


def run_alone(architecture: Architecture, inputs: Tensor) -> Callable[[], object]:
    """Build, calibrate and run, with nothing looking on."""

    def run() -> Tensor:
        network = SpikingNetwork(architecture, seed=0).eval()
        with torch.no_grad():
            logits: Tensor = network(inputs, time_steps=TIME_STEPS, calibrate=True)
        return logits

    return run


def convolutions(architecture: Architecture) -> Callable[[], object]:
    """Every convolution once, on spikes (a fifth are 1) or an image."""
    network = SpikingNetwork(architecture, seed=0)
    calls: list[tuple[nn.Module, Tensor]] = []
    rng = torch.Generator().manual_seed(0)
    for synapse, module in zip(architecture.synapses, network.synapses, strict=True):
        if isinstance(module, ConvolutionSynapse | BareConvolutionSynapse):
            n_frames = BATCH * (1 if architecture.static[synapse.source] else TIME_STEPS)
            x = torch.rand(n_frames, *architecture.nodes[synapse.source].shape, generator=rng) < 0.2
            calls.append((module, x.float().contiguous(memory_format=torch.channels_last)))

    def run() -> None:
        with torch.no_grad():
            for module, x in calls:
                assert isinstance(module, ConvolutionSynapse | BareConvolutionSynapse)
                depthwise = getattr(module, "depthwise", None)
                if depthwise is not None:
                    x = F.conv2d(
                        x, depthwise, stride=module.stride, padding=module.padding, groups=x.shape[1]
                    )
                    F.conv2d(x, module.weight)
                else:
                    F.conv2d(x, module.weight, stride=module.stride, padding=module.padding)

    return run


def least_times(works: list[Callable[[], object]], *, rounds: int) -> list[float]:
    """The least processor time of each work in seconds; they take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, found in zip(works, times, strict=True):
            start = time.thread_time()
            work()
            found.append(time.thread_time() - start)
    return [min(found) for found in times]


def spread(values: list[float]) -> str:
    """Median, least and most, and how many."""
    return f"{statistics.median(values):5.2f} [{min(values):.2f}, {max(values):.2f}], n {len(values)}"


def bound(inputs: Tensor, *, widths: list[int], ns: list[int], separable: bool) -> None:
    """Print the ratios to the convolutions alone."""
    for feedback in (False, True):
        for width, n in zip(widths, ns, strict=True):
            space = sampled("evonas", base_width=width, separable=separable)
            full, bare = [], []
            for architecture in first(space, n, feedback=feedback):
                works = [
                    evaluation(architecture, inputs),
                    run_alone(architecture, inputs),
                    convolutions(architecture),
                ]
                evaluated, ran, convolved = least_times(works, rounds=3 if width <= 16 else 1)
                full.append(evaluated / convolved)
                bare.append(ran / convolved)
            title = f"{'feedback' if feedback else 'feed-forward'}{', separable' if separable else ''}, width {width}"
            print(f"{title:38s} evaluation {spread(full)}   run {spread(bare)}", flush=True)


def where_the_time_goes(inputs: Tensor, *, width: int, n: int) -> None:
    """Print the share of each torch operation in the time of `n` evaluations, feed-forward and with feedback."""
    for feedback in (False, True):
        works = [
            evaluation(a, inputs)
            for a in first(sampled("evonas", base_width=width, separable=False), n, feedback=feedback)
        ]
        for work in works:
            work()
        with profile(activities=[ProfilerActivity.CPU]) as found:
            for work in works:
                work()
        rows = sorted(found.key_averages(), key=lambda row: -row.self_cpu_time_total)
        total = sum(row.self_cpu_time_total for row in rows)
        print(
            f"{'feedback' if feedback else 'feed-forward'}, width {width}, n {n}: {total / 1e6 / n:.2f} s each"
        )
        for row in rows[:12]:
            share = row.self_cpu_time_total / total
            print(
                f"  {row.key.removeprefix('aten::'):32s} {share:6.1%}  {row.count / n:7.1f} calls", flush=True
            )


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, default=None, help="folder with the CIFAR-10 batches")
    parser.add_argument("--parts", default="bound,separable,profile")
    parser.add_argument("--widths", default="16,32,64")
    parser.add_argument("--n", default="6,3,1", help="genomes at each width, or one number for all")
    options = parser.parse_args()
    use_one_thread()
    dataset = load(
        "cifar10", root=options.root, n_steps=TIME_STEPS, framing=None, n_train=500, report=lambda line: None
    )
    images, _ = scoring_batch(dataset, size=BATCH)
    inputs = torch.from_numpy(images)[None]
    widths = [int(width) for width in options.widths.split(",")]
    ns = [int(n) for n in options.n.split(",")]
    ns = ns * len(widths) if len(ns) == 1 else ns[: len(widths)]
    print(
        f"torch {torch.__version__}; batch {BATCH}, T {TIME_STEPS}, one thread; median [least, most] over genomes"
    )
    parts: dict[str, Callable[[], None]] = {
        "bound": lambda: bound(inputs, widths=widths, ns=ns, separable=False),
        "separable": lambda: bound(inputs, widths=widths[:1], ns=ns[:1], separable=True),
        "profile": lambda: where_the_time_goes(inputs, width=widths[0], n=min(ns[0], 8)),
    }
    for part in options.parts.split(","):
        if part not in parts:
            parser.error(f"--parts: expected some of {', '.join(parts)}, got '{part}'")
        print(f"\n{part}", flush=True)
        parts[part]()


if __name__ == "__main__":
    main()
