"""The peak memory of one evaluation, ours and SpikingJelly's layer by layer, each in a process of its own.

A process imports, builds the network, evaluates two images to wake the libraries up, hands free memory back to the
system and resets its peak (`/proc/self/clear_refs`); then it evaluates. What is counted is the peak of its resident
memory (VmHWM) in that evaluation less the resident memory before it. The images and the weights are in neither.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from peers.evaluation import Form, PeerCandidate, our_candidate, score
from peers.genomes import KINDS, sampled

FORMS = {
    "ours": None,
    "SpikingJelly, NCHW": Form("spikingjelly", False, False),
    "SpikingJelly, channels-last": Form("spikingjelly", False, True),
}


def _status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: no {field}; this part needs Linux")


def measure(name: str, *, kind: str, width: int, n: int, index: int, images: Path) -> tuple[int, float]:
    """Bytes that one evaluation adds at its peak to this process, and the score."""
    torch.set_num_threads(1)
    inputs = torch.load(images, weights_only=True)
    architecture = sampled(kind, width=width, n=n)[index]
    form = FORMS[name]
    candidate = our_candidate(architecture, inputs=inputs)
    pair = our_candidate(architecture, inputs=inputs[:, :2])
    if form is not None:
        network = form.network(candidate.network)
        candidate = PeerCandidate(network, inputs=inputs)
        pair = PeerCandidate(network, inputs=inputs[:, :2])
    score(pair)
    del pair
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    value, _ = score(candidate)
    return _status("VmHWM") - before, value


def run(inputs: Tensor, *, width: int, n: int) -> None:
    """Print a table for each kind of architecture."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.pt"
        torch.save(inputs, path)
        for kind in KINDS:
            peaks = {
                name: [_in_process(name, kind=kind, width=width, n=n, index=i, images=path) for i in range(n)]
                for name in FORMS
            }
            print(f"\nmemory, {kind}, width {width}, n = {n}: peak of one evaluation, MiB, and ours / theirs")
            for name, found in peaks.items():
                ratios = [a / b for a, b in zip(peaks["ours"], found, strict=True)]
                middle = statistics.median(ratios)
                sizes = ", ".join(f"{peak / 2**20:.0f}" for peak in found)
                print(
                    f"  {name:30s} median {statistics.median(found) / 2**20:6.0f} ({sizes});"
                    f" ours / theirs {middle:.2f} ({min(ratios):.2f} .. {max(ratios):.2f})",
                    flush=True,
                )


def _in_process(name: str, *, kind: str, width: int, n: int, index: int, images: Path) -> int:
    program = Path(__file__).parent.parent / "speed_peers.py"
    call = [
        sys.executable,
        str(program),
        "--measure",
        name,
        kind,
        str(width),
        str(n),
        str(index),
        str(images),
    ]
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise RuntimeError(f"memory of '{name}': {done.stderr.strip().splitlines()[-1]}")
    return int(done.stdout.split()[-1])
