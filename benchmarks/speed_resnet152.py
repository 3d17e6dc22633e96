"""Time and memory of training steps of the spiking ResNet-152 at 3 x 224 x 224: forward, loss, backward, SGD update.

    python benchmarks/speed_resnet152.py [--connection dense_add] [--time-steps 4] [--batch 1] [--steps 3] [--threads 1]

Memory is the largest resident set of the process (getrusage), Python and torch included; input and labels are random.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from dataclasses import replace

import torch
from torch.nn import functional as F

from evonas.snn.network import SpikingNetwork
from genomes import library


def peak_gib() -> float:
    """The largest resident set so far."""
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main() -> None:
    """Print one line per training step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connection", default="dense_add")
    for name, default in (("time-steps", 4), ("batch", 1), ("steps", 3), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} threads, torch {torch.__version__}"
    )
    start = time.perf_counter()
    genome, space = library.load("danet_resnet152")
    architecture = space.decode(replace(genome, connection=options.connection))
    print(f"decoded in {time.perf_counter() - start:.2f} s:", end=" ")
    print(
        f"{architecture.n_parameters} parameters, {architecture.macs_per_step / 1e9:.2f} GMAC per time step"
    )
    start = time.perf_counter()
    network = SpikingNetwork(architecture, seed=0).train()
    print(
        f"built in {time.perf_counter() - start:.1f} s, {peak_gib():.2f} GiB; T {options.time_steps}",
        end=", ",
    )
    print(f"batch {options.batch}, n = {options.steps} steps")
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    images = torch.randn(1, options.batch, *space.input.shape)
    labels = torch.randint(space.input.n_classes, (options.batch,))
    for step in range(options.steps):
        start, busy = time.perf_counter(), time.process_time()
        loss = F.cross_entropy(network(images, time_steps=options.time_steps), labels)
        forward = time.perf_counter() - start
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        whole, busy = time.perf_counter() - start, time.process_time() - busy
        print(f"step {step}: forward {forward:.1f} s, whole {whole:.1f} s (processor {busy:.1f} s),", end=" ")
        print(f"loss {loss.item():.3f}, peak {peak_gib():.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
