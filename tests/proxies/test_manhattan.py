"""The summed Manhattan distance, against the sum over pairs that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from evonas.evaluation.evaluator import Task, evaluate
from evonas.objectives import OBJECTIVES
from evonas.proxies import PROXIES, Candidate, Stimulation
from evonas.proxies.manhattan import summed_distance
from evonas.snn.statistics import TRAIN_GRAM
from genomes import library
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution

SPEC = InputSpec((1, 8, 8), 10)
PROXY = PROXIES.get("rdm_manhattan_summed")


def inputs() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((1, 6, 1, 8, 8), dtype=np.float32))


def candidate(architecture: Architecture) -> Candidate:
    statistics = PROXIES.get("rdm_manhattan_summed").statistics
    return Candidate(architecture, inputs=inputs(), time_steps=4, seed=0, statistics=statistics)


def unmoved() -> Architecture:
    """A network whose threshold nothing reaches."""
    return canonical(
        input_spec=SPEC,
        nodes=[Draft("input"), Draft("add", Neuron("if", 1e30, None, "hard"))],
        synapses=[Synapse(0, 1, Convolution(Kernel(3), channels=4))],
        outputs=[1],
    )


class Unmoved:
    """A space with one network, which never fires."""

    input = SPEC

    def decode(self, genome: object) -> Architecture:
        return unmoved()


def test_it_counts_every_pair_in_both_orders() -> None:
    spikes = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]])[None, :, :, None, None]
    assert summed_distance(TRAIN_GRAM.measure(spikes)) == 2 * (2 + 2 + 2)


def test_it_is_the_mean_over_layers_and_steps_of_the_sum_over_pairs() -> None:
    architecture = decode(library.load("inhibited_chain")[0], input_spec=SPEC)
    found = candidate(architecture)
    measured = PROXY.value(found)
    calls: list[float] = []

    def observe(node: int, spikes: Tensor) -> None:
        if node in architecture.spiking:
            calls.extend(2 * pdist(step.flatten(1).numpy(), "cityblock").sum() for step in spikes)

    with torch.no_grad():
        found.network(inputs(), time_steps=4, observe=observe)
    assert len(calls) == 4 * len(architecture.spiking)
    assert measured.value == pytest.approx(sum(calls) / len(calls))
    assert 0 < measured.diagnostics["firing_rate"] < 1


def test_it_is_judged_by_its_logarithm_between_bounds_above_zero() -> None:
    objective = OBJECTIVES.get("rdm_manhattan_summed")
    assert (objective.direction, objective.scale) == ("max", "log10")
    sample = [decode(library.load(name)[0], input_spec=SPEC) for name in library.names("evonas")]
    for batch in (64, 256):
        low, high = objective.bounds(sample, Stimulation(time_steps=4, batch=batch, static=True))
        assert 0 < low < high


def test_a_network_that_answers_all_samples_alike_is_a_failure_and_not_the_worst_value() -> None:
    assert PROXY.value(candidate(unmoved())).value == 0.0
    space: object = Unmoved()
    task = Task(space, ("rdm_manhattan_summed", "parameters"), time_steps=4, seed=0)  # type: ignore[arg-type]
    found = evaluate(task, None, inputs=inputs())
    assert found.status == "failed"
    assert found.reason == "rdm_manhattan_summed is 0; its log10 scale needs a positive number"
    assert found.objectives == {}
    assert found.diagnostics["silent_layers"] == 1.0
