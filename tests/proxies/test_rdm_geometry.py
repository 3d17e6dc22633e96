"""The geometry of currents and spikes: each ingredient against the spikes and currents themselves."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import astuple, fields, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from torch import Tensor

import evonas.proxies.candidate
from evonas.proxies import PROXIES, Candidate, rdm_geometry
from evonas.proxies.rdm_geometry import (
    CHANNELS,
    LEAST_RATE,
    N_SEEDS,
    STATISTICS,
    Geometry,
    geometry,
    measure,
    spatial_layers,
)
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes import library
from genomes.architecture import INPUT, Architecture, Draft, InputSpec, Synapse, canonical
from genomes.canvas import Canvas
from genomes.decoding import decode
from genomes.micro import Kernel, Neuron
from genomes.narrowing import narrowed
from genomes.operations import AveragePool, Convolution, Linear

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]
Patterns = NDArray[np.float64]

INGREDIENTS = ("alignment", "sparsity", "expansion", "drift")
IF = Neuron("if", 1.0, None, "hard")


def seen(candidate: Candidate) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """The currents and spikes of a candidate's layers, with the statistics that its own pass has stored."""
    currents: dict[int, Tensor] = {}
    spikes: dict[int, Tensor] = {}
    with torch.no_grad():
        candidate.network(
            candidate.inputs,
            time_steps=candidate.time_steps,
            observe=lambda node, sequence: spikes.__setitem__(node, sequence.clone()),
            observe_current=lambda node, sequence: currents.__setitem__(node, sequence.clone()),
        )
    return currents, {node: spikes[node] for node in currents}


def patterns(sequence: Tensor) -> Patterns:
    """One row of means over time for each sample."""
    return sequence.double().mean(0).flatten(1).numpy()


def covariance(x: Patterns) -> Patterns:
    """Between samples, up to a factor."""
    return np.asarray((x - x.mean(0)) @ (x - x.mean(0)).T)


def n_directions(x: Patterns) -> float:
    eigenvalues = np.linalg.eigvalsh(covariance(x))
    return float(eigenvalues.sum() ** 2 / np.square(eigenvalues).sum())


def aligned(x: Patterns, y: Patterns) -> float:
    a, b = covariance(x), covariance(y)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("loop", [False, True])
def test_the_ingredients_are_those_of_currents_and_spikes(
    chain: Chain, make_candidate: MakeCandidate, loop: bool
) -> None:
    candidate = make_candidate(chain([0.3, 1.0, 0.6], loop=loop))
    found = geometry(candidate)
    currents, spikes = seen(candidate)
    assert list(currents) == list(candidate.architecture.spiking) == [1, 2, 3]
    into = [patterns(x) for x in currents.values()]
    out = [patterns(x) for x in spikes.values()]
    firing_rates = [x.mean() for x in out]
    assert min(firing_rates) > LEAST_RATE
    assert found.alignment == pytest.approx(np.mean([aligned(x, y) for x, y in zip(into, out, strict=True)]))
    assert found.sparsity == pytest.approx(-np.mean(np.log(firing_rates)))
    gains = [n_directions(y) / n_directions(x) for x, y in zip(into, out, strict=True)]
    assert found.expansion == pytest.approx(np.mean(np.log(gains)), rel=1e-4)
    rdms = np.corrcoef(np.stack([pdist(x, "correlation") for x in into]))
    angles = [math.acos(rdms[i, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found.drift == pytest.approx(-np.mean(angles), rel=1e-4)
    assert found.depth == candidate.architecture.depth == 3


def test_a_single_layer_has_nowhere_to_drift(chain: Chain, make_candidate: MakeCandidate) -> None:
    assert geometry(make_candidate(chain([1.0]))).drift == 0.0


def test_the_score_is_the_documented_sum() -> None:
    assert rdm_geometry.__doc__ is not None
    formula = re.search(r"rdm_geometry = (.+)", rdm_geometry.__doc__)
    assert formula is not None
    product = re.sub(r"([\d.]+) ([A-Z])", r"\1 * \2", formula[1])
    found = Geometry(alignment=0.7, sparsity=1.9, expansion=-0.3, drift=-0.8, depth=6.0)
    values = {"A": 0.7, "S": 1.9, "E": -0.3, "W": 0.8, "D": 6.0}
    assert found.score == pytest.approx(eval(product, {}, values))
    for better in (
        {"alignment": 0.8},
        {"sparsity": 2.0},
        {"expansion": -0.2},
        {"drift": -0.7},
        {"depth": 7.0},
    ):
        assert replace(found, **better).score > found.score


def test_each_ingredient_is_a_proxy_and_all_come_from_one_measurement(
    chain: Chain, make_candidate: MakeCandidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = make_candidate(chain([0.3, 1.0]))
    expected, diagnostics = measure(candidate)
    built = networks(monkeypatch)
    candidate = make_candidate(chain([0.3, 1.0]))
    results = {name: PROXIES.get(f"rdm_{name}").value(candidate) for name in (*INGREDIENTS, "geometry")}
    assert {name: results[name].value for name in INGREDIENTS} == {
        name: getattr(expected, name) for name in INGREDIENTS
    }
    assert results["geometry"].value == expected.score
    assert results["geometry"].diagnostics == diagnostics
    assert 0 < diagnostics["firing_rate"] < 1
    assert len(built) == N_SEEDS


def networks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Id and seed of every network that is built from now on."""
    built: list[tuple[str, int]] = []

    class Counted(SpikingNetwork):
        def __init__(self, architecture: Architecture, *, seed: int) -> None:
            built.append((architecture.id, seed))
            super().__init__(architecture, seed=seed)

    monkeypatch.setattr(evonas.proxies.candidate, "SpikingNetwork", Counted)
    return built


def test_the_ingredients_are_means_over_sets_of_first_weights(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    architecture = chain([0.3, 1.0])
    more = generator(5, "more first weights").integers(2**32, size=N_SEEDS - 1)
    alone = [geometry(make_candidate(architecture, seed=seed)) for seed in (5, *map(int, more))]
    assert len({one.score for one in alone}) == N_SEEDS
    found, _ = measure(make_candidate(architecture, seed=5))
    assert astuple(found) == pytest.approx(
        [np.mean([getattr(g, f.name) for g in alone]) for f in fields(Geometry)]
    )


def test_wide_networks_are_scored_narrow_and_never_built(
    chain: Chain, make_candidate: MakeCandidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = chain([0.3, 1.0], channels=4 * CHANNELS)
    narrow = narrowed(wide, channels=CHANNELS)
    assert narrow.n_neurons == wide.n_neurons // 4
    built = networks(monkeypatch)
    candidate = make_candidate(wide)
    found, diagnostics = measure(candidate)
    assert "network" not in vars(candidate)
    assert [architecture for architecture, _ in built] == [narrow.id] * N_SEEDS
    itself, seen = measure(make_candidate(narrow))
    assert found == itself
    assert "firing_rate" in seen
    assert diagnostics == {}, "how another network fires is not told of this one"


def test_the_pass_of_a_narrow_network_serves_other_objectives_too(
    chain: Chain, make_candidate: MakeCandidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = networks(monkeypatch)
    candidate = make_candidate(chain([0.3, 1.0], channels=CHANNELS), seed=3)
    measure(candidate)
    assert "network" in vars(candidate)
    candidate.measured(STATISTICS[0])
    assert sum(seed == 3 for _, seed in built) == 1
    assert len(built) == N_SEEDS


def test_layers_behind_a_dense_synapse_do_not_count(make_candidate: MakeCandidate) -> None:
    canvas = Canvas()
    stem = canvas.spikes(canvas.through(INPUT, Convolution(Kernel(3), 4)), IF)
    last = canvas.spikes(canvas.through(stem, Convolution(Kernel(3), 4)), IF)
    hidden = canvas.spikes(canvas.through(last, AveragePool(2, 2), Linear(12)), IF)
    spec = InputSpec((2, 6, 6), 4)
    with_dense = canvas.architecture(spec, outputs=[hidden])
    without = canvas.architecture(spec, outputs=[last])
    assert len(with_dense.spiking) == 3
    assert spatial_layers(with_dense) == spatial_layers(without) == [1, 2]
    found, expected = geometry(make_candidate(with_dense)), geometry(make_candidate(without))
    assert replace(found, depth=2.0) == expected
    assert found.depth == 3


def test_where_all_layers_are_dense_all_count(make_candidate: MakeCandidate) -> None:
    canvas = Canvas()
    hidden = canvas.spikes(canvas.through(INPUT, Linear(12)), Neuron("if", 0.1, None, "hard"))
    architecture = canvas.architecture(InputSpec((2, 6, 6), 4), outputs=[hidden])
    assert spatial_layers(architecture) == [1]
    assert math.isfinite(geometry(make_candidate(architecture)).score)


def every_neuron_does_the_same(candidate: Candidate, *, bias: float) -> Candidate:
    with torch.no_grad():
        for name, parameter in candidate.network.named_parameters():
            if name.endswith("norm.bias"):
                parameter.fill_(bias)
    return candidate


@pytest.mark.parametrize("bias", [-50.0, 50.0], ids=["silent", "saturated"])
@pytest.mark.parametrize("thresholds", [[1.0], [0.5, 1.0], [0.5, 1.0, 0.7, 1.0]])
def test_silent_and_saturated_networks_have_a_low_score(
    chain: Chain, make_candidate: MakeCandidate, thresholds: list[float], bias: float
) -> None:
    architecture = chain(thresholds)
    candidate = every_neuron_does_the_same(make_candidate(architecture), bias=bias)
    found = geometry(candidate)
    assert all(math.isfinite(value) for value in astuple(found))
    assert found.alignment == 0.0
    assert found.sparsity == pytest.approx(-math.log(LEAST_RATE) if bias < 0.0 else 0.0, abs=1e-9)
    assert found.expansion <= 0.0
    alive = [geometry(make_candidate(architecture, seed=seed)).score for seed in range(4)]
    assert found.score < min(alive)


def test_thresholds_that_nothing_reaches_have_a_low_score(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    found = geometry(make_candidate(chain([1e30] * 4)))
    assert found.alignment == 0.0
    assert found.expansion < 0.0  # what enters the first layer differs, nothing leaves it
    assert found.score < geometry(make_candidate(chain([1.0] * 4))).score - 5.0


def test_equal_samples_have_no_geometry(chain: Chain, make_candidate: MakeCandidate) -> None:
    made = make_candidate(chain([0.3, 1.0]))
    one = Candidate(
        made.architecture,
        inputs=made.inputs[:, :1].expand(-1, 8, -1, -1, -1).contiguous(),
        time_steps=4,
        seed=0,
        statistics=STATISTICS,
    )
    found = geometry(one)
    assert (found.alignment, found.expansion) == (0.0, pytest.approx(0.0, abs=1e-6))
    assert found.drift == pytest.approx(-math.pi / 2)


def shown(architecture: Architecture, order: list[int], labels: Tensor | None = None) -> Candidate:
    x = np.random.default_rng(0).standard_normal((1, 8, *architecture.input.shape), dtype=np.float32)
    return Candidate(
        architecture,
        inputs=torch.from_numpy(x[:, order]),
        labels=labels,
        time_steps=4,
        seed=0,
        statistics=STATISTICS,
    )


@pytest.mark.parametrize("name", ["feedback_loop", "inhibited_chain", "spiking_resnet"])
def test_neither_labels_nor_the_order_of_samples_count(name: str) -> None:
    architecture = decode(library.load(name)[0], input_spec=InputSpec((1, 8, 8), 10))
    found, _ = measure(shown(architecture, list(range(8))))
    labelled, _ = measure(shown(architecture, list(range(8)), torch.arange(8)))
    shuffled, _ = measure(shown(architecture, [3, 0, 7, 5, 1, 2, 6, 4]))
    assert labelled == found
    # Batch-norm statistics are sums in another order, which may move a few spikes.
    assert astuple(shuffled) == pytest.approx(astuple(found), rel=1e-2)


def test_equal_candidates_have_equal_scores_and_other_seeds_others(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    architecture = chain([0.3, 1.0], loop=True)
    first, second, other = (measure(make_candidate(architecture, seed=seed)) for seed in (0, 0, 1))
    assert first == second
    assert other[0].score != first[0].score


def test_deeper_networks_of_one_kind_score_higher(chain: Chain, make_candidate: MakeCandidate) -> None:
    found = [measure(make_candidate(chain([0.5] * n)))[0].score for n in (1, 2, 4)]
    assert found == sorted(found)


def test_parallel_layers_do_not_add_depth(make_candidate: MakeCandidate) -> None:
    conv = Convolution(Kernel(3), channels=4)
    nodes = [
        Draft("input"),
        Draft("add", IF),
        Draft("add", Neuron("if", 0.5, None, "hard")),
        Draft("add", IF),
    ]
    synapses = [Synapse(0, 1, conv), Synapse(0, 2, conv), Synapse(1, 3, conv), Synapse(2, 3, conv)]
    architecture = canonical(input_spec=InputSpec((2, 6, 6), 4), nodes=nodes, synapses=synapses, outputs=[3])
    assert len(architecture.spiking) == 3
    assert geometry(make_candidate(architecture)).depth == 2
