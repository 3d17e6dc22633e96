"""Neurons: traces against published values, gradients against plain autograd, whole sequences against single steps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.snn.integrate_and_fire import ADAPTATION_DECAY, ADAPTATION_STRENGTH
from evonas.snn.neurons import DYNAMICS, SpikingNeuron, State, stepwise
from evonas.snn.surrogates import SURROGATES, spike
from genomes.micro import NEURON_MODELS, RESETS, Neuron

ORACLES = Path(__file__).resolve().parents[3] / "shared" / "oracles" / "neurons"
ORACLE_MODELS = {"IFNode": "if", "LIFNode": "lif", "ParametricLIFNode": "plif"}


def _neuron(model: str, *, reset: str, v_threshold: float = 0.8, tau: float = 1.7) -> Neuron:
    return Neuron(
        model, v_threshold=v_threshold, tau=tau if NEURON_MODELS.get(model).leaky else None, reset=reset
    )


NEURONS = [_neuron(model, reset=reset) for model in DYNAMICS.names() for reset in RESETS]


def _layer(neuron: Neuron, *, surrogate: str = "arctan", dtype: torch.dtype = torch.float64) -> SpikingNeuron:
    return SpikingNeuron(neuron, surrogate=surrogate).to(dtype)


def _current(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) + 0.4


def _by_steps(layer: SpikingNeuron, current: Tensor) -> tuple[Tensor, Tensor]:
    """Spikes and potentials after the reset, one step at a time."""
    state: State | None = None
    spikes, potentials = [], []
    for x in current:
        s, state = layer.step(x, state)
        spikes.append(s)
        potentials.append(state[0])
    return torch.stack(spikes), torch.stack(potentials)


def _by_autograd(layer: SpikingNeuron, current: Tensor) -> Tensor:
    """The same equations in plain torch operations, with the reset and the adaptation detached."""
    neuron, surrogate = layer.neuron, layer.surrogate
    v, a, spikes = torch.zeros_like(current[0]), torch.zeros_like(current[0]), []
    for x in current:
        if neuron.tau is None:
            u = v + x
        elif neuron.model == "plif":
            u = v + (x - v) * torch.sigmoid(layer.get_parameter("w"))
        else:
            u = v + (x - v) / neuron.tau
        threshold = neuron.v_threshold + (ADAPTATION_STRENGTH * a if neuron.model == "alif" else 0.0)
        s = spike(u - threshold, surrogate)
        fixed = s.detach()
        v = u * (1 - fixed) if neuron.reset == "hard" else u - neuron.v_threshold * fixed
        a = ADAPTATION_DECAY * a + (1 - ADAPTATION_DECAY) * fixed
        spikes.append(s)
    return torch.stack(spikes)


def _oracle_cases() -> list[dict[str, object]]:
    """The published cases in this convention: input decayed where there is a leak, reset to 0 or soft."""
    if not ORACLES.is_dir():
        return []
    cases = []
    for case in json.loads((ORACLES / "index.json").read_text()):
        parameters = case["parameters"]
        decays = parameters.get("decay_input", case["neuron"] == "IFNode")
        if case["neuron"] in ORACLE_MODELS and decays and parameters["v_reset"] in (None, 0.0):
            cases.append(case)
    return cases


def test_the_reference_traces_of_every_shared_model_are_found(oracles: Path) -> None:
    assert oracles == ORACLES.parent
    assert {str(case["neuron"]) for case in _oracle_cases()} == set(ORACLE_MODELS)
    assert len(_oracle_cases()) >= 11


@pytest.mark.parametrize(
    "case",
    _oracle_cases()
    or [pytest.param({}, marks=pytest.mark.skip(reason=f"reference values needed: {ORACLES} is missing"))],
    ids=lambda case: str(case.get("case", "missing")),
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_spikes_and_potentials_agree_with_the_reference_traces(
    case: dict[str, object], dtype: torch.dtype
) -> None:
    parameters = case["parameters"]
    assert isinstance(parameters, dict)
    layer = _layer(
        Neuron(
            ORACLE_MODELS[str(case["neuron"])],
            v_threshold=parameters["v_threshold"],
            tau=parameters.get("tau", parameters.get("init_tau")),
            reset="soft" if parameters["v_reset"] is None else "hard",
        ),
        dtype=dtype,
    )
    with np.load(ORACLES / f"{case['case']}.npz") as arrays, torch.no_grad():
        current = torch.from_numpy(arrays["x"]).to(dtype)
        spikes, potentials = _by_steps(layer, current)
        np.testing.assert_array_equal(spikes.numpy(), arrays["spikes"])
        np.testing.assert_array_equal(layer(current).numpy(), arrays["spikes"])
        np.testing.assert_allclose(potentials.numpy(), arrays["v_after_reset"], rtol=0, atol=1e-6)


def test_every_neuron_model_of_the_genotype_has_dynamics() -> None:
    assert NEURON_MODELS.names()
    assert DYNAMICS.names() == NEURON_MODELS.names()


@pytest.mark.parametrize("model", DYNAMICS.names())
def test_a_layer_has_as_many_parameters_as_the_genotype_counts(model: str) -> None:
    layer = SpikingNeuron(_neuron(model, reset="hard"))
    assert sum(p.numel() for p in layer.parameters()) == NEURON_MODELS.get(model).n_parameters


def test_an_adaptive_neuron_follows_the_trace_computed_by_hand() -> None:
    # tau 2, threshold 1, soft reset, 25 % of a spike enters the adaptation, which raises the threshold 1.8-fold:
    # t  x    u                        a         threshold   spike  v
    # 0  3    1.5                      0         1           1      0.5
    # 1  2.2  0.5+(2.2-0.5)/2 = 1.35   0.25      1.45        0      1.35
    # 2  1.6  1.475                    0.1875    1.3375      1      0.475
    # 3  2.5  1.4875                   0.390625  1.703125    0      1.4875
    # 4  2    1.74375                  0.29296875 1.52734375 1      0.74375
    layer = _layer(Neuron("alif", v_threshold=1.0, tau=2.0, reset="soft"))
    current = torch.tensor([3.0, 2.2, 1.6, 2.5, 2.0], dtype=torch.float64).reshape(5, 1)
    state: State | None = None
    potentials, adaptations, spikes = [], [], []
    for x in current:
        s, state = layer.step(x, state)
        spikes.append(s.item())
        potentials.append(state[0].item())
        adaptations.append(state[1].item())
    assert spikes == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert potentials == pytest.approx([0.5, 1.35, 0.475, 1.4875, 0.74375], abs=1e-12)
    assert adaptations == pytest.approx([0.25, 0.1875, 0.390625, 0.29296875, 0.4697265625], abs=1e-12)
    assert layer(current).flatten().tolist() == spikes


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize("surrogate", SURROGATES.names())
def test_gradients_equal_those_of_plain_autograd(neuron: Neuron, surrogate: str) -> None:
    ours, reference = _layer(neuron, surrogate=surrogate), _layer(neuron, surrogate=surrogate)
    x, y = _current(7, 3, 5).requires_grad_(), _current(7, 3, 5).requires_grad_()
    weights = _current(7, 3, 5, seed=1)
    spikes, expected = ours(x), _by_autograd(reference, y)
    assert torch.equal(spikes, expected)
    assert 0.05 < spikes.mean() < 0.95
    (spikes * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-10, atol=1e-12)
    for name, parameter in ours.named_parameters():
        other = reference.get_parameter(name).grad
        assert other is not None
        assert other.abs() > 1e-6
        torch.testing.assert_close(parameter.grad, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_steps_give_the_spikes_and_gradients_of_the_whole_sequence(neuron: Neuron) -> None:
    whole, single = _layer(neuron), _layer(neuron)
    x, y = _current(6, 2, 9).requires_grad_(), _current(6, 2, 9).requires_grad_()
    weights = _current(6, 2, 9, seed=1)
    with torch.no_grad():
        assert torch.equal(_by_steps(single, y)[0], whole(x))
    spikes = _by_steps(single, y)[0]
    assert torch.equal(spikes, whole(x))
    (spikes * weights).sum().backward()
    (whole(x) * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-12, atol=1e-14)
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(parameter.grad, single.get_parameter(name).grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_spikes_are_the_same_with_and_without_gradients_in_float32(neuron: Neuron) -> None:
    layer = _layer(neuron, dtype=torch.float32)
    x = _current(5, 4, 3, 7, 7, dtype=torch.float32)
    with torch.no_grad():
        spikes = layer(x)
    assert spikes.dtype == torch.float32
    assert set(spikes.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(layer(x.clone().requires_grad_()), spikes)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_the_layout_of_memory_changes_neither_spikes_nor_gradients(neuron: Neuron) -> None:
    x = _current(4 * 2, 3, 5, 6)
    weights = _current(4, 2, 3, 5, 6, seed=1)
    results = []
    for current in (
        x.unflatten(0, (4, 2)),
        x.to(memory_format=torch.channels_last).unflatten(0, (4, 2)),
        torch.stack([x, x], dim=-1)[..., 0].unflatten(0, (4, 2)),  # holes between the elements
        x.unflatten(0, (2, 4)).transpose(0, 1).contiguous().transpose(0, 1).reshape(4, 2, 3, 5, 6),
    ):
        layer = _layer(neuron)
        leaf = current.detach().requires_grad_()
        spikes = layer(leaf)
        (spikes * weights).sum().backward()
        results.append((spikes, leaf.grad, [p.grad for p in layer.parameters()]))
    for spikes, gradient, parameters in results[1:]:
        assert torch.equal(spikes, results[0][0])
        assert gradient is not None
        torch.testing.assert_close(gradient, results[0][1], rtol=0, atol=0)
        torch.testing.assert_close(parameters, results[0][2], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_a_second_backward_pass_over_the_same_spikes_gives_the_same_gradients(neuron: Neuron) -> None:
    layer, x = _layer(neuron), _current(5, 2, 6).requires_grad_()
    inputs = [x, *layer.parameters()]
    loss = (layer(x) * _current(5, 2, 6, seed=1)).sum()
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    second = torch.autograd.grad(loss, inputs)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_channels_last_currents_give_channels_last_spikes_without_a_copy_of_the_layout() -> None:
    flat = _current(8, 3, 5, 6).to(memory_format=torch.channels_last)
    spikes = _layer(NEURONS[0])(flat.unflatten(0, (4, 2)))
    assert spikes.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    assert spikes.flatten(0, 1).data_ptr() == spikes.data_ptr()


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_a_current_repeated_over_time_without_memory_collects_the_gradient_of_all_steps(
    neuron: Neuron,
) -> None:
    layer, other = _layer(neuron), _layer(neuron)
    image, repeated = _current(1, 2, 6).requires_grad_(), _current(1, 2, 6).repeat(5, 1, 1).requires_grad_()
    layer(image.expand(5, -1, -1)).mean(0).sum().backward()
    other(repeated).mean(0).sum().backward()
    assert repeated.grad is not None
    torch.testing.assert_close(image.grad, repeated.grad.sum(0, keepdim=True))


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
def test_a_layer_larger_than_one_chunk_is_simulated_to_its_end(
    neuron: Neuron, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, weights = _current(5, 3, 11), _current(5, 3, 11, seed=1)
    results = []
    for size in (1 << 19, 4):
        monkeypatch.setattr("evonas.snn.integrate_and_fire._CHUNK", size)
        layer, leaf = _layer(neuron), x.clone().requires_grad_()
        spikes = layer(leaf)
        (spikes * weights).sum().backward()
        results.append([spikes.detach(), leaf.grad, *(p.grad for p in layer.parameters())])
    torch.testing.assert_close(results[0], results[1], rtol=1e-12, atol=1e-14)


def test_half_precision_currents_keep_a_float32_state_and_give_spikes_of_their_own_dtype() -> None:
    layer = SpikingNeuron(Neuron("lif", v_threshold=1.0, tau=2.0, reset="hard"))
    x = _current(4, 3, 8, dtype=torch.float32).to(torch.bfloat16).requires_grad_()
    spikes = layer(x)
    spikes.float().sum().backward()
    assert spikes.dtype == torch.bfloat16
    assert torch.equal(spikes.float(), layer(x.detach().float()))
    assert layer.step(x[0], None)[1][0].dtype == torch.float32
    exact = x.detach().float().requires_grad_()
    layer(exact).sum().backward()
    assert x.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(x.grad.float(), exact.grad, rtol=2e-2, atol=2e-2)


def test_a_new_model_needs_only_the_dynamics_of_one_step() -> None:
    def step(current: Tensor, state: State | None, **given: object) -> tuple[Tensor, State]:
        neuron, surrogate = given["neuron"], given["surrogate"]
        assert isinstance(neuron, Neuron)
        u = current if state is None else state[0] + current
        s = spike(u - neuron.v_threshold, surrogate)  # type: ignore[arg-type]
        return s, (u - s.detach() * neuron.v_threshold,)

    neuron = _neuron("if", reset="soft")
    x, y = _current(6, 4).requires_grad_(), _current(6, 4).requires_grad_()
    spikes, (potential,) = stepwise(step)(
        x, None, neuron=neuron, surrogate=SURROGATES.get("sigmoid"), parameters={}
    )
    expected = _layer(neuron, surrogate="sigmoid")(y)
    spikes.sum().backward()
    expected.sum().backward()
    assert torch.equal(spikes, expected)
    assert potential.shape == (4,)
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_spikes_take_the_place_of_a_current_that_may_be_overwritten(layout: torch.memory_format) -> None:
    current = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    sequence = current.contiguous(memory_format=layout).unflatten(0, (4, 2))
    neuron = SpikingNeuron(Neuron("lif", 0.5, 2.0, "soft"))
    with torch.no_grad():
        expected = neuron(sequence)
        assert expected.data_ptr() != sequence.data_ptr()
        assert torch.equal(neuron(sequence[:1].expand(4, -1, -1, -1, -1), overwrite=True)[0], expected[0])
        found = neuron(sequence, overwrite=True)
    assert torch.equal(found, expected)
    assert found.data_ptr() == sequence.data_ptr()


def test_a_current_that_gradients_need_is_never_overwritten() -> None:
    current = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    spikes = SpikingNeuron(Neuron("lif", 0.5, 2.0, "soft"))(current, overwrite=True)
    assert spikes.data_ptr() != current.data_ptr()
