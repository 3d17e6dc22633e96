"""What a training is asked to be: its settings, checked where they enter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from evonas.errors import ConfigError
from genomes.registry import Registry

MOMENTUM = 0.9  # of SGD
WARMUP_FRACTION = 0.05  # of all steps

ParameterGroups = list[dict[str, object]]
OPTIMIZERS: Registry[Callable[[ParameterGroups, float], torch.optim.Optimizer]] = Registry("optimizer")
OPTIMIZERS.register(
    "adamw", lambda groups, learning_rate: torch.optim.AdamW(groups, lr=learning_rate, fused=True)
)
OPTIMIZERS.register(
    "sgd",
    lambda groups, learning_rate: torch.optim.SGD(groups, lr=learning_rate, momentum=MOMENTUM, fused=True),
)


@dataclass(frozen=True)
class Settings:
    """What decides the weights that come out, beside network and data; a resumed training must ask for the
    same.

    Raises:
        ConfigError: a value out of its range.
        UnknownNameError: no such optimizer.
    """

    time_steps: int
    epochs: int
    batch: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    amp: bool
    seed: int

    def __post_init__(self) -> None:
        _at_least("time_steps", self.time_steps, 1)
        _at_least("epochs", self.epochs, 1)
        _at_least("batch", self.batch, 2)
        OPTIMIZERS.get(self.optimizer)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ConfigError(
                f"training.learning_rate: a number above 0 expected, {self.learning_rate} given"
            )
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ConfigError(
                f"training.weight_decay: a number of 0 or above expected, {self.weight_decay} given"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"training.label_smoothing: 0 to below 1 expected, {self.label_smoothing} given"
            )


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"training.{name}: a whole number of {least} or above expected, {value} given")


def build_optimizer(network: nn.Module, *, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer over all parameters; weight decay on weights of convolutions and linear layers alone.

    Decay would pull the gains of batch norm, and the learnt time constants of neurons, to values that mean
    nothing.
    """

    def trainable(*, decayed: bool) -> Iterable[nn.Parameter]:
        return [p for p in network.parameters() if p.requires_grad and (p.ndim > 1) == decayed]

    groups: ParameterGroups = [
        {"params": trainable(decayed=True), "weight_decay": settings.weight_decay},
        {"params": trainable(decayed=False), "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return OPTIMIZERS.get(settings.optimizer)(groups, settings.learning_rate)


def learning_rate_at(step: int, *, n_steps: int, peak: float) -> float:
    """The learning rate of optimiser step `step` of `n_steps`: a linear warm-up, then half a cosine to 0.

    Loshchilov and Hutter, ICLR 2017 (arXiv 1608.03983), eq. 5, without restarts.

    >>> [round(learning_rate_at(step, n_steps=40, peak=1.0), 3) for step in (0, 1, 2, 21, 39)]
    [0.5, 1.0, 1.0, 0.5, 0.002]
    """
    warmup = max(1, round(WARMUP_FRACTION * n_steps))
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / (n_steps - warmup)))
