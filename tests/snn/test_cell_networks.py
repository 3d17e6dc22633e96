"""Networks of free-edge cells against the released code's own order of events, and at the size of the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from evonas.data import load, scoring_batch
from evonas.rng import generator
from evonas.snn.forward_pass import ForwardPass
from evonas.snn.network import SpikingNetwork
from evonas.snn.synapses import EPSILON, ConvolutionSynapse, LinearSynapse
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.canvas import Canvas
from genomes.cell_space import CellGenome, CellSpace
from genomes.cells import Cell, Edge, draw_cell, from_con_mat, lif
from genomes.operations import AveragePool, Convolution
from genomes.serial import build_space

T = 6
TAU = 4 / 3
CIFAR10 = InputSpec((3, 32, 32), 10)
NAMES = ("snasnet_forward", "snasnet_backward", "spikenas_bench", "spikernel")


class Fires:
    """One LIF neuron of threshold 1 with hard reset, the released code's way."""

    def __init__(self) -> None:
        self.v = 0.0

    def __call__(self, x: float) -> float:
        self.v += (x - self.v) / TAU
        spike = float(self.v >= 1.0)
        self.v *= 1.0 - spike
        return spike


def spikes_of_the_released_order(cell: Cell, x: float, *, weight: float) -> list[float]:
    """Spikes behind a cell of one pixel and one channel: forward edges, then feedback, kept for the next step."""
    neurons = {edge: Fires() for edge in cell.edges}
    last, kept, spikes = Fires(), [0.0] * 4, []

    def brought(edge: Edge, value: float) -> float:
        match edge.operation:
            case "identity":
                return value
            case "average_pool":
                return value / 9  # eight of nine pixels are padding
            case _:
                return weight * neurons[edge](value)

    for _ in range(T):
        nodes = [x + kept[0], *kept[1:]]
        for node in range(1, 4):
            nodes[node] += sum(
                brought(e, nodes[e.source]) for e in cell.edges if e.target == node and not e.is_feedback
            )
        spikes.append(last(nodes[3]))
        kept = [0.0] * 4
        for edge in cell.edges:
            if edge.is_feedback:
                kept[edge.target] += brought(edge, nodes[edge.source])
    return spikes


def behind(cell: Cell, *, side: int = 1) -> Architecture:
    """A cell that reads the input, and one layer of neurons that reads the cell."""
    canvas = Canvas()
    end = canvas.spikes(draw_cell(canvas, 0, cell, channels=1), lif())
    return canvas.architecture(InputSpec((1, side, side), 1), outputs=[end])


def spikes_behind(cell: Cell, x: Tensor, *, weight: float = 1.0) -> Tensor:
    """Spikes (T, B, 1, H, W) behind a cell whose convolutions multiply by `weight`."""
    architecture = behind(cell, side=x.shape[-1])
    network = SpikingNetwork(architecture, seed=0).eval()
    with torch.no_grad():
        for module in network.synapses:
            if isinstance(module, ConvolutionSynapse):
                # The stored statistics are mean 0 and variance 1.
                module.weight.fill_(weight * (1 + EPSILON) ** 0.5)
    seen: dict[int, Tensor] = {}
    with torch.no_grad():
        network(x, time_steps=T, observe=lambda node, spikes: seen.__setitem__(node, spikes.clone()))
    (output,) = architecture.outputs
    return seen[output]


@pytest.mark.parametrize("seed", range(40))
def test_spikes_are_those_of_the_released_order_of_events(seed: int) -> None:
    space = small("snasnet_backward")
    cell = space.sample(rng=generator(seed, "cell")).cell
    x = generator(seed, "input").uniform(0.2, 3.0, 16).astype(np.float32)
    expected = [spikes_of_the_released_order(cell, float(value), weight=0.83) for value in x]
    found = spikes_behind(cell, torch.from_numpy(x).view(1, -1, 1, 1, 1), weight=0.83)
    assert found.flatten(1).T.tolist() == expected


def test_identity_feedback_accumulates_one_step_late() -> None:
    # Node 3 gets x + its own value of the step before, by way of node 1 and 2: 0.3, 0.6, 0.9, 1.2, 1.5, ...
    cell = from_con_mat("0001 0010 0001 0100")
    spikes = spikes_behind(cell, torch.full((1, 1, 1, 1, 1), 0.3))
    v, expected = 0.0, []
    for t in range(T):
        v += (0.3 * (t + 1) - v) / TAU
        expected.append(float(v >= 1))
        v *= v < 1
    assert spikes.flatten().tolist() == expected == [0, 0, 0, 1, 1, 1]


def test_average_pooling_hands_on_means_with_padding_counted() -> None:
    cell = from_con_mat("0004 0000 0000 0000")
    spikes = spikes_behind(cell, torch.full((1, 1, 1, 3, 3), 1.8))
    # Input 1.8 in the middle, 1.2 at the borders, 0.8 in the corners; the membrane gets 3/4 of it at the first step.
    assert spikes[0, 0, 0].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert spikes[1, 0, 0].tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert not spikes[:, 0, 0, 0, 0].any()


# whole networks -----------------------------------------------------------------------------------------------------


def small(name: str, spec: InputSpec = CIFAR10) -> CellSpace:
    space = build_space(name, input_spec=spec, options={"channels": [4], "hidden": [16]})
    assert isinstance(space, CellSpace)
    return space


def frames(n_steps: int = 1, *, seed: int = 0) -> Tensor:
    drawn = np.random.default_rng(seed).standard_normal((n_steps, 4, 3, 32, 32), dtype=np.float32)
    return torch.from_numpy(drawn)


FEEDBACK = {
    "published for CIFAR10": "0303 0030 2002 0200",
    "published for CIFAR100": "0302 0030 3003 0000",
    "identity": "0303 0030 1002 0000",
    "pooling": "0303 0030 4002 0400",
}


@pytest.mark.parametrize("con_mat", FEEDBACK.values(), ids=FEEDBACK)
@pytest.mark.parametrize("t", [0, 2])
def test_feedback_is_equal_up_to_the_step_in_which_inputs_differ_and_differs_after_it(
    con_mat: str, t: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = small("snasnet_backward")
    architecture = space.decode(space.genome(from_con_mat(con_mat)))
    late = [i for i, synapse in enumerate(architecture.synapses) if synapse.delay]
    n_edges = sum(edge.is_feedback for edge in from_con_mat(con_mat).edges)
    assert len(late) >= 2 * n_edges  # feedback without weights is drawn once for each consumer
    network = SpikingNetwork(architecture, seed=0).eval()
    first = frames(T, seed=1)
    second = first.clone()
    second[t] = frames(seed=2)[0]
    with torch.no_grad():
        network(first, time_steps=T, calibrate=True)
    joined = ForwardPass._joined
    entered: dict[int, list[Tensor]] = {}

    def watched(run: ForwardPass, node: int, signals: list[Tensor], *, overwrite: bool = False) -> Tensor:
        for index, signal in zip(architecture.incoming[node], signals, strict=True):
            if index in late:
                entered.setdefault(index, []).append(signal.clone())
        return joined(run, node, signals, overwrite=overwrite)

    monkeypatch.setattr(ForwardPass, "_joined", watched)
    with torch.no_grad():
        network(first, time_steps=T)
        ours = dict(entered)
        entered.clear()
        network(second, time_steps=T)
    n_differing = 0
    for index in late:
        # Step by step in a feedback cycle, all steps at once off it.
        steps = [torch.cat(signals).chunk(T) for signals in (ours[index], entered[index])]
        equal = [torch.equal(a, b) for a, b in zip(*steps, strict=True)]
        assert len(equal) == T
        assert not steps[0][0].any()  # nothing has happened before the first step
        assert all(equal[: t + 1])
        n_differing += not equal[t + 1]
    assert (
        n_differing >= n_edges
    )  # those of the first cell; the second sees spikes, which may agree for a step


@pytest.mark.parametrize("con_mat", FEEDBACK.values(), ids=FEEDBACK)
def test_every_parameter_of_a_cell_with_feedback_gets_a_gradient(con_mat: str) -> None:
    space = small("snasnet_backward")
    network = SpikingNetwork(space.decode(space.genome(from_con_mat(con_mat))), seed=0).train()
    awake(network)
    logits = network(frames(), time_steps=T)
    assert logits.shape == (4, 10)
    logits.square().sum().backward()
    for parameter, value in network.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter
        assert value.grad.abs().max() > 0, parameter


@pytest.mark.parametrize("name", NAMES)
def test_sampled_networks_have_the_parameters_that_are_counted_and_give_finite_logits(name: str) -> None:
    space = small(name)
    for seed in range(4):
        architecture = space.decode(space.sample(rng=np.random.default_rng(seed)))
        network = SpikingNetwork(architecture, seed=0).eval()
        assert sum(p.numel() for p in network.parameters()) == architecture.n_parameters
        with torch.no_grad():
            scored = network(frames(), time_steps=T, calibrate=True)
            torch.testing.assert_close(network(frames(), time_steps=T), scored)
        assert scored.isfinite().all()


def awake(network: SpikingNetwork) -> None:
    """Enlarge the first weights of the hidden layer, which is silent before training, so that it fires."""
    for module in network.synapses:
        if isinstance(module, LinearSynapse):
            with torch.no_grad():
                module.weight.mul_(10)


PAPER = {
    "snasnet_forward": {"channels": [256]},
    "snasnet_backward": {"channels": [256]},
    "spikenas_bench": {"channels": [128]},
    "spikernel": {"channels": [128], "hidden": [1024], "kernel_sizes": [3, 5]},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_network_of_the_size_of_the_paper_is_built_and_evaluated(name: str) -> None:
    space = build_space(name, input_spec=CIFAR10, options=PAPER[name])
    genome: CellGenome = space.sample(rng=np.random.default_rng(0))
    evaluated(space.decode(genome))


@pytest.mark.slow
@pytest.mark.parametrize("name", library.names("snasnet_backward"))
def test_a_published_network_is_built_and_evaluated(name: str) -> None:
    genome, space = library.load(name)
    evaluated(space.decode(genome))


def evaluated(architecture: Architecture) -> None:
    network = SpikingNetwork(architecture, seed=0).eval()
    assert sum(p.numel() for p in network.parameters()) == architecture.n_parameters
    awake(network)
    image = frames()[:, :1]
    with torch.no_grad():
        logits = network(image, time_steps=5, calibrate=True)
    assert logits.shape == (1, architecture.input.n_classes)
    assert logits.isfinite().all()
    assert logits.unique().numel() > 1


def test_feedback_of_the_published_cell_crosses_time_and_no_operation_but_convolution_has_weights() -> None:
    genome, space = library.load("snasnet_cifar10")
    architecture = space.decode(genome)
    late = [s for s in architecture.synapses if s.delay]
    assert len(late) == 4  # two in each cell
    assert all(isinstance(s.operation, Convolution) and s.delay == 1 for s in late)
    assert not any(s.operation == AveragePool(3, 1) for s in architecture.synapses)


@pytest.mark.slow
def test_a_network_whose_hidden_layer_is_silent_before_training_learns_all_the_same() -> None:
    space = build_space(
        "snasnet_forward", input_spec=InputSpec((1, 8, 8), 10), options={"channels": [16], "hidden": [64]}
    )
    inputs, labels = scoring_batch(load("digits"), size=512)
    x, y = torch.from_numpy(inputs).unsqueeze(0), torch.from_numpy(labels).long()
    network = SpikingNetwork(space.decode(space.genome(from_con_mat("0003 0000 0000 0000"))), seed=0).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    torch.manual_seed(0)  # for the dropout
    losses = []
    for _ in range(12):
        for part in torch.arange(512).split(64):
            loss = functional.cross_entropy(network(x[:, part], time_steps=5), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[0] == pytest.approx(np.log(10), abs=0.01)
    assert np.mean(losses[-8:]) < 1.9
