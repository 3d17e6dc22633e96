"""Advance spatial attention, against its equations and against the defects that the authors' code has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evonas.snn.attention import SHARE, TEMPERATURE, AttentionSynapse
from evonas.snn.network import SpikingNetwork
from evonas.snn.synapses import synapse
from genomes.architecture import Draft, InputSpec, Synapse, canonical
from genomes.attention import ATTENTIONS
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, SpatialAttention

assert ATTENTIONS.names(), "no attention is registered"
NAMES = ATTENTIONS.names()
LEARNT = [name for name in NAMES if ATTENTIONS.get(name).gated]


def built(name: str, *, seed: int = 0) -> AttentionSynapse:
    module = synapse(SpatialAttention(name), in_shape=(4, 6, 5), rng=np.random.default_rng(seed))
    assert isinstance(module, AttentionSynapse)
    return module


def currents(n_steps: int = 6, *, batch: int = 3, seed: int = 1) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((n_steps, batch, 4, 6, 5), dtype=np.float32))


def factor_of(module: AttentionSynapse, x: Tensor) -> Tensor:
    with torch.no_grad():
        return module(x, False) / x


def by_hand(module: AttentionSynapse, x: Tensor) -> Tensor:
    """The equations of the module for one sample (T, C, H, W), entry by entry."""
    n_steps, channels = x.shape[:2]
    taps = [0.0, *(float(w) for w in module.over_time), 0.0]
    described = (0.5 + module.alpha) * x.mean((2, 3)) + (0.5 + module.beta) * x.amax((2, 3))
    score = torch.zeros(n_steps, channels)
    for t in range(n_steps):
        for offset in (-1, 0, 1):
            if 0 <= t + offset < n_steps:
                score[t] += taps[2 + offset] * described[t + offset]
    p = torch.zeros(n_steps, channels)
    for t in range(n_steps):
        for c in range(channels):
            over_channels = (score[t, c] - score[t].quantile(1 - SHARE)) / TEMPERATURE
            over_steps = (score[t, c] - score[:, c].quantile(1 - SHARE)) / TEMPERATURE
            p[t, c] = torch.sigmoid(over_channels) * torch.sigmoid(over_steps)
    out = torch.zeros_like(x)
    for part, weight in (("important", p), ("rest", 1 - p)):
        maps = (weight[:, :, None, None] * x).flatten(0, 1)
        scale = torch.full(x.shape[2:], module.otherwise)
        if part in module.maps:
            image = torch.stack([maps.sum(0) / weight.sum(), maps.amax(0)])
            scale = torch.sigmoid(F.conv2d(image[None], module.maps[part], padding=1))[0, 0]
        out += weight[:, :, None, None] * x * scale
    return out


@pytest.mark.parametrize("name", LEARNT)
def test_it_computes_its_equations(name: str) -> None:
    module, x = built(name), currents()
    with torch.no_grad():
        module.over_time.copy_(torch.tensor([0.3, 0.9, -0.4]))
        module.alpha.fill_(0.2)
        expected = torch.stack([by_hand(module, x[:, i]) for i in range(x.shape[1])], dim=1)
        torch.testing.assert_close(module(x, True), expected)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_parameters_that_its_operation_counts(name: str) -> None:
    n = sum(p.numel() for p in built(name).parameters())
    assert n == SpatialAttention(name).n_parameters((4, 6, 5))
    assert n == {"asa": 41, "asa_important": 23, "asa_rest": 23, "half": 0}[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch_statistics", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_output_of_a_sample_does_not_depend_on_its_batch_mates(
    name: str, batch_statistics: bool, training: bool
) -> None:
    module, x = built(name).train(training), currents(batch=5)
    together = module(x, batch_statistics)
    for i in range(x.shape[1]):
        torch.testing.assert_close(module(x[:, i : i + 1], batch_statistics), together[:, i : i + 1])
    others = torch.cat([x[:, :1], 10 * currents(batch=4, seed=2)], dim=1)
    torch.testing.assert_close(module(others, batch_statistics)[:, :1], together[:, :1])


@pytest.mark.parametrize("name", LEARNT)
@pytest.mark.parametrize("batch", [1, 3])
def test_every_parameter_gets_a_gradient(name: str, batch: int) -> None:
    module = built(name)
    module(currents(batch=batch), True).square().sum().backward()
    for parameter, value in module.named_parameters():
        assert value.grad is not None, parameter
        assert (value.grad != 0).all(), parameter


@pytest.mark.parametrize("name", LEARNT)
def test_the_gradient_is_that_of_the_output(name: str) -> None:
    module = built(name).double()
    x = currents(3, batch=2)[..., :3, :2].double().requires_grad_()
    # The score is computed in single precision, so differences are taken over steps that it resolves.
    assert torch.autograd.gradcheck(lambda x: module(x, True), (x,), eps=1e-3, atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_without_any_current_stays_so_and_has_finite_gradients(name: str) -> None:
    module = built(name)
    x = torch.zeros(5, 2, 4, 6, 5, requires_grad=True)
    out = module(x, True)
    assert not out.any()
    out.sum().backward()
    assert x.grad is not None
    assert all(value.grad is not None and value.grad.isfinite().all() for value in [x, *module.parameters()])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 60])
def test_any_number_of_time_steps_will_do(name: str, n_steps: int) -> None:
    module, x = built(name), currents(n_steps)
    out = module(x, False)
    assert out.shape == x.shape
    assert torch.equal(out, module(x, False))
    factor = factor_of(module, x)
    assert factor.min() > 0
    assert factor.max() <= 1


def test_a_single_channel_will_do() -> None:
    x = currents()[:, :, :1]
    assert factor_of(built("asa"), x).min() > 0


def test_strong_channels_at_strong_steps_are_important() -> None:
    # Channels 0 and 1 are strong at all steps, all channels are stronger in the first half of the steps.
    x = torch.ones(6, 1, 4, 6, 5)
    x[:, :, :2] += 2
    x[:3] += 4
    important = built("asa")._important(x).reshape(6, 4)
    assert important[:3, :2].min() > 0.99
    assert important[3:].max() < 0.01
    assert important[:, 2:].max() < 0.01


@pytest.mark.parametrize(("name", "free"), [("asa_important", "rest"), ("asa_rest", "important")])
def test_a_variant_with_one_gate_passes_the_other_set_on(name: str, free: str) -> None:
    x = torch.ones(6, 1, 4, 6, 5)
    x[:, :, :2] += 2
    x[:3] += 4
    factor = factor_of(built(name), x)
    sets = {"important": factor[:3, :, :2], "rest": factor[3:]}
    gated = sets.pop("important" if free == "rest" else "rest")
    torch.testing.assert_close(sets[free], torch.ones_like(sets[free]), rtol=0, atol=0.02)
    assert gated.max() < 0.98


def test_the_two_sets_have_maps_of_their_own_that_differ_over_space() -> None:
    module, x = built("asa"), currents()
    with torch.no_grad():
        important = module._important(x)
        maps = [
            module._factor(part, weight, x)
            for part, weight in (("important", important), ("rest", 1 - important))
        ]
    assert not torch.allclose(*maps)
    assert all(found.shape == (3, 1, 6, 5) and found.std((2, 3)).min() > 1e-3 for found in maps)


def test_half_is_half_the_current() -> None:
    x = currents()
    assert torch.equal(built("half")(x, True), x / 2)


def test_the_first_weights_are_those_of_the_stream() -> None:
    a, b, c = (built("asa", seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["maps.important"], c["maps.important"])
    assert not torch.equal(a["maps.important"], a["maps.rest"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_it_keeps_the_precision_of_its_input(dtype: torch.dtype) -> None:
    module, x = built("asa"), currents()
    half = module.to(dtype)(x.to(dtype), True)
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), module.float()(x, True), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("n_frames", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_in_a_network_it_scales_the_summed_current_of_the_whole_sequence(name: str, n_frames: int) -> None:
    neuron = Neuron("if", 0.25, None, "hard")
    spec = InputSpec((2, 6, 5), 3)
    summed = [Synapse(0, 1, Convolution(Kernel(3), 4)), Synapse(0, 1, Convolution(Kernel(1), 4))]
    architecture = canonical(
        input_spec=spec,
        nodes=[Draft("input"), Draft("add"), Draft("add", neuron)],
        synapses=[*summed, Synapse(1, 2, SpatialAttention(name))],
        outputs=[2],
    )
    network = SpikingNetwork(architecture, seed=0).eval()
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((n_frames, 3, 2, 6, 5), dtype=np.float32))
    seen: dict[int, Tensor] = {}
    with torch.no_grad():
        network(x, time_steps=4, observe=seen.__setitem__)
        current = torch.stack(
            [network.synapses[0](frame, False) + network.synapses[1](frame, False) for frame in x]
        )
        attended = network.synapses[2](current.expand(4, *current.shape[1:]), False)
        expected = network.neuron(2)(attended)
    assert 0 < expected.mean() < 1
    assert torch.equal(seen[2], expected)
