"""Accuracy after a brief training: what a score without training has to beat. It needs labels.

A network of its own, with the first weights of the candidate's seed, is trained for one pass over the first four fifths
of the scoring batch, in minibatches of 32 in the order of the batch, in which classes take turns; the score is the
share of the last fifth that it then classifies rightly. A batch of 1,280 gives 1,024 examples to train on and 256 to
judge by. The recipe is that of `experiments/fitness/evonas_table.toml` (AdamW, linear warm-up and half a cosine to 0,
no label smoothing), in float32 and without augmentation. Batch norms use the statistics of all examples that were
trained on, taken anew after the last step: over so few steps, those that training tracks lag behind the weights.

Few epochs and few examples are two of the four reduced settings that Zhou et al., CVPR 2020, arXiv 2001.01233, compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from evonas.errors import ConfigError
from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS
from evonas.training.draws import seeded_draws
from evonas.training.settings import Settings, build_optimizer, learning_rate_at
from genomes.architecture import Architecture

SOURCE = "Zhou et al., EcoNAS, CVPR 2020, arXiv 2001.01233"

BATCH = 32
LEARNING_RATE = 0.005
WEIGHT_DECAY = 0.01


def _value(candidate: Candidate) -> Measured:
    inputs, labels = candidate.inputs, candidate.labels.to(candidate.inputs.device)
    n_train = 4 * len(labels) // 5
    if n_train < 1:
        raise ConfigError(
            f"batch: one_epoch trains on four fifths; expected 2 samples or more, got {len(labels)}"
        )
    network = trained(candidate, n_examples=n_train)
    with torch.no_grad():
        network(inputs[:, :n_train], time_steps=candidate.time_steps, calibrate=True)
        chosen = network(inputs[:, n_train:], time_steps=candidate.time_steps).argmax(1)
    return Measured(float((chosen == labels[n_train:]).double().mean()), candidate.health())


def trained(candidate: Candidate, *, n_examples: int) -> SpikingNetwork:
    """A new network of the candidate's architecture after one pass over its first `n_examples`, out of training."""
    settings = Settings(
        time_steps=candidate.time_steps,
        epochs=1,
        batch=BATCH,
        optimizer="adamw",
        learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        label_smoothing=0.0,
        amp=False,
        seed=candidate.seed,
    )
    network = SpikingNetwork(candidate.architecture, seed=settings.seed).to(candidate.inputs.device).train()
    optimizer = build_optimizer(network, settings=settings)
    inputs = candidate.inputs[:, :n_examples].split(BATCH, dim=1)
    labels = candidate.labels[:n_examples].to(candidate.inputs.device).split(BATCH)
    with torch.enable_grad(), seeded_draws(seed=settings.seed, epoch=0):
        for step, (x, y) in enumerate(zip(inputs, labels, strict=True)):
            rate = learning_rate_at(step, n_steps=len(labels), peak=settings.learning_rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(network(x, time_steps=settings.time_steps), y).backward()
            optimizer.step()
    return network.eval()


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return 0.0, 1.0


PROXIES.register("one_epoch", Proxy("one_epoch", SOURCE, _bounds, (COUNTS,), _value))
