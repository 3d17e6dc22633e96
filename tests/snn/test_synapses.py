import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.snn.synapses import BatchNorm, ConvolutionSynapse, PassiveSynapse
from genomes.micro import Kernel
from genomes.operations import Convolution, MaxPool, Resize


def drawn(sign: int, *, separable: bool = False, seed: int = 0) -> ConvolutionSynapse:
    operation = Convolution(Kernel(3, separable=separable), channels=6, sign=sign)
    return ConvolutionSynapse(operation, in_shape=(4, 8, 8), rng=np.random.default_rng(seed))


def random_input(seed: int = 1) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((5, 4, 8, 8), dtype=np.float32))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("batch_statistics", [True, False])
def test_a_signed_current_keeps_its_sign_for_any_weights_statistics_and_affine_values(
    sign: int, batch_statistics: bool
) -> None:
    synapse = drawn(sign)
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        with torch.no_grad():
            for parameter in synapse.parameters():
                parameter.normal_(std=3.0, generator=rng)
            synapse.norm.running_mean.normal_(std=3.0, generator=rng)
            synapse.norm.running_var.uniform_(0.0, 3.0, generator=rng)
        current = synapse(random_input(), batch_statistics)
        assert (sign * current >= 0).all()
        assert current.abs().max() > 0


@pytest.mark.parametrize("sign", [1, -1])
def test_a_signed_current_keeps_its_sign_through_training(sign: int) -> None:
    synapse = drawn(sign)
    optimizer = torch.optim.SGD(synapse.parameters(), lr=1.0)
    for _ in range(3):
        current = synapse(random_input(), True)
        assert (sign * current >= 0).all()
        optimizer.zero_grad()
        current.square().mean().backward()
        optimizer.step()
    assert (sign * synapse(random_input(), True) >= 0).all()


def test_an_unsigned_current_has_both_signs() -> None:
    current = drawn(0)(random_input(), True)
    assert current.min() < 0 < current.max()


@pytest.mark.parametrize("separable", [True, False])
def test_the_weights_are_as_many_as_the_operation_says(separable: bool) -> None:
    synapse = drawn(0, separable=separable)
    operation = Convolution(Kernel(3, separable=separable), channels=6)
    assert sum(p.numel() for p in synapse.parameters()) == operation.n_parameters((4, 8, 8))


def test_a_separable_convolution_is_a_depthwise_and_a_pointwise_one() -> None:
    synapse = drawn(0, separable=True)
    assert synapse.depthwise is not None
    x = random_input()
    depthwise = torch.nn.functional.conv2d(x, synapse.depthwise, padding=1, groups=4)
    expected = torch.nn.functional.batch_norm(
        torch.nn.functional.conv2d(depthwise, synapse.weight), None, None, training=True
    )
    torch.testing.assert_close(synapse(x, True), expected)


def test_batch_norm_agrees_with_torch_in_output_and_statistics() -> None:
    ours, theirs = BatchNorm(4), torch.nn.BatchNorm2d(4)
    x = random_input()
    torch.testing.assert_close(ours(x, True), theirs(x))
    ours.commit(0.1)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    biased = 0.9 + 0.1 * x.var((0, 2, 3), correction=0)
    torch.testing.assert_close(ours.running_var, biased)


def test_statistics_of_several_calls_are_those_of_all_their_inputs_together() -> None:
    norm = BatchNorm(4)
    parts = [random_input(seed) * (seed + 1) + seed for seed in range(3)]
    for part in parts:
        norm(part, True)
    norm.commit(1.0)
    together = torch.cat(parts)
    torch.testing.assert_close(norm.running_mean, together.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, together.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)


def test_a_commit_without_calls_changes_nothing() -> None:
    norm = BatchNorm(4)
    norm(random_input(), False)
    norm.commit(1.0)
    assert (norm.running_mean == 0).all()
    assert (norm.running_var == 1).all()


def test_the_gain_starts_at_one() -> None:
    assert (drawn(1).norm.weight == 1).all()


def test_pooling_spikes_is_a_logical_or_and_resizing_repeats_them() -> None:
    spikes = (random_input() > 0).float()
    pooled = PassiveSynapse(MaxPool(2))(spikes, False)
    assert pooled.shape == (5, 4, 4, 4)
    assert set(pooled.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(PassiveSynapse(Resize(8, 8))(pooled, False)[..., ::2, ::2], pooled)
