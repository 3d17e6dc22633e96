"""The accuracy of a network on one split."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from evonas.training.batches import Batches


class TimedNetwork(Protocol):
    """A network over time, as `evonas.snn.network.SpikingNetwork`: (1 or T, B, C, H, W) to logits (B, n_classes)."""

    def __call__(self, x: Tensor, *, time_steps: int) -> Tensor:
        """The logits of `x`."""
        ...


def accuracy(network: TimedNetwork, batches: Batches, *, time_steps: int) -> float:
    """The share of examples classified rightly; the network is used in the mode that it is in."""
    right = 0
    with torch.no_grad():
        for inputs, labels in batches.in_order():
            logits = network(inputs, time_steps=time_steps)
            right += int((logits.argmax(1) == labels).sum())
    return right / len(batches)
