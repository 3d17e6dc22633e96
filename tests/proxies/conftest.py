"""Small networks whose proxies can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from evonas.proxies import PROXIES, Candidate
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution


@pytest.fixture
def chain() -> Callable[..., Architecture]:
    """Builds spiking layers of the given thresholds one after another, a convolution in front of each.

    With `loop` the last feeds back to the first with a delay of one step.
    """

    def build(
        thresholds: Sequence[float],
        *,
        shape: tuple[int, int, int] = (2, 6, 6),
        channels: int = 3,
        kernel: int = 3,
        sign: int = 0,
        loop: bool = False,
    ) -> Architecture:
        conv = Convolution(Kernel(kernel), channels=channels, sign=sign)
        neurons = [Neuron("if", threshold, None, "hard") for threshold in thresholds]
        nodes = [Draft("input"), *(Draft("add", neuron) for neuron in neurons)]
        synapses = [Synapse(i, i + 1, conv) for i in range(len(thresholds))]
        if loop:
            synapses.append(Synapse(len(thresholds), 1, conv, delay=1))
        return canonical(
            input_spec=InputSpec(shape, 4), nodes=nodes, synapses=synapses, outputs=[len(thresholds)]
        )

    return build


@pytest.fixture
def make_candidate() -> Callable[..., Candidate]:
    """Builds a candidate that shows random images to an architecture and has the statistics of all proxies."""

    def build(
        architecture: Architecture, *, batch: int = 8, seed: int = 0, labelled: bool = True
    ) -> Candidate:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((1, batch, *architecture.input.shape), dtype=np.float32)
        labels = torch.from_numpy(rng.integers(0, architecture.input.n_classes, batch))
        return Candidate(
            architecture,
            inputs=torch.from_numpy(x),
            labels=labels if labelled else None,
            time_steps=4,
            seed=seed,
            statistics=[s for name in PROXIES.names() for s in PROXIES.get(name).statistics],
        )

    return build
