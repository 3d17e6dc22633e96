"""Shapes, parameters and multiply-accumulates of operations, against torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from genomes.errors import UnknownNameError
from genomes.micro import Kernel
from genomes.operations import Convolution, Identity, MaxPool, Resize, SpatialAttention


def layers(operation: Convolution, in_channels: int) -> list[nn.Conv2d]:
    size = operation.kernel.size
    place = {"kernel_size": size, "stride": operation.stride, "padding": size // 2}
    if operation.kernel.separable:
        return [
            nn.Conv2d(in_channels, in_channels, groups=in_channels, bias=False, **place),  # type: ignore[arg-type]
            nn.Conv2d(in_channels, operation.channels, 1, bias=False),
        ]
    return [nn.Conv2d(in_channels, operation.channels, bias=False, **place)]  # type: ignore[arg-type]


CASES = [
    (Convolution(Kernel(size, separable=separable), channels=6, stride=stride), shape)
    for size in (1, 3, 5, 7)
    for separable in ((False, True) if size > 1 else (False,))
    for stride in (1, 2)
    for shape in ((4, 8, 8), (3, 7, 5), (2, 1, 1))
]


@pytest.mark.parametrize(("operation", "shape"), CASES, ids=str)
def test_a_convolution_counts_as_torch_does(operation: Convolution, shape: tuple[int, int, int]) -> None:
    chain = layers(operation, shape[0])
    x = torch.zeros(1, *shape)
    macs = []
    for layer in chain:
        x = layer(x)
        macs.append(layer.weight.numel() * x.shape[2] * x.shape[3])
    assert operation.out_shape(shape) == tuple(x.shape[1:])
    norm = nn.BatchNorm2d(operation.channels)
    modules: list[nn.Module] = [*chain, norm]
    assert operation.n_parameters(shape) == sum(p.numel() for m in modules for p in m.parameters())
    assert operation.macs(shape) == (macs[0], macs[1] if len(macs) == 2 else 0)


def test_the_sign_changes_no_count() -> None:
    unsigned, inhibitory = (Convolution(Kernel(3), channels=6, sign=sign) for sign in (0, -1))
    assert unsigned.n_parameters((4, 8, 8)) == inhibitory.n_parameters((4, 8, 8)) == 4 * 9 * 6 + 12
    assert unsigned.macs((4, 8, 8)) == inhibitory.macs((4, 8, 8)) == (4 * 9 * 6 * 64, 0)


@pytest.mark.parametrize("shape", [(4, 8, 8), (3, 7, 5)])
@pytest.mark.parametrize("size", [2, 4])
def test_pooling_has_the_shape_of_torch(size: int, shape: tuple[int, int, int]) -> None:
    pooled: Tensor = nn.MaxPool2d(size)(torch.zeros(1, *shape))
    assert MaxPool(size).out_shape(shape) == tuple(pooled.shape[1:])


def test_resize_and_identity_keep_the_channels() -> None:
    assert Resize(8, 6).out_shape((5, 4, 3)) == (5, 8, 6)
    assert Identity().out_shape((5, 4, 3)) == (5, 4, 3)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Convolution(Kernel(3), channels=8), "3x3 convolution"),
        (Convolution(Kernel(5, separable=True), 8, 1, 2), "separable 5x5 convolution stride 2 excitatory"),
        (Convolution(Kernel(1), channels=8, sign=-1), "1x1 convolution inhibitory"),
        (MaxPool(2), "max pool 2x2"),
        (Resize(8, 4), "resize to 8x4"),
        (Identity(), "identity"),
        (SpatialAttention("asa_rest"), "attention 'asa_rest'"),
    ],
)
def test_operations_say_what_they_do(operation: object, words: str) -> None:
    assert str(operation) == words


@pytest.mark.parametrize(
    ("variant", "n_parameters", "reading", "inner"),
    [
        ("asa", 2 + 3 + 2 * 18, 4 * 320, 320 + 5 * 5 + 2 * 18 * 64),
        ("asa_important", 2 + 3 + 18, 3 * 320, 320 + 5 * 5 + 18 * 64),
        ("asa_rest", 2 + 3 + 18, 3 * 320, 320 + 5 * 5 + 18 * 64),
        ("half", 0, 320, 0),
    ],
)
def test_attention_counts_its_maps_and_its_score(
    variant: str, n_parameters: int, reading: int, inner: int
) -> None:
    attention = SpatialAttention(variant)
    assert attention.out_shape((5, 8, 8)) == (5, 8, 8)
    assert attention.n_parameters((5, 8, 8)) == n_parameters
    assert attention.macs((5, 8, 8)) == (reading, inner)
    assert attention.connections((5, 8, 8)) is None
    assert attention.needs_sequence


def test_an_attention_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown attention 'asa_importent'; did you mean 'asa_impor"):
        SpatialAttention("asa_importent")
