"""Energy against counts by hand and against connections counted by torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from evonas.objectives import OBJECTIVES
from evonas.objectives.energy import ACCUMULATE_PJ, MULTIPLY_ACCUMULATE_PJ, energy_nj
from evonas.proxies import Candidate, Stimulation
from evonas.snn.statistics import COUNTS
from genomes import library
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Identity, MaxPool, Operation, SpatialAttention

SPEC = InputSpec((1, 4, 4), 3)
IF = Neuron("if", 1.0, None, "hard")
T = 5


def conv(channels: int, size: int = 3, *, separable: bool = False, stride: int = 1) -> Convolution:
    return Convolution(Kernel(size, separable=separable), channels=channels, stride=stride)


def drawn(nodes: list[Draft], edges: list[tuple[int, int, Operation]], outputs: list[int]) -> Architecture:
    synapses = [Synapse(*edge) for edge in edges]
    return canonical(input_spec=SPEC, nodes=[Draft("input"), *nodes], synapses=synapses, outputs=outputs)


def nj(*, accumulates: float, multiplies: float) -> float:
    return (0.9 * accumulates + 4.6 * multiplies) / 1000


def silent(architecture: Architecture) -> Callable[[int], Tensor]:
    return lambda node: torch.zeros(architecture.nodes[node].shape[1:], dtype=torch.float64)


def two_layers() -> Architecture:
    return drawn([Draft("add", IF)] * 2, [(0, 1, conv(2)), (1, 2, conv(3))], [2])


ENCODING = 9 * 2 * 16
READOUT = 3 * 3


def test_the_costs_are_those_of_45_nm() -> None:
    assert (ACCUMULATE_PJ, MULTIPLY_ACCUMULATE_PJ) == (0.9, 4.6)


def test_a_tiny_network_by_hand() -> None:
    a = two_layers()
    spikes = torch.zeros(4, 4, dtype=torch.float64)
    spikes[0, 0], spikes[1, 2], spikes[3, 1] = (
        2.0,
        0.5,
        3.0,
    )  # corner, inside, edge: 4, 9 and 6 places, 3 channels
    found = energy_nj(a, time_steps=T, static=True, spikes=lambda node: {1: spikes}[node])
    expected = nj(accumulates=3 * (2 * 4 + 0.5 * 9 + 3 * 6), multiplies=ENCODING + READOUT)
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_still_image_is_encoded_once_and_frames_at_every_step() -> None:
    a = two_layers()
    still, frames = (energy_nj(a, time_steps=T, static=static, spikes=silent(a)) for static in (True, False))
    assert still == pytest.approx(nj(accumulates=0, multiplies=ENCODING + READOUT))
    assert frames == pytest.approx(nj(accumulates=0, multiplies=T * ENCODING + READOUT))


@pytest.mark.parametrize("static", [True, False])
def test_the_inner_part_of_a_separable_synapse_multiplies_at_every_step(static: bool) -> None:
    a = drawn([Draft("add", IF)] * 2, [(0, 1, conv(2)), (1, 2, conv(3, separable=True))], [2])
    one = torch.zeros(4, 4, dtype=torch.float64)
    one[1, 1] = 1.0
    found = energy_nj(a, time_steps=T, static=static, spikes=lambda node: one)
    encoding = ENCODING if static else T * ENCODING
    assert found == pytest.approx(nj(accumulates=9, multiplies=encoding + T * 2 * 3 * 16 + READOUT))


@pytest.mark.parametrize(("static", "n_times"), [(True, 1), (False, T)])
def test_a_separable_encoding_multiplies_as_often_as_the_image_is_encoded(static: bool, n_times: int) -> None:
    a = drawn([Draft("add", IF)], [(0, 1, conv(3, 5, separable=True))], [1])
    found = energy_nj(a, time_steps=T, static=static, spikes=silent(a))
    assert found == pytest.approx(nj(accumulates=0, multiplies=n_times * (25 * 16 + 3 * 16) + READOUT))


def test_pooled_spikes_accumulate() -> None:
    a = drawn(
        [Draft("add", IF), Draft("add"), Draft("add", IF)],
        [(0, 1, conv(2)), (1, 2, MaxPool(2)), (2, 3, conv(3))],
        [3],
    )
    pooled = torch.ones(2, 2, dtype=torch.float64)

    def spikes(node: int) -> Tensor:
        assert a.nodes[node].shape == (2, 2, 2)
        return pooled

    found = energy_nj(a, time_steps=T, static=True, spikes=spikes)
    assert found == pytest.approx(nj(accumulates=4 * 4 * 3, multiplies=ENCODING + READOUT))


def test_stacked_spikes_accumulate() -> None:
    a = drawn(
        [Draft("add", IF), Draft("add", IF), Draft("concatenate"), Draft("add", IF)],
        [(0, 1, conv(2)), (0, 2, conv(2, 1)), (1, 3, Identity()), (2, 3, Identity()), (3, 4, conv(3, 1))],
        [4],
    )

    def spikes(node: int) -> Tensor:
        assert a.nodes[node].shape == (4, 4, 4)
        return torch.full((4, 4), 2.0, dtype=torch.float64)

    found = energy_nj(a, time_steps=T, static=True, spikes=spikes)
    assert found == pytest.approx(nj(accumulates=2 * 16 * 3, multiplies=ENCODING + 2 * 16 + READOUT))


def test_summed_currents_multiply_whatever_fires() -> None:
    a = drawn(
        [Draft("add", IF), Draft("add", IF), Draft("add"), Draft("add", IF)],
        [(0, 1, conv(2)), (0, 2, conv(2, 1)), (1, 3, conv(2, 1)), (2, 3, conv(2, 3)), (3, 4, conv(3, 1))],
        [4],
    )
    found = energy_nj(a, time_steps=T, static=True, spikes=silent(a))
    encodings = ENCODING + 2 * 16
    assert found == pytest.approx(nj(accumulates=0, multiplies=encodings + T * 2 * 3 * 16 + READOUT))


def test_added_spikes_multiply_whatever_fires() -> None:
    a = drawn(
        [Draft("add", IF), Draft("add", IF), Draft("add"), Draft("add", IF)],
        [(0, 1, conv(2)), (0, 2, conv(2, 1)), (1, 3, Identity()), (2, 3, Identity()), (3, 4, conv(3, 1))],
        [4],
    )
    found = energy_nj(a, time_steps=T, static=True, spikes=silent(a))
    encodings = ENCODING + 2 * 16
    assert found == pytest.approx(nj(accumulates=0, multiplies=encodings + T * 2 * 3 * 16 + READOUT))


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize(("variant", "macs"), [("asa", 4 * 32 + 32 + 5 * 2 + 36 * 16), ("half", 32)])
def test_attention_multiplies_at_every_step_even_on_a_still_current(
    static: bool, variant: str, macs: int
) -> None:
    attention = SpatialAttention(variant)
    a = drawn([Draft("add"), Draft("add", IF)], [(0, 1, conv(2)), (1, 2, attention)], [2])
    found = energy_nj(a, time_steps=T, static=static, spikes=silent(a))
    encoding = ENCODING if static else T * ENCODING
    assert found == pytest.approx(nj(accumulates=0, multiplies=encoding + T * macs + 2 * 3))


def connections(operation: Convolution, channels: int, height: int, width: int) -> Tensor:
    """Places that one spike reaches, counted by torch: the gradient of a convolution of ones, per channel."""
    x = torch.zeros(1, channels, height, width, requires_grad=True, dtype=torch.float64)
    size, groups = operation.kernel.size, channels if operation.kernel.separable else 1
    n_out = channels if operation.kernel.separable else operation.channels
    ones = torch.ones(n_out, channels // groups, size, size, dtype=torch.float64)
    F.conv2d(x, ones, stride=operation.stride, padding=size // 2, groups=groups).sum().backward()
    assert x.grad is not None
    assert all(torch.equal(x.grad[0, 0], channel) for channel in x.grad[0])
    return x.grad[0, 0]


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 5), (2, 3), (1, 1)])
def test_the_fan_out_of_a_spike_agrees_with_torch_at_every_place(
    size: int, stride: int, height: int, width: int
) -> None:
    for separable in (False, True) if size > 1 else (False,):
        operation = conv(6, size, separable=separable, stride=stride)
        assert torch.equal(
            torch.from_numpy(operation.connections((4, height, width))),
            connections(operation, 4, height, width),
        )


def test_every_connection_of_a_full_image_adds_up_to_the_macs_less_those_in_the_padding() -> None:
    assert conv(6, 1).connections((4, 8, 8)).sum().item() * 4 == conv(6, 1).macs((4, 8, 8))[0]
    assert conv(6, 3).connections((4, 8, 8)).sum().item() == 6 * (3 * 8 - 2) ** 2


@pytest.mark.parametrize("genome", library.names("evonas"))
@pytest.mark.parametrize("n_frames", [1, 4])
def test_the_objective_agrees_with_a_count_over_all_spikes(genome: str, n_frames: int) -> None:
    spec = InputSpec((2, 8, 8), 10)
    a = decode(library.load(genome)[0], input_spec=spec)
    x = torch.from_numpy(
        np.random.default_rng(0).standard_normal((n_frames, 3, *spec.shape), dtype=np.float32)
    )
    objective = OBJECTIVES.get("energy_nj")
    candidate = Candidate(a, inputs=x, time_steps=4, seed=0, statistics=(COUNTS,))
    found = objective.value(candidate).value
    per_node: dict[int, Tensor] = {}
    with torch.no_grad():
        candidate.network(
            x,
            time_steps=4,
            calibrate=True,
            observe=lambda node, spikes: per_node.__setitem__(node, spikes.double()),
        )
    accumulates, multiplies = 0.0, 10.0 * a.n_features
    for synapse in a.synapses:
        if isinstance(synapse.operation, SpatialAttention):
            multiplies += 4 * a.macs(synapse)
        if not isinstance(synapse.operation, Convolution):
            continue
        shape = a.nodes[synapse.source].shape
        reading, inner = synapse.operation.macs(shape)
        n_times = n_frames if synapse.source == 0 else 4
        multiplies += inner * n_times
        if synapse.source in per_node:
            reach = connections(synapse.operation, *shape)
            accumulates += float((per_node[synapse.source] * reach).sum()) / 3
        else:
            multiplies += reading * n_times
    assert accumulates > 0
    assert found == pytest.approx(nj(accumulates=accumulates, multiplies=multiplies), rel=1e-9)


def test_the_bounds_hold_every_rate_between_the_lowest_and_saturation() -> None:
    sample = [
        decode(library.load(name)[0], input_spec=InputSpec((1, 8, 8), 10)) for name in library.names("evonas")
    ]
    low, high = OBJECTIVES.get("energy_nj").bounds(sample, Stimulation(time_steps=T, batch=8, static=True))
    for a in sample:
        for rate in (0.005, 0.3, 1.0):
            full = energy_nj(
                a,
                time_steps=T,
                static=True,
                spikes=lambda node, a=a, rate=rate: torch.full(  # type: ignore[misc]
                    a.nodes[node].shape[1:], rate * a.nodes[node].shape[0] * T, dtype=torch.float64
                ),
            )
            assert low <= full <= high
