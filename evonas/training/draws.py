"""What torch draws by itself during training: the masks of dropout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evonas.rng import generator


@contextmanager
def seeded_draws(*, seed: int, epoch: int) -> Iterator[None]:
    """Let torch draw from a stream of `seed` and `epoch` alone; its global generators are put back at the end."""
    with torch.random.fork_rng():
        torch.manual_seed(int(generator(seed, "training", epoch, "dropout").integers(2**63)))
        yield
