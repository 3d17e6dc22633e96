"""The sampled architectures and the images that everything is measured on."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from evonas.data import load, scoring_batch
from evonas.rng import generator
from genomes.architecture import Architecture, InputSpec
from genomes.spaces.evonas import EvonasSpace

KINDS = ("feed-forward", "feedback")
TIME_STEPS = 4
BATCH = 64


N_SAMPLED = 20


def sampled(kind: str, *, width: int, n: int) -> list[Architecture]:
    """`n` of the first 20 sampled genomes of that kind, with neurons that every library has.

    Fewer than 20 are taken at evenly spaced ranks of multiply-accumulates, so that few stand for all. Feed-forward is
    without any delay, feedback with a cycle. The random sequence is the same at every width.
    """
    space = EvonasSpace(InputSpec((3, 32, 32), 10), base_width=width, models=("if", "lif"), separable=False)
    found: list[Architecture] = []
    i = 0
    while len(found) < N_SAMPLED:
        architecture = space.decode(space.sample(rng=generator(0, "bench", i)))
        cyclic = any(len(group) > 1 for group in architecture.schedule)
        if cyclic if kind == "feedback" else not architecture.has_feedback:
            found.append(architecture)
        i += 1
    found.sort(key=lambda architecture: architecture.macs_per_step)
    return [found[(2 * rank + 1) * N_SAMPLED // (2 * n)] for rank in range(n)]


def images(root: Path | None, *, batch: int = BATCH) -> tuple[Tensor, Tensor]:
    """Normalised CIFAR-10 images (1, batch, 3, 32, 32) and their labels (batch,).

    Raises:
        EvonasError: they are not there.
    """
    found, labels = scoring_batch(load("cifar10", root=root, n_train=max(500, batch)), size=batch)
    return torch.from_numpy(found).unsqueeze(0), torch.from_numpy(labels)
