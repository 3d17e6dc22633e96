from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import evonas.proxies.candidate
from evonas.proxies import Candidate
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS, TRAIN_GRAM, Statistic
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.decoding import decode

SPEC = InputSpec((1, 8, 8), 10)


def architecture() -> Architecture:
    return decode(library.load("feedback_loop")[0], input_spec=SPEC)


def candidate(*statistics: Statistic, seed: int = 0) -> Candidate:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 5, *SPEC.shape), dtype=np.float32))
    return Candidate(architecture(), inputs=x, time_steps=3, seed=seed, statistics=statistics)


class Forbidden(SpikingNetwork):
    def __init__(self, *args: object, **kwargs: object) -> None:
        raise AssertionError("a network was built")


def test_no_network_is_built_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evonas.proxies.candidate, "SpikingNetwork", Forbidden)
    made = candidate(COUNTS)
    assert made.architecture.n_parameters > 0
    with pytest.raises(AssertionError, match="a network was built"):
        made.measured(COUNTS)


def test_one_pass_serves_all_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    forward = SpikingNetwork.forward

    def counted(self: SpikingNetwork, x: Tensor, **options: object) -> Tensor:
        passes.append(options["calibrate"])
        return forward(self, x, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(SpikingNetwork, "forward", counted)
    made = candidate(COUNTS, TRAIN_GRAM, COUNTS)
    for _ in range(2):
        made.measured(COUNTS)
        made.measured(TRAIN_GRAM)
    assert passes == [True]


def test_a_statistic_sees_each_node_once_and_only_spiking_ones_if_it_says_so() -> None:
    shapes: list[tuple[int, ...]] = []

    def measure(spikes: Tensor) -> int:
        shapes.append(tuple(spikes.shape))
        return int(spikes.sum())

    firing, binary = Statistic(measure, spiking_only=True), Statistic(lambda spikes: None, spiking_only=False)
    made = candidate(firing, binary)
    assert set(made.measured(firing)) == set(made.architecture.spiking)
    assert set(made.measured(binary)) == {
        i for i, is_binary in enumerate(made.architecture.binary) if is_binary
    }
    assert set(made.measured(binary)) > set(made.measured(firing))
    assert sorted(shapes) == sorted(
        (3, 5, *made.architecture.nodes[i].shape) for i in made.architecture.spiking
    )


def test_an_undeclared_statistic_is_not_to_be_had() -> None:
    with pytest.raises(KeyError):
        candidate(COUNTS).measured(TRAIN_GRAM)


def test_no_gradient_is_kept_and_the_network_does_not_train() -> None:
    made = candidate(TRAIN_GRAM)
    assert not made.network.training
    assert all(not gram.products.requires_grad for gram in made.measured(TRAIN_GRAM).values())


def test_the_seed_decides_the_weights() -> None:
    first, second, other = (candidate(TRAIN_GRAM, seed=seed).network.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
