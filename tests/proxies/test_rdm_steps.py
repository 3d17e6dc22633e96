"""RDMs of single time steps, by hand and against the spikes of a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.rdm_steps import step_dissimilarity
from evonas.snn.statistics import STEP_GRAMS
from genomes.architecture import Architecture

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]

# Two samples at four neurons: silent, then half of one in common with the other, then equal.
SPIKES = [[[0, 0, 0, 0], [0, 0, 0, 0]], [[1, 1, 0, 0], [0, 1, 1, 0]], [[1, 0, 0, 1], [1, 0, 0, 1]]]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("correlation", [1.0, 1.0, 0.0]),
        ("cosine", [1.0, 0.5, 0.0]),
        ("euclidean", [0.0, 0.5, 0.0]),
        ("hamming", [0.0, 0.5, 0.0]),
    ],
)
def test_steps_by_hand(distance: str, expected: list[float]) -> None:
    steps = STEP_GRAMS.measure(torch.tensor(SPIKES, dtype=torch.float32)[..., None, None])
    assert step_dissimilarity(steps, distance) == pytest.approx(expected, abs=1e-12)


def observed(candidate: Candidate) -> list[Tensor]:
    """The spikes (T, B, n) of each layer."""
    layers: list[Tensor] = []
    with torch.no_grad():
        candidate.network(
            candidate.inputs,
            time_steps=candidate.time_steps,
            observe=lambda node, spikes: layers.append(spikes.flatten(2)),
        )
    return layers


@pytest.mark.parametrize("distance", ["correlation", "cosine"])
def test_the_proxy_is_the_mean_over_layers_and_steps(
    chain: Chain, make_candidate: MakeCandidate, distance: str
) -> None:
    candidate = make_candidate(chain([0.3, 0.5], loop=True, channels=8))
    found = PROXIES.get(f"rdm_steps_{distance}").value(candidate)
    layers = observed(candidate)
    assert len(layers) == 2
    means = []
    for step in (step.double().numpy() for spikes in layers for step in spikes):
        apart = pdist(step, distance)  # type: ignore[call-overload]
        means.append(np.where(np.isnan(apart), 1.0, apart).mean())  # silent patterns have no angle
    assert found.value == pytest.approx(np.mean(means), rel=1e-6)
    assert 0 < found.diagnostics["firing_rate"] < 1


def test_growth_is_from_the_first_to_the_last_step(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([1.5, 2.0], channels=8))
    found = PROXIES.get("rdm_growth").value(candidate).value
    ends = [[pdist(spikes[t].numpy(), "hamming").mean() for t in (0, -1)] for spikes in observed(candidate)]
    assert found == pytest.approx(np.mean([last - first for first, last in ends]))
    assert found > 0.0  # it takes more than a step to reach thresholds that high


def test_one_time_step_is_no_growth(chain: Chain, make_candidate: MakeCandidate) -> None:
    several = make_candidate(chain([0.3, 0.5]))
    proxy = PROXIES.get("rdm_growth")
    one = Candidate(
        several.architecture, inputs=several.inputs, time_steps=1, seed=0, statistics=proxy.statistics
    )
    assert proxy.value(one).value == 0.0


@pytest.mark.parametrize(("distance", "of_trains"), [("correlation", "rdm"), ("cosine", "rdm_trains_cosine")])
def test_single_steps_differ_from_whole_trains(
    distance: str, of_trains: str, chain: Chain, make_candidate: MakeCandidate
) -> None:
    candidate = make_candidate(chain([0.3, 0.5]))
    steps, trains = (
        PROXIES.get(name).value(candidate).value for name in (f"rdm_steps_{distance}", of_trains)
    )
    assert steps != pytest.approx(trains, rel=1e-3)
