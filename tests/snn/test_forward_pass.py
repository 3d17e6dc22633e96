"""Memory is reused where nobody needs what was in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes.architecture import Architecture, InputSpec
from genomes.serial import build_space

SPEC = InputSpec((3, 16, 16), 10)
T = 3

CELLS = {"channels": [4, 8]}
SMALL: dict[str, dict[str, object]] = {
    "evonas": {"base_width": 4, "attention": ["asa"]},
    "snasnet_forward": CELLS,
    "snasnet_backward": CELLS,
    "danet": {},
    "spikernel": {},
}


def frames(*, batch: int = 3) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.standard_normal((1, batch, *SPEC.shape), dtype=np.float32))


def sampled(space: str, *, n: int = 3) -> list[Architecture]:
    built = build_space(space, input_spec=SPEC, options=SMALL[space])
    return [built.decode(built.sample(rng=generator(0, "memory", i))) for i in range(n)]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("mode", ["calibrate", "train", "eval"])
@pytest.mark.parametrize("space", SMALL)
def test_memory_is_reused_without_gradients_and_nothing_else_differs(
    space: str, mode: str, batch: int
) -> None:
    images = frames(batch=batch)
    before = images.clone()
    for architecture in sampled(space):
        logits, spikes = [], []
        for gradients in (False, True):
            network = SpikingNetwork(architecture, seed=0).train(mode == "train")
            seen: dict[int, Tensor] = {}
            torch.manual_seed(0)  # the masks of dropout
            with torch.set_grad_enabled(gradients):
                out = network(
                    images,
                    time_steps=T,
                    calibrate=mode == "calibrate",
                    observe=lambda node, sequence, seen=seen: seen.__setitem__(
                        node, sequence.detach().clone()
                    ),
                )
            logits.append(out.detach())
            spikes.append(seen)
        assert torch.equal(images, before)
        assert torch.equal(*logits)
        assert all(torch.equal(spikes[0][i], spikes[1][i]) for i in spikes[1])


@pytest.mark.parametrize("space", SMALL)
def test_half_precision_runs_with_and_without_gradients(space: str) -> None:
    network = SpikingNetwork(sampled(space, n=1)[0], seed=0)
    for gradients in (True, False):
        for mode in (True, False):
            with torch.set_grad_enabled(gradients), torch.autocast("cpu", dtype=torch.bfloat16):
                assert network.train(mode)(frames(), time_steps=T).isfinite().all()
