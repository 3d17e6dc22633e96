"""Neurons that get the same fire once, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.snn.neurons import SpikingNeuron
from evonas.snn.statistics import COUNTS, CURRENT_GRAM, RATE_GRAM
from genomes.architecture import Architecture, InputSpec
from genomes.serial import build_space

SPEC = InputSpec((3, 16, 16), 10)
T = 3
OPTIONS = {"channels": [4, 8]}


def with_twins(space: str, *, n: int = 4) -> list[Architecture]:
    """Architectures in which spiking nodes have twins."""
    built = build_space(space, input_spec=SPEC, options=OPTIONS)
    drawn = (built.decode(built.sample(rng=generator(0, "test", i))) for i in range(200))
    found = [a for a in drawn if any(a.twins[i] != i for i in a.spiking)]
    assert len(found) >= n
    return found[:n]


def frames(n_steps: int = 1) -> Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.standard_normal((n_steps, 4, *SPEC.shape), dtype=np.float32))


SPACES = ["snasnet_forward", "snasnet_backward"]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("n_steps", [1, T])
def test_twins_send_what_they_would_send_alone(space: str, n_steps: int) -> None:
    for architecture in with_twins(space):
        seen: list[dict[int, Tensor]] = []
        logits = []
        for one in (architecture, architecture.apart()):
            spikes: dict[int, Tensor] = {}
            network = SpikingNetwork(one, seed=0).eval()
            with torch.no_grad():
                logits.append(
                    network(
                        frames(n_steps),
                        time_steps=T,
                        calibrate=True,
                        observe=lambda node, sequence, spikes=spikes: spikes.__setitem__(
                            node, sequence.clone()
                        ),
                    )
                )
            seen.append(spikes)
        assert torch.equal(*logits)
        assert seen[0].keys() == seen[1].keys()
        assert all(torch.equal(seen[0][i], seen[1][i]) for i in seen[0])


@pytest.mark.parametrize("space", SPACES)
def test_twins_get_the_gradients_of_both(space: str) -> None:
    for architecture in with_twins(space, n=2):
        gradients = []
        for one in (architecture, architecture.apart()):
            network = SpikingNetwork(one, seed=0).train()
            torch.manual_seed(0)  # the masks of dropout
            network(frames(), time_steps=T).square().sum().backward()
            gradients.append([p.grad for p in network.parameters()])
        for shared, separate in zip(*gradients, strict=True):
            assert shared is not None
            assert separate is not None
            torch.testing.assert_close(shared, separate, rtol=1e-3, atol=1e-4)


def test_a_twin_off_cycles_costs_no_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = SpikingNeuron.forward

    def counted(self: SpikingNeuron, current: Tensor, *, overwrite: bool) -> Tensor:
        calls.append(self)
        return forward(self, current, overwrite=overwrite)

    monkeypatch.setattr(SpikingNeuron, "forward", counted)
    for architecture in with_twins("snasnet_forward"):
        calls.clear()
        with torch.no_grad():
            SpikingNetwork(architecture, seed=0).eval()(frames(), time_steps=T, calibrate=True)
        assert len(calls) == len({architecture.twins[i] for i in architecture.spiking})


@pytest.mark.parametrize("space", SPACES)
def test_statistics_of_twins_are_those_of_each(space: str) -> None:
    statistics = (COUNTS, RATE_GRAM, CURRENT_GRAM)
    for architecture in with_twins(space, n=2):
        one, other = (
            Candidate(a, inputs=frames(), time_steps=T, seed=0, statistics=statistics)
            for a in (architecture, architecture.apart())
        )
        for node in architecture.spiking:
            assert torch.equal(one.measured(COUNTS)[node].per_pixel, other.measured(COUNTS)[node].per_pixel)
            for gram in (RATE_GRAM, CURRENT_GRAM):
                assert torch.equal(one.measured(gram)[node].products, other.measured(gram)[node].products)


def sampled(space: str, *, n: int = 3) -> list[Architecture]:
    built = build_space(space, input_spec=SPEC, options=SMALL[space])
    return [built.decode(built.sample(rng=generator(0, "memory", i))) for i in range(n)]


SMALL: dict[str, dict[str, object]] = {
    "evonas": {"base_width": 4, "attention": ["asa"]},
    "snasnet_forward": OPTIONS,
    "snasnet_backward": OPTIONS,
    "danet": {},
    "spikernel": {},
}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("mode", ["calibrate", "train", "eval"])
@pytest.mark.parametrize("space", SMALL)
def test_memory_is_reused_without_gradients_and_nothing_else_differs(
    space: str, mode: str, batch: int
) -> None:
    images = frames()[:, :batch].clone()
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


@pytest.mark.parametrize("name", sorted(PROXIES.names()))
def test_no_proxy_sees_whether_twins_are_shared(name: str) -> None:
    proxy = PROXIES.get(name)
    architecture = with_twins("snasnet_forward", n=1)[0]
    values = [
        proxy.value(
            Candidate(
                one,
                inputs=frames(),
                labels=torch.tensor([0, 1, 2, 0]),
                time_steps=T,
                seed=0,
                statistics=proxy.statistics,
            )
        ).value
        for one in (architecture, architecture.apart())
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-4)
