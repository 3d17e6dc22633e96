from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import evonas.proxies.candidate
from evonas.errors import ConfigError
from evonas.proxies import Candidate
from evonas.snn.network import SpikingNetwork
from evonas.snn.statistics import COUNTS, TRAIN_GRAM, Statistic
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.decoding import decode

SPEC = InputSpec((1, 8, 8), 10)


def architecture() -> Architecture:
    return decode(library.load("feedback_loop")[0], input_spec=SPEC)


def candidate(*statistics: Statistic, seed: int = 0, labels: Tensor | None = None) -> Candidate:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 5, *SPEC.shape), dtype=np.float32))
    return Candidate(architecture(), inputs=x, labels=labels, time_steps=3, seed=seed, statistics=statistics)


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


def test_a_statistic_of_currents_sees_what_drives_the_neurons() -> None:
    def measure(current: Tensor) -> tuple[tuple[int, ...], bool]:
        return tuple(current.shape), bool(current.remainder(1.0).any())

    of_current = Statistic(measure, spiking_only=True, of_current=True)
    of_spikes = Statistic(measure, spiking_only=True)
    made = candidate(of_current, of_spikes)
    assert set(made.measured(of_current)) == set(made.architecture.spiking)
    for node in made.architecture.spiking:
        shape, is_current = made.measured(of_current)[node]
        assert shape[1:] == (5, *made.architecture.nodes[node].shape)
        assert shape[0] in (1, 3)
        assert is_current
        assert made.measured(of_spikes)[node] == ((3, 5, *made.architecture.nodes[node].shape), False)


def test_what_is_measured_once_is_kept_for_each_measure_and_candidate() -> None:
    seen: list[tuple[str, Candidate]] = []

    def first(made: Candidate) -> list[int]:
        seen.append(("first", made))
        return [made.seed]

    def second(made: Candidate) -> None:
        seen.append(("second", made))

    one, other = candidate(), candidate(seed=1)
    assert one.once(first) == [0]
    assert one.once(first) is one.once(first)
    assert other.once(first) == [1]
    assert one.once(second) is one.once(second) is None
    assert seen == [("first", one), ("first", other), ("second", one)]


def test_labels_are_handed_on_and_their_absence_is_an_error_in_one_line() -> None:
    labels = torch.tensor([3, 1, 3, 0, 2])
    assert candidate(labels=labels).labels is labels
    with pytest.raises(ConfigError, match="labels: this proxy needs the class of every sample") as error:
        candidate().labels  # noqa: B018
    assert "\n" not in str(error.value)


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
