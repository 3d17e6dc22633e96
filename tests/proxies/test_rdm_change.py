"""How RDMs change from the input to the last layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.rdm_change import between_layers, longest_path
from genomes.architecture import INPUT, Architecture, Draft, InputSpec, Synapse, canonical
from genomes.canvas import Canvas
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Linear, MaxPool, Operation, Zero

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]
SPEC = InputSpec((2, 6, 6), 4)
CONV = Convolution(Kernel(3), channels=4)


def layers(
    n: int,
    edges: list[tuple[int, int]],
    *,
    delayed: tuple[tuple[int, int], ...] = (),
    operation: Operation = CONV,
) -> Architecture:
    """`n` spiking layers, told apart by ever higher thresholds, whose last is the output."""
    neurons = [Neuron("if", 0.25 + 0.125 * i, None, "hard") for i in range(n)]
    synapses = [Synapse(source, target, CONV) for source, target in edges]
    synapses += [Synapse(source, target, operation, delay=1) for source, target in delayed]
    nodes = [Draft("input"), *(Draft("add", neuron) for neuron in neurons)]
    return canonical(input_spec=SPEC, nodes=nodes, synapses=synapses, outputs=[n])


def numbered(n: int) -> Tensor:
    """Angles whose sums tell which pairs are in them: 2^(6 i + j) for i < j."""
    found = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(i + 1, n):
            found[i, j] = found[j, i] = 2.0 ** (6 * i + j)
    return found


def through(*path: int) -> float:
    return sum(2.0 ** (6 * i + j) for i, j in pairwise(path))


@pytest.mark.parametrize(
    ("architecture", "path"),
    [
        (layers(1, [(0, 1)]), (0, 1)),
        (layers(3, [(0, 1), (1, 2), (2, 3)]), (0, 1, 2, 3)),
        (layers(3, [(0, 1), (1, 2), (2, 3), (0, 3), (1, 3)]), (0, 1, 2, 3)),
        (layers(3, [(0, 1), (0, 2), (1, 3), (2, 3)]), (0, 2, 3)),
        (layers(3, [(0, 1), (1, 2), (2, 3)], delayed=((3, 1), (2, 2))), (0, 1, 2, 3)),
    ],
    ids=["one", "chain", "short cuts", "branches", "feedback"],
)
def test_the_path_is_the_longest_by_angles(architecture: Architecture, path: tuple[int, ...]) -> None:
    n = len(architecture.spiking)
    assert longest_path(architecture, numbered(n + 1)) == through(*path)


def test_a_short_cut_can_be_longer_than_the_way_round() -> None:
    architecture = layers(2, [(0, 1), (1, 2), (0, 2)])
    between = torch.tensor([[0.0, 0.1, 1.0], [0.1, 0.0, 0.2], [1.0, 0.2, 0.0]])
    assert longest_path(architecture, between) == 1.0


def test_nodes_without_neurons_and_dense_layers_hand_on_and_absent_edges_do_not() -> None:
    canvas, neuron = Canvas(), Neuron("if", 0.5, None, "hard")
    first = canvas.spikes(canvas.through(INPUT, CONV), neuron)
    pooled = canvas.through(first, MaxPool(2), Convolution(Kernel(1), 4))
    second = canvas.spikes(pooled, neuron)
    hidden = canvas.spikes(canvas.through(second, Linear(5)), neuron)
    architecture = canvas.architecture(SPEC, outputs=[hidden])
    assert len(architecture.spiking) == 3
    assert longest_path(architecture, numbered(3)) == through(0, 1, 2)
    # The second layer hears the input alone; from the first comes an edge that carries nothing.
    nodes = [Draft("input"), *(Draft("add", neuron) for _ in range(2))]
    synapses = [Synapse(0, 1, CONV), Synapse(0, 2, CONV), Synapse(1, 2, Zero())]
    absent = canonical(input_spec=SPEC, nodes=nodes, synapses=synapses, outputs=[2])
    assert len(absent.spiking) == 2
    assert longest_path(absent, numbered(3)) == through(0, 2)


def test_paths_end_at_any_output() -> None:
    neuron = Neuron("if", 0.5, None, "hard")
    nodes = [Draft("input"), *(Draft("add", neuron) for _ in range(3))]
    synapses = [Synapse(0, 1, CONV), Synapse(1, 2, CONV), Synapse(2, 3, CONV)]
    early = canonical(input_spec=SPEC, nodes=nodes, synapses=synapses, outputs=[1, 3])
    assert longest_path(early, numbered(4)) == through(0, 1, 2, 3)


@pytest.mark.parametrize("n_frames", [1, 4])
def test_angles_are_those_of_rdms_of_pixels_and_rates(
    chain: Chain, make_candidate: MakeCandidate, n_frames: int
) -> None:
    made = make_candidate(chain([0.3, 0.5, 0.4], channels=8))
    x = np.random.default_rng(3).standard_normal((n_frames, 8, 2, 6, 6), dtype=np.float32)
    statistics = PROXIES.get("rdm_path").statistics
    candidate = Candidate(
        made.architecture, inputs=torch.from_numpy(x), time_steps=4, seed=0, statistics=statistics
    )
    path, from_input = (PROXIES.get(name).value(candidate) for name in ("rdm_path", "rdm_from_input"))
    rdms = [pdist(x.swapaxes(0, 1).reshape(8, -1), "sqeuclidean")]

    def observe(node: int, spikes: Tensor) -> None:
        rdms.append(pdist(spikes.double().mean(0).flatten(1).numpy(), "sqeuclidean"))

    with torch.no_grad():
        candidate.network(candidate.inputs, time_steps=4, observe=observe)
    angles = np.arccos(np.clip(np.corrcoef(np.stack(rdms)), -1.0, 1.0))
    found = between_layers(candidate).fill_diagonal_(0.0)
    np.testing.assert_allclose(found.numpy(), angles - np.diag(np.diag(angles)), rtol=0, atol=1e-6)
    assert path.value == pytest.approx(angles[0, 1] + angles[1, 2] + angles[2, 3], rel=1e-6)
    assert from_input.value == pytest.approx(-angles[0, 3], rel=1e-6)
    assert path.value > -from_input.value  # a way round is no shorter than the straight one
    assert 0 < path.diagnostics["firing_rate"] < 1


def test_a_silent_layer_is_at_right_angles_to_all(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([1e30, 1e30]))
    assert PROXIES.get("rdm_path").value(candidate).value == pytest.approx(math.pi)
    assert PROXIES.get("rdm_from_input").value(candidate).value == pytest.approx(-math.pi / 2)


def test_layers_that_pass_on_the_geometry_of_the_input_have_no_length() -> None:
    """Binary images through 1 x 1 convolutions with one weight each: spikes are the pixels, whatever the depth."""
    neuron, one = Neuron("if", 0.25, None, "hard"), Convolution(Kernel(1), channels=1)
    nodes = [Draft("input"), *(Draft("add", neuron) for _ in range(3))]
    chained = canonical(
        input_spec=InputSpec((1, 6, 6), 4),
        nodes=nodes,
        synapses=[Synapse(i, i + 1, one) for i in range(3)],
        outputs=[3],
    )
    x = (np.random.default_rng(0).random((1, 8, 1, 6, 6)) < 0.5).astype(np.float32)
    statistics = PROXIES.get("rdm_path").statistics
    candidate = Candidate(chained, inputs=torch.from_numpy(x), time_steps=2, seed=0, statistics=statistics)
    with torch.no_grad():
        for name, parameter in candidate.network.named_parameters():
            if name.startswith("synapses") and parameter.dim() == 4:
                parameter.abs_()
    assert PROXIES.get("rdm_path").value(candidate).value == pytest.approx(0.0, abs=1e-5)
    assert PROXIES.get("rdm_from_input").value(candidate).value == pytest.approx(0.0, abs=1e-5)
