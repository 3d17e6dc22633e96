"""One pass of training: it learns what can be learnt, is judged by what it has not seen, and touches nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from evonas.errors import ConfigError
from evonas.proxies import PROXIES, Candidate, one_epoch
from evonas.proxies.one_epoch import trained
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS
from genomes.architecture import INPUT, Architecture, InputSpec
from genomes.canvas import Canvas
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Dropout, Operation

N, N_TRAIN, T = 200, 160, 3


def network_of(*between: Operation) -> Architecture:
    """Two layers of neurons for two classes, with the operations `between` them."""
    canvas, neuron = Canvas(), Neuron("lif", v_threshold=0.5, tau=2.0, reset="hard")
    first = canvas.spikes(canvas.through(INPUT, Convolution(Kernel(3), 8)), neuron)
    second = canvas.spikes(canvas.through(first, *between, Convolution(Kernel(3), 8)), neuron)
    return canvas.architecture(InputSpec((1, 6, 6), 2), outputs=[second])


@pytest.fixture(scope="module")
def architecture() -> Architecture:
    return network_of()


def halves(*, n: int = N, n_frames: int = 1) -> tuple[Tensor, Tensor]:
    """Noise (n_frames, n, 1, 6, 6) whose upper half is brighter in class 0 and whose lower half is in class 1."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    images = rng.standard_normal((n_frames, n, 1, 6, 6), dtype=np.float32)
    images[:, labels == 0, :, :3] += 2
    images[:, labels == 1, :, 3:] += 2
    return torch.from_numpy(images), torch.from_numpy(labels)


def candidate(
    architecture: Architecture, inputs: Tensor, labels: Tensor | None, *, seed: int = 0
) -> Candidate:
    return Candidate(architecture, inputs=inputs, labels=labels, time_steps=T, seed=seed, statistics=[COUNTS])


def value(found: Candidate) -> float:
    return PROXIES.get("one_epoch").value(found).value


def weights(network: SpikingNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("n_frames", [1, T])
def test_it_learns_images_and_recordings(architecture: Architecture, n_frames: int) -> None:
    assert value(candidate(architecture, *halves(n=800, n_frames=n_frames))) > 0.8


def test_without_a_rule_there_is_nothing_to_learn(architecture: Architecture) -> None:
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 800, 1, 6, 6), dtype=np.float32))
    assert 0.3 < value(candidate(architecture, noise, halves(n=800)[1])) < 0.7


def test_labels_of_the_last_fifth_are_judged_by_and_not_learnt(architecture: Architecture) -> None:
    inputs, labels = halves()
    swapped = torch.cat([labels[:N_TRAIN], 1 - labels[N_TRAIN:]])
    found = value(candidate(architecture, inputs, labels))
    assert found > 0.5
    assert value(candidate(architecture, inputs, swapped)) == pytest.approx(1 - found)


def test_each_image_of_the_last_fifth_is_judged_alone(architecture: Architecture) -> None:
    def n_right(inputs: Tensor) -> float:
        """How many of the first half of the last fifth are right: of the others, either these labels are or those."""
        _, labels = halves()
        swapped = torch.cat([labels[:180], 1 - labels[180:]])
        scores = [value(candidate(architecture, inputs, given)) for given in (labels, swapped)]
        return (40 * sum(scores) - 20) / 2

    inputs, _ = halves()
    expected = n_right(inputs)
    inputs[:, 180:] *= 1000
    assert n_right(inputs) == pytest.approx(expected)


def test_it_goes_once_over_the_first_four_fifths_in_order(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[bool, Tensor]] = []

    class Watched(SpikingNetwork):
        def forward(self, x: Tensor, **arguments: Any) -> Tensor:
            shown.append((self.training, x))
            return super().forward(x, **arguments)

    steps: list[tuple[int, int]] = []

    def rate(step: int, *, n_steps: int, peak: float) -> float:
        steps.append((step, n_steps))
        return peak

    monkeypatch.setattr(one_epoch, "SpikingNetwork", Watched)
    monkeypatch.setattr(one_epoch, "learning_rate_at", rate)
    inputs, labels = halves(n=90)
    value(candidate(architecture, inputs, labels))
    assert [x.shape[1] for training, x in shown if training] == [32, 32, 8]
    assert torch.equal(torch.cat([x for training, x in shown if training], dim=1), inputs[:, :72])
    assert steps == [(0, 3), (1, 3), (2, 3)]


def test_a_step_is_that_of_adamw_on_the_cross_entropy(architecture: Architecture) -> None:
    inputs, labels = halves(n=32)
    network = SpikingNetwork(architecture, seed=5).train()
    cross_entropy(network(inputs, time_steps=T), labels).backward()
    found = dict(trained(candidate(architecture, inputs, labels, seed=5), n_examples=32).named_parameters())
    for name, before in network.named_parameters():
        assert before.grad is not None
        decay = 0.005 * 0.01 if before.dim() > 1 else 0.0
        # The first step of Adam: mean and root mean square of one gradient are that gradient.
        expected = before * (1 - decay) - 0.005 * before.grad / (before.grad.abs() + 1e-8)
        torch.testing.assert_close(found[name], expected, msg=lambda text, name=name: f"{name}: {text}")


def test_the_network_that_all_proxies_share_neither_matters_nor_changes(architecture: Architecture) -> None:
    inputs, labels = halves()
    alone, shared = (candidate(architecture, inputs, labels) for _ in range(2))
    with torch.no_grad():
        for parameter in shared.network.parameters():
            parameter.mul_(0.5)
        shared.health()
        before = weights(shared.network)
        assert value(shared) == value(alone)
    assert same(weights(shared.network), before)
    assert not shared.network.training
    assert all(parameter.grad is None for parameter in shared.network.parameters())


def test_the_first_weights_are_those_of_the_seed(architecture: Architecture) -> None:
    inputs, labels = halves()
    first, again, other = (
        weights(trained(candidate(architecture, inputs, labels, seed=seed), n_examples=N_TRAIN))
        for seed in (1, 1, 2)
    )
    assert same(first, again)
    assert not same(first, other)


def test_masks_of_dropout_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    architecture = network_of(Dropout(0.5))

    def found(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        network = trained(candidate(architecture, *halves()), n_examples=N_TRAIN)
        assert torch.equal(torch.get_rng_state(), before)
        return weights(network)

    assert same(found(1), found(2))


def test_it_needs_labels_and_something_to_judge_by(architecture: Architecture) -> None:
    inputs, labels = halves()
    with pytest.raises(ConfigError, match="needs the class of every sample"):
        value(candidate(architecture, inputs, None))
    with pytest.raises(ConfigError, match="expected 2 samples or more, got 1"):
        value(candidate(architecture, inputs[:, :1], labels[:1]))
    assert value(candidate(architecture, inputs[:, :2], labels[:2])) in (0.0, 1.0)
