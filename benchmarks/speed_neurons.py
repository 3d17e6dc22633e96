"""Times the neurons over a whole sequence against a plain loop over the time steps, forward alone and with backward.

python benchmarks/speed_neurons.py [--device cpu|cuda] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from evonas.snn.neurons import SpikingNeuron
from evonas.snn.surrogates import SURROGATES, spike
from genomes.micro import Neuron


def plain_loop(current: Tensor, *, neuron: Neuron) -> Tensor:
    """LIF spikes as most tutorials write them: one step after the other under autograd."""
    v, spikes = torch.zeros_like(current[0]), []
    for x in current:
        u = v + (x - v) / (neuron.tau or 1.0)
        s = spike(u - neuron.v_threshold, SURROGATES.get("arctan"))
        v = u * (1 - s.detach()) if neuron.reset == "hard" else u - s.detach() * neuron.v_threshold
        spikes.append(s)
    return torch.stack(spikes)


def median_ms(work: Callable[[], None], *, repeats: int, device: str) -> float:
    """The median wall time of `work` in milliseconds after two warm-up calls."""
    times = []
    for i in range(repeats + 2):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if i >= 2:
            times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def measure(run: Callable[[Tensor], Tensor], current: Tensor, *, device: str) -> tuple[float, float]:
    """Milliseconds of the forward pass without gradients, and of forward plus backward."""
    leaf = current.detach().requires_grad_()
    grad = torch.randn_like(current)

    def forward() -> None:
        with torch.no_grad():
            run(current)

    def train() -> None:
        leaf.grad = None
        run(leaf).backward(grad)

    return median_ms(forward, repeats=15, device=device), median_ms(train, repeats=11, device=device)


def main() -> None:
    """Print one line per model, reset and memory format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {options.device}, {options.threads} thread(s); T 4, batch 64; ms")
    print(f"{'':44s}{'forward':>9s}{'training':>10s}")
    for channels, side in ((16, 32), (32, 16)):
        flat = torch.randn(4 * 64, channels, side, side, device=options.device)
        for name, x in (("contiguous", flat), ("channels_last", flat.to(memory_format=torch.channels_last))):
            current = x.unflatten(0, (4, 64))
            for reset in ("hard", "soft"):
                lif = Neuron("lif", v_threshold=1.0, tau=2.0, reset=reset)
                runs: dict[str, Callable[[Tensor], Tensor]] = {
                    "plain loop, lif": lambda c, n=lif: plain_loop(c, neuron=n)  # type: ignore[misc]
                }
                for model in ("lif", "plif", "alif", "if"):
                    tau = None if model == "if" else 2.0
                    neuron = Neuron(model, v_threshold=1.0, tau=tau, reset=reset)
                    runs[model] = SpikingNeuron(neuron).to(options.device)
                for label, run in runs.items():
                    forward, train = measure(run, current, device=options.device)
                    title = f"{channels}x{side}x{side} {name} {reset} {label}"
                    print(f"{title:44s}{forward:9.2f}{train:10.2f}")


if __name__ == "__main__":
    main()
