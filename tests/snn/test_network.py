from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.errors import ConfigError
from evonas.snn.forward_pass import ForwardPass
from evonas.snn.network import SpikingNetwork
from evonas.snn.neurons import SpikingNeuron, State
from genomes import library
from genomes.architecture import INPUT, Architecture, InputSpec
from genomes.canvas import Canvas
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.operations import AveragePool, Convolution, Dropout, Linear

SPEC = InputSpec((3, 16, 16), 10)
T = 4


def architecture(name: str) -> Architecture:
    return decode(library.load(name)[0], input_spec=SPEC)


def frames(n_steps: int = 1, *, batch: int = 6, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((n_steps, batch, 3, 16, 16), dtype=np.float32))


def calibrated(name: str, x: Tensor, **options: object) -> SpikingNetwork:
    network = SpikingNetwork(architecture(name), seed=0).eval()
    with torch.no_grad():
        network(x, time_steps=T, calibrate=True)
    return network


def spikes_of(network: SpikingNetwork, x: Tensor) -> dict[int, Tensor]:
    seen: dict[int, Tensor] = {}
    with torch.no_grad():
        network(x, time_steps=T, observe=lambda node, spikes: seen.__setitem__(node, spikes.clone()))
    return seen


@pytest.mark.parametrize("name", library.names("evonas"))
def test_the_network_has_the_parameters_that_its_architecture_counts(name: str) -> None:
    network = SpikingNetwork(architecture(name), seed=0)
    assert sum(p.numel() for p in network.parameters()) == network.architecture.n_parameters


@pytest.mark.parametrize("name", library.names("evonas"))
def test_every_node_has_the_shape_that_its_architecture_says(name: str) -> None:
    network = calibrated(name, frames())
    for node, output in spikes_of(network, frames()).items():
        assert output.shape == (T, 6, *network.architecture.nodes[node].shape)
        assert set(output.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("name", library.names("evonas"))
def test_scoring_and_a_later_pass_with_the_stored_statistics_agree(name: str) -> None:
    network = SpikingNetwork(architecture(name), seed=0).eval()
    x = frames()
    with torch.no_grad():
        scored = network(x, time_steps=T, calibrate=True)
        torch.testing.assert_close(network(x, time_steps=T), scored)


@pytest.mark.parametrize("name", library.names("evonas"))
def test_an_image_shown_at_every_step_gives_what_the_still_image_gives(name: str) -> None:
    x = frames()
    network = calibrated(name, x)
    with torch.no_grad():
        still = network(x, time_steps=T)
        shown = network(x.expand(T, *x.shape[1:]), time_steps=T)
    torch.testing.assert_close(still, shown)


@pytest.mark.parametrize("name", library.names("evonas"))
def test_no_state_is_left_between_calls_and_samples_do_not_mix(name: str) -> None:
    x = frames()
    network = calibrated(name, x)
    with torch.no_grad():
        together = network(x, time_steps=T)
        again = network(x, time_steps=T)
        alone = torch.cat([network(x[:, i : i + 1], time_steps=T) for i in range(x.shape[1])])
    assert torch.equal(together, again)
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", library.names("evonas"))
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = SpikingNetwork(architecture(name), seed=0).train()
    network(frames(), time_steps=T).square().sum().backward()
    for parameter, value in network.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().max() > 0, parameter


@pytest.mark.parametrize("name", library.names("evonas"))
def test_signed_synapses_keep_their_sign_in_the_network_through_three_optimiser_steps(name: str) -> None:
    network = SpikingNetwork(architecture(name), seed=0).train()
    n_checked = 0

    def check(module: torch.nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal n_checked
        assert (output * module.sign >= 0).all()  # type: ignore[operator]
        n_checked += 1

    for synapse, module in zip(network.architecture.synapses, network.synapses, strict=True):
        if isinstance(synapse.operation, Convolution) and synapse.operation.sign:
            module.register_forward_hook(check)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    for _ in range(4):
        loss = network(frames(), time_steps=T).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert n_checked >= 4


def entering_late(
    network: SpikingNetwork, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> dict[int, list[Tensor]]:
    """By synapse with a delay, what of it enters its target at each time step."""
    architecture = network.architecture
    entered: dict[int, list[Tensor]] = {i: [] for i, s in enumerate(architecture.synapses) if s.delay}
    joined = ForwardPass._joined

    def watched(run: ForwardPass, node: int, signals: list[Tensor], *, overwrite: bool = False) -> Tensor:
        for index, signal in zip(architecture.incoming[node], signals, strict=True):
            if index in entered:
                entered[index].append(signal.clone())
        return joined(run, node, signals, overwrite=overwrite)

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(ForwardPass, "_joined", watched)
        network(x, time_steps=T)
    return entered


@pytest.mark.parametrize("name", ["inhibited_chain", "rivals", "feedback_loop"])
@pytest.mark.parametrize("t", [0, 1, 2])
def test_feedback_into_its_target_is_equal_up_to_step_t_and_differs_after_it(
    name: str, t: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = frames(T, seed=1)
    second = first.clone()
    second[t] = frames(1, seed=2)[0]
    network = calibrated(name, first)
    ours, theirs = (entering_late(network, x, monkeypatch) for x in (first, second))
    assert ours
    for index in ours:
        assert len(ours[index]) == T
        assert not ours[index][0].any()  # nothing has fired before the first step
        equal = [torch.equal(a, b) for a, b in zip(ours[index], theirs[index], strict=True)]
        assert all(equal[: t + 1])
        assert not equal[t + 1]


def test_feedback_matters() -> None:
    with_loop = architecture("feedback_loop")
    genome = replace(library.load("feedback_loop")[0], feedback=())
    without = decode(genome, input_spec=SPEC)
    x = frames()
    logits = []
    for blueprint in (with_loop, without):
        with torch.no_grad():
            logits.append(SpikingNetwork(blueprint, seed=0).eval()(x, time_steps=T, calibrate=True))
    assert not torch.equal(*logits)


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    a, b, c = (SpikingNetwork(architecture("rivals"), seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["synapses.0.weight"], c["synapses.0.weight"])


def test_networks_that_share_a_synapse_share_its_first_weights() -> None:
    genome = library.load("spiking_vgg")[0]
    wider = replace(genome, stages=(*genome.stages[:-1], replace(genome.stages[-1], width=96)))
    networks = [SpikingNetwork(decode(g, input_spec=SPEC), seed=0) for g in (genome, wider)]
    weights: list[dict[str, Tensor]] = []
    for network in networks:
        named = zip(network.architecture.weight_keys, network.synapses, strict=True)
        weights.append({key: module.weight for key, module in named if hasattr(module, "weight")})
    shared = weights[0].keys() & weights[1].keys()
    assert len(shared) >= 5
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in shared)


def test_training_mode_tracks_statistics_that_evaluation_mode_uses() -> None:
    network = SpikingNetwork(architecture("feedback_loop"), seed=0).train()
    before = {k: v.clone() for k, v in network.state_dict().items() if "running" in k}
    network(frames(), time_steps=T)
    after = network.state_dict()
    assert all(not torch.equal(before[key], after[key]) for key in before)
    network.eval()
    frozen = {k: v.clone() for k, v in network.state_dict().items()}
    network(frames(), time_steps=T)
    assert all(torch.equal(frozen[key], value) for key, value in network.state_dict().items())


def drawn(*, voters: int = 1) -> Architecture:
    """Stem, spikes, average pool, dropout, linear, spikes."""
    canvas = Canvas()
    lif = Neuron("lif", v_threshold=0.5, tau=2.0, reset="hard")
    stem = canvas.through(INPUT, Convolution(Kernel(3), 4))
    features = canvas.through(canvas.spikes(stem, lif), AveragePool(4, 4), Dropout(0.5), Linear(12))
    return canvas.architecture(SPEC, outputs=[canvas.spikes(features, lif)], voters=voters)


def test_a_class_is_the_mean_of_its_voters() -> None:
    network = SpikingNetwork(drawn(voters=3), seed=0).eval()
    assert sum(p.numel() for p in network.parameters()) == network.architecture.n_parameters
    with torch.no_grad():
        logits = network(frames(), time_steps=T, calibrate=True)
        run = ForwardPass(network, time_steps=T, calibrate=False, observe=None, observe_current=None)
        votes = network.readout(run.output_rates(frames()))
    assert votes.shape == (6, 30)
    assert logits[:, 2].allclose(votes[:, 6:9].mean(1))
    assert drawn(voters=3).id != drawn().id


def test_dropout_acts_in_training_alone() -> None:
    network = SpikingNetwork(drawn(), seed=0).train()
    with torch.no_grad():
        torch.manual_seed(0)
        first, second = (network(frames(), time_steps=T) for _ in range(2))
        assert not torch.equal(first, second)
        network.eval()
        first, second = (network(frames(), time_steps=T) for _ in range(2))
        assert torch.equal(first, second)


def currents_of(
    network: SpikingNetwork, x: Tensor, *, calibrate: bool, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """What is observed of each layer's current, and what its neurons are given at all time steps of the last pass."""
    observed: dict[int, Tensor] = {}
    given: dict[int, list[Tensor]] = {node: [] for node in network.architecture.spiking}
    node_of = {network.neuron(node): node for node in given}
    simulate = SpikingNeuron._simulate

    def watched(
        neuron: SpikingNeuron, current: Tensor, state: State | None, *, overwrite: bool
    ) -> tuple[Tensor, State]:
        given[node_of[neuron]].append(current.clone())
        return simulate(neuron, current, state, overwrite=overwrite)

    def observe_current(node: int, current: Tensor) -> None:
        assert node not in observed
        observed[node] = current.clone()

    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(SpikingNeuron, "_simulate", watched)
        network(x, time_steps=T, calibrate=calibrate, observe_current=observe_current)
    return observed, {node: torch.cat(parts)[-T:] for node, parts in given.items()}


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize("n_frames", [1, T])
@pytest.mark.parametrize("name", library.names("evonas"))
def test_the_currents_that_are_observed_are_those_that_drive_the_neurons(
    name: str, n_frames: int, calibrate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = SpikingNetwork(architecture(name), seed=0).eval()
    x = frames(n_frames)
    observed, given = currents_of(network, x, calibrate=calibrate, monkeypatch=monkeypatch)
    assert set(observed) == set(network.architecture.spiking)
    for node, current in observed.items():
        assert torch.equal(current.expand_as(given[node]), given[node])
        assert current.shape[1:] == (6, *network.architecture.nodes[node].shape)


@pytest.mark.parametrize("name", library.names("evonas"))
def test_a_current_has_one_step_exactly_where_a_still_image_keeps_it_still(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = SpikingNetwork(architecture(name), seed=0).eval()
    found = network.architecture
    observed, _ = currents_of(network, frames(), calibrate=True, monkeypatch=monkeypatch)
    still = {
        node
        for node in found.spiking
        if all(
            found.static[s.source] and not s.delay and not s.operation.needs_sequence
            for s in (found.synapses[index] for index in found.incoming[node])
        )
    }
    assert {node for node, current in observed.items() if len(current) == 1} == still
    assert {len(current) for node, current in observed.items() if node not in still} <= {T}
    moving, _ = currents_of(network, frames(T), calibrate=True, monkeypatch=monkeypatch)
    assert {len(current) for current in moving.values()} == {T}


def test_still_currents_and_such_of_cycles_are_among_those_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SpikingNetwork(architecture("feedback_loop"), seed=0).eval()
    observed, _ = currents_of(network, frames(), calibrate=True, monkeypatch=monkeypatch)
    in_cycles = {node for group in network.architecture.schedule if len(group) > 1 for node in group}
    assert {len(current) for current in observed.values()} == {1, T}
    assert in_cycles & observed.keys()


def test_observing_changes_nothing() -> None:
    found = []
    for observe in (None, lambda node, current: None):
        network = SpikingNetwork(architecture("inhibited_chain"), seed=0).eval()
        with torch.no_grad():
            found.append(
                network(frames(), time_steps=T, calibrate=True, observe=observe, observe_current=observe)
            )
    assert torch.equal(*found)


@pytest.mark.parametrize("shape", [(6, 3, 16, 16), (1, 6, 3, 8, 8), (2, 6, 3, 16, 16), (1, 6, 1, 16, 16)])
def test_an_input_of_another_shape_is_refused_in_one_line(shape: tuple[int, ...]) -> None:
    network = SpikingNetwork(drawn(), seed=0)
    with pytest.raises(ConfigError, match=r"expected \(1, B, 3, 16, 16\) for images or 4 in the place"):
        network(torch.zeros(shape), time_steps=T)
