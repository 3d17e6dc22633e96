"""The examples that networks are measured on."""

from __future__ import annotations

import torch

from evonas.data import DataSpec, Split
from evonas.training.batches import Batches


def first_examples(split: Split, *, spec: DataSpec, n: int, batch: int) -> Batches:
    """The first `n` examples of a split, or all of fewer, in batches of `batch`, on the CPU."""
    beginning = Split(split.inputs[:n], split.labels[:n])
    return Batches(beginning, spec=spec, size=batch, device=torch.device("cpu"))
