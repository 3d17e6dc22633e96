"""What every operation on a synapse keeps to, with its torch module beside it."""

from __future__ import annotations

import typing

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.snn.synapses import synapse
from genomes.micro import Kernel
from genomes.operations import (
    AveragePool,
    BareConvolution,
    Convolution,
    Dropout,
    Identity,
    Linear,
    MaxPool,
    Normalisation,
    Operation,
    Resize,
    Shape,
    Shift,
    SpatialAttention,
    Zero,
)

CASES: list[Operation] = [
    Identity(),
    Zero(),
    Shift(1),
    MaxPool(2),
    AveragePool(2, 2),
    AveragePool(3, 1),
    AveragePool(4, 4),
    Resize(9, 12),
    Dropout(0.5),
    Normalisation(),
    SpatialAttention("asa"),
    SpatialAttention("asa_rest"),
    SpatialAttention("half"),
    Linear(7),
    BareConvolution(3, 5, 2),
    BareConvolution(5, 4),
    Convolution(Kernel(3), 6, sign=-1),
    Convolution(Kernel(5, separable=True), 6, stride=2),
]
SHAPES: list[Shape] = [(3, 8, 8), (2, 7, 5)]


def spikes(shape: Shape, *, n_steps: int = 4, batch: int = 3) -> Tensor:
    drawn = np.random.default_rng(0).random((n_steps, batch, *shape)) < 0.3
    return torch.from_numpy(drawn.astype(np.float32))


def run(operation: Operation, x: Tensor, *, training: bool = False) -> Tensor:
    """The output (T, B, C, H, W) of the operation's module."""
    module = synapse(operation, in_shape=tuple(x.shape[2:]), rng=np.random.default_rng(1)).train(training)
    if operation.needs_sequence:
        return module(x, True)
    return module(x.flatten(0, 1), True).unflatten(0, x.shape[:2])


def test_every_operation_is_tested_here() -> None:
    assert {type(operation) for operation in CASES} == set(typing.get_args(Operation))


@pytest.mark.parametrize("operation", CASES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestOperation:
    def test_the_module_has_the_shape_and_the_parameters_that_the_operation_says(
        self, operation: Operation, shape: Shape
    ) -> None:
        module = synapse(operation, in_shape=shape, rng=np.random.default_rng(0))
        assert run(operation, spikes(shape)).shape[2:] == operation.out_shape(shape)
        assert sum(p.numel() for p in module.parameters()) == operation.n_parameters(shape)

    def test_it_keeps_spikes_where_it_says_so_and_nowhere_else(
        self, operation: Operation, shape: Shape
    ) -> None:
        out = run(operation, spikes(shape), training=True)
        assert (((out == 0) | (out == 1)).all().item()) == operation.keeps_spikes

    def test_a_spike_reaches_as_many_numbers_as_it_has_connections(
        self, operation: Operation, shape: Shape
    ) -> None:
        connections = operation.connections(shape)
        if connections is None:
            return
        reading, _ = operation.macs(shape)
        assert connections.shape == shape[1:]
        # Less than the multiply-accumulates only by those that read the padding.
        assert 0 < connections.sum() * shape[0] <= reading

    def test_equal_streams_draw_equal_weights(self, operation: Operation, shape: Shape) -> None:
        assert torch.equal(run(operation, spikes(shape)), run(operation, spikes(shape)))


def test_a_shift_moves_up_and_left_and_fills_with_zeros() -> None:
    x = torch.arange(1.0, 10.0).view(1, 1, 1, 3, 3)
    assert run(Shift(1), x).view(3, 3).tolist() == [[5, 6, 0], [8, 9, 0], [0, 0, 0]]


def test_overlapping_average_windows_count_their_zeros() -> None:
    x = torch.ones(1, 1, 1, 3, 3)
    out = run(AveragePool(3, 1), x).view(3, 3) * 9
    assert out.round().tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_dropout_drops_the_same_numbers_at_every_step_and_nothing_outside_training() -> None:
    x = torch.ones(5, 4, 3, 8, 8)
    torch.manual_seed(0)
    out = run(Dropout(0.25), x, training=True)
    assert torch.equal(out, out[:1].expand_as(out))
    assert out.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert 0.2 < (out == 0).float().mean() < 0.3
    assert not torch.equal(out[0, 0], out[0, 1])
    assert torch.equal(run(Dropout(0.25), x), x)


def test_a_linear_synapse_is_a_matrix_product_over_all_numbers() -> None:
    x = spikes((3, 4, 5))
    module = synapse(Linear(7), in_shape=(3, 4, 5), rng=np.random.default_rng(1))
    (weight,) = module.parameters()
    expected = x.flatten(2) @ weight.flatten(1).T
    assert torch.allclose(run(Linear(7), x).flatten(2), expected, atol=1e-5)
