from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from evonas.data import Dataset, Split, normalise
from evonas.measurements.training_cost import saved_bytes, training_cost
from evonas.runs.results import Run
from evonas.snn.network import SpikingNetwork
from genomes.genome import Genome

MakeRun = Callable[..., Run]
MakeGenome = Callable[..., Genome]


@pytest.mark.parametrize("surrogate", ["arctan", "triangle"])
def test_the_gradients_are_those_of_the_first_batch_under_the_first_weights(
    surrogate: str, make_run: MakeRun, make_genome: MakeGenome, digits: Dataset
) -> None:
    genome = make_genome("feedforward_excitation", "feedforward_inhibition")
    run = make_run([genome], settings=[f"training.surrogate={surrogate}"])
    identity = run.rows[0].architecture_id
    found = training_cost(run, identity, digits)

    network = SpikingNetwork(run.architecture(identity), seed=5, surrogate=surrogate).train()
    images = torch.from_numpy(normalise(digits.train.inputs[:32], digits.spec))
    logits = network(images[None], time_steps=3)
    cross_entropy(logits, torch.from_numpy(digits.train.labels[:32]), label_smoothing=0.1).backward()
    first, last = (network.synapses[i].weight.grad for i in (0, -1))
    expected = math.log10(first.norm())
    assert found["gradient_first"] == pytest.approx(expected, rel=1e-4)
    assert found["gradient_ratio"] == pytest.approx(expected - math.log10(last.norm()), rel=1e-4)
    assert found["step_seconds"] > 0


def test_twice_the_time_steps_keep_nearly_twice_the_memory(
    make_run: MakeRun, make_genome: MakeGenome, digits: Dataset
) -> None:
    genome = make_genome("feedforward_excitation", "feedforward_excitation")
    saved = []
    for time_steps in (4, 8):
        run = make_run([genome], time_steps=time_steps)
        saved.append(training_cost(run, run.rows[0].architecture_id, digits)["saved_mb"])
    assert 1.8 < saved[1] / saved[0] < 2.0
    # At the least the distance to the threshold of every neuron at every step.
    n_neurons = run.architecture(run.rows[0].architecture_id).n_neurons
    assert saved[1] > n_neurons * 8 * 32 * 4 / 1e6


def test_a_trained_network_has_the_cost_of_its_first_weights(feedback_run: Run, digits: Dataset) -> None:
    identity = feedback_run.rows[0].architecture_id
    before = training_cost(feedback_run, identity, digits)
    network = feedback_run.network(identity)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)
    folder = feedback_run.folder.elite(identity)
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / "weights.pt")
    after = training_cost(feedback_run, identity, digits)
    assert {**before, "step_seconds": 0.0} == {**after, "step_seconds": 0.0}


def test_where_no_gradient_arrives_it_has_no_logarithm(feedback_run: Run, digits: Dataset) -> None:
    black = Split(np.zeros_like(digits.train.inputs), digits.train.labels)
    blind = replace(digits, train=black, spec=replace(digits.spec, mean=(0.0,)))
    found = training_cost(feedback_run, feedback_run.rows[0].architecture_id, blind)
    assert math.isnan(found["gradient_first"])
    assert math.isnan(found["gradient_ratio"])


def test_saved_memory_counts_once_and_without_what_is_there_anyway() -> None:
    x = torch.ones(1000, requires_grad=True)

    def by_hand() -> torch.Tensor:
        y = x.exp()  # keeps its result
        z = y.view(10, 100) * y.view(10, 100)  # keeps the same twice
        return (z.sin() * x.view(10, 100)).sum()  # keeps z, its sine, and x

    value, n_bytes = saved_bytes(by_hand, apart=[x])
    assert n_bytes == 3 * 4000
    assert saved_bytes(by_hand, apart=[])[1] == 4 * 4000
    value.backward()
    x0 = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    ((x0.exp() ** 2).sin() * x0).backward()
    assert x0.grad is not None
    assert x.grad is not None
    assert float(x.grad[0]) == pytest.approx(float(x0.grad), rel=1e-4)


def test_the_number_of_threads_is_left_as_it_was(feedback_run: Run, digits: Dataset) -> None:
    torch.set_num_threads(2)
    training_cost(feedback_run, feedback_run.rows[0].architecture_id, digits)
    assert torch.get_num_threads() == 2
