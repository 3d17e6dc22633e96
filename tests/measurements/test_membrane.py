from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.data import Dataset
from evonas.errors import RunError
from evonas.measurements.examples import first_examples
from evonas.measurements.membrane import (
    EDGES,
    activity,
    channel_correlation,
    membrane,
    observed,
    picture,
    potentials,
)
from evonas.runs.results import Run
from evonas.snn.integrate_and_fire import ADAPTATION_DECAY, ADAPTATION_STRENGTH
from evonas.snn.network import SpikingNetwork
from evonas.snn.neurons import SpikingNeuron
from genomes.genome import Genome
from genomes.micro import Neuron


def column(*values: float) -> Tensor:
    """A current (T, 1, 1, 1, 1) into one neuron."""
    return torch.tensor(values).view(-1, 1, 1, 1, 1)


def heard(neuron: Neuron, current: Tensor) -> tuple[list[float], list[float]]:
    with torch.no_grad():
        steps = list(potentials(SpikingNeuron(neuron), current))
    return [float(u) for u, _ in steps], [float(s) for _, s in steps]


def test_the_potential_is_the_one_before_the_reset() -> None:
    u, s = heard(Neuron("lif", 1.0, 2.0, "hard"), column(1.0, 1.5, 0.5))
    assert (u, s) == ([0.5, 1.0, 0.25], [0.0, 1.0, 0.0])
    u, s = heard(Neuron("if", 1.0, None, "soft"), column(0.75, 0.75, 0.75))
    assert (u, s) == ([0.75, 1.5, 1.25], [0.0, 1.0, 1.0])


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("model", ["if", "lif", "plif", "alif"])
def test_every_model_keeps_its_equations(model: str, reset: str) -> None:
    neuron = Neuron(model, 0.5, None if model == "if" else 2.5, reset)
    current = np.random.default_rng(0).standard_normal(30) + 0.5
    v = a = 0.0
    expected_u, expected_s = [], []
    for x in current:
        u = v + (x if neuron.tau is None else (x - v) / neuron.tau)
        s = float(u >= 0.5 + (ADAPTATION_STRENGTH * a if model == "alif" else 0.0))
        v = u * (1 - s) if reset == "hard" else u - 0.5 * s
        a = ADAPTATION_DECAY * a + (1 - ADAPTATION_DECAY) * s
        expected_u.append(u)
        expected_s.append(s)
    u_found, s_found = heard(neuron, column(*current))
    assert u_found == pytest.approx(expected_u, abs=1e-5)
    assert s_found == expected_s
    assert 0 < sum(s_found) < 30


def test_the_activity_of_one_neuron_by_hand() -> None:
    # Potentials 0.5, 1 and 0.25 at a threshold of 2 x 0.5; a spike at the second step.
    layer = activity(SpikingNeuron(Neuron("lif", 1.0, 2.0, "hard")), column(1.0, 1.5, 0.5))
    assert (layer.n, layer.total, layer.squares, layer.n_near) == (3, 1.75, 1.3125, 1)
    assert np.flatnonzero(layer.histogram).tolist() == [65, 70, 80]
    np.testing.assert_allclose(EDGES[[65, 70, 80]], [0.25, 0.5, 1.0], atol=1e-12)
    assert float(layer.spikes) == 1
    # (0, 1) and (1, 0): what is on at a step is off at the next.
    assert layer.step_correlations.tolist() == [-1.0]


def test_potentials_are_in_units_of_the_threshold_and_those_beyond_the_bins_are_not_lost() -> None:
    layer = activity(SpikingNeuron(Neuron("if", 0.5, None, "hard")), column(0.25, -10.0, 50.0))
    assert layer.total == pytest.approx(0.5 - 19.5 + 80.5)
    assert np.flatnonzero(layer.histogram).tolist() == [0, 70, 119]


def test_step_correlations_are_pearsons_over_examples_and_steps() -> None:
    rng = np.random.default_rng(0)
    spikes = (rng.random((5, 40, 1, 2, 3)) < 0.4).astype(np.float32)
    spikes[:, :, 0, 0, 0] = 1.0  # never varies
    spikes[:, :, 0, 1, 1] = spikes[:1, :, 0, 1, 1]  # repeats itself
    # Without leak and threshold 1 a neuron that is reset fires exactly where it is driven.
    found = activity(SpikingNeuron(Neuron("if", 1.0, None, "hard")), torch.from_numpy(spikes))
    expected = [
        np.corrcoef(spikes[:-1, :, 0, y, x].ravel(), spikes[1:, :, 0, y, x].ravel())[0, 1]
        for y in range(2)
        for x in range(3)
        if (y, x) != (0, 0)
    ]
    assert found.step_correlations.tolist() == pytest.approx(expected)
    assert max(expected) == pytest.approx(1.0)


def test_channels_that_fire_at_the_same_places_are_correlated() -> None:
    a = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (5, 1, 3, 3)).astype(np.float32))
    assert channel_correlation(torch.cat([a, a], 1)) == pytest.approx(1.0)
    assert channel_correlation(torch.cat([a, 3 - a], 1)) == pytest.approx(-1.0)
    # Pairs with 1, -1 and -1; the silent channel has none.
    assert channel_correlation(torch.cat([a, 2 * a, 3 - a, 0 * a], 1)) == pytest.approx(-1 / 3)


def test_the_mean_correlation_is_that_of_all_pairs() -> None:
    spikes = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (6, 5, 4, 3)).astype(np.float32))
    table = np.corrcoef(spikes.transpose(0, 1).flatten(1).numpy())
    assert channel_correlation(spikes) == pytest.approx(table[np.triu_indices(5, k=1)].mean())


@pytest.mark.parametrize("shape", [(4, 1, 3, 3), (4, 3, 1, 1)])
def test_without_pairs_or_places_there_is_no_correlation_of_channels(shape: tuple[int, ...]) -> None:
    spikes = torch.from_numpy(np.random.default_rng(0).integers(0, 4, shape).astype(np.float32))
    assert math.isnan(channel_correlation(spikes))


def spikes_of(run: Run, digits: Dataset) -> list[Tensor]:
    """What the layers of neurons of the run's network send for the first 100 test examples, each (T, B, C, H, W)."""
    network = run.network(run.rows[0].architecture_id)
    assert isinstance(network, SpikingNetwork)
    ((inputs, _),) = first_examples(digits.test, spec=digits.spec, n=100, batch=100).in_order()
    found: dict[int, Tensor] = {}
    with torch.no_grad():
        network(inputs, time_steps=3, observe=lambda node, sent: found.update({node: sent.clone()}))
    return [found[node] for node in network.architecture.spiking]


def test_the_spikes_are_those_of_the_network_on_and_off_feedback_cycles(
    feedback_run: Run, digits: Dataset
) -> None:
    identity = feedback_run.rows[0].architecture_id
    expected = spikes_of(feedback_run, digits)
    layers = observed(feedback_run, identity, digits)
    assert len(layers) == len(expected) == 8
    for layer, sent in zip(layers, expected, strict=True):
        assert torch.equal(layer.spikes, sent.sum(0))
        assert layer.n == sent.numel() == layer.histogram.sum()
    rate = sum(float(sent.sum()) for sent in expected) / sum(sent.numel() for sent in expected)
    found = membrane(feedback_run, identity, digits)
    assert found["firing_rate_test"] == pytest.approx(rate)
    # Every spike needs a potential above the threshold; "lif" has no other reason to fire.
    assert found["near_threshold"] >= rate > 0
    assert found["potential_sd"] > 0
    assert -1 < found["channel_correlation"] < 1
    assert -1 < found["step_correlation"] < 1


def test_a_picture_shows_all_potentials_and_where_the_chosen_layer_fires(
    feedback_run: Run, digits: Dataset
) -> None:
    identity = feedback_run.rows[0].architecture_id
    found = picture(feedback_run, identity, digits, layer=1)
    sent = spikes_of(feedback_run, digits)[1]
    assert found.shares.shape == (len(EDGES) - 1,)
    assert found.shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(found.firing_map, sent.double().mean((0, 1, 2)).numpy())
    assert found.firing_map.shape == (8, 8)
    assert found.firing_map.max() > 0


@pytest.mark.parametrize("layer", [-1, 8])
def test_a_layer_that_is_not_there_is_refused(layer: int, feedback_run: Run, digits: Dataset) -> None:
    with pytest.raises(RunError, match=f"has layers of neurons 0 to 7, got {layer}"):
        picture(feedback_run, feedback_run.rows[0].architecture_id, digits, layer=layer)


def test_a_network_that_never_fires_has_no_correlations(
    make_run: Callable[..., Run], make_genome: Callable[..., Genome], digits: Dataset
) -> None:
    deaf = Neuron("lif", 1e6, 2.0, "hard")
    run = make_run([make_genome("feedforward_excitation", neuron=deaf)])
    found = membrane(run, run.rows[0].architecture_id, digits)
    assert found["firing_rate_test"] == found["near_threshold"] == 0.0
    assert math.isnan(found["channel_correlation"])
    assert math.isnan(found["step_correlation"])
