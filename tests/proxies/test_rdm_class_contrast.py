"""How much further apart layers see stimuli of different classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from evonas.errors import ConfigError
from evonas.proxies import PROXIES, Candidate
from evonas.proxies.rdm_class_contrast import class_contrast
from genomes.architecture import INPUT, Architecture, InputSpec
from genomes.canvas import Canvas
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Linear

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]
NAMES = ("rdm_class_contrast", "rdm_class_contrast_last")

RDM = torch.tensor(
    [[0.0, 0.1, 0.5, 0.7], [0.1, 0.0, 0.6, 0.8], [0.5, 0.6, 0.0, 0.3], [0.7, 0.8, 0.3, 0.0]],
    dtype=torch.float64,
)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([4, 4, 9, 9], (0.5 + 0.7 + 0.6 + 0.8) / 4 - (0.1 + 0.3) / 2),
        ([4, 9, 4, 9], (0.1 + 0.7 + 0.6 + 0.3) / 4 - (0.5 + 0.8) / 2),
        ([1, 2, 1, 3], (0.1 + 0.7 + 0.6 + 0.8 + 0.3) / 5 - 0.5),
        ([0, 0, 0, 1], (0.7 + 0.8 + 0.3) / 3 - (0.1 + 0.5 + 0.6) / 3),
    ],
)
def test_contrasts_by_hand(labels: list[int], expected: float) -> None:
    assert class_contrast(RDM, torch.tensor(labels)) == pytest.approx(expected)


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [5, 5, 5, 5]], ids=["all differ", "all equal"])
def test_labels_without_pairs_of_both_kinds_are_refused_in_one_line(labels: list[int]) -> None:
    with pytest.raises(ConfigError, match="two samples of one class and two classes, got") as error:
        class_contrast(RDM, torch.tensor(labels))
    assert "\n" not in str(error.value)


def contrasts(candidate: Candidate) -> list[float]:
    """The contrast of each spiking layer, from the spikes and by loops."""
    found = []

    def observe(node: int, spikes: torch.Tensor) -> None:
        rates = spikes.double().mean(0).flatten(1).numpy()
        matrix, labels = squareform(pdist(rates, "correlation")), candidate.labels.tolist()
        pairs = [(i, j) for i in range(len(labels)) for j in range(i)]
        between = [matrix[i, j] for i, j in pairs if labels[i] != labels[j]]
        within = [matrix[i, j] for i, j in pairs if labels[i] == labels[j]]
        found.append(float(np.mean(between) - np.mean(within)))

    with torch.no_grad():
        candidate.network(candidate.inputs, time_steps=candidate.time_steps, observe=observe)
    return found


def test_the_proxies_are_the_mean_over_layers_and_the_last_one(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    candidate = make_candidate(chain([0.3, 0.5, 0.4], channels=8), batch=12)
    mean, last = (PROXIES.get(name).value(candidate) for name in NAMES)
    layers = contrasts(candidate)
    assert len(layers) == 3
    assert mean.value == pytest.approx(np.mean(layers), abs=1e-6)
    assert last.value == pytest.approx(layers[-1], abs=1e-6)
    assert mean.value != last.value
    assert mean.diagnostics == last.diagnostics
    assert 0 < mean.diagnostics["firing_rate"] < 1


def test_layers_behind_a_dense_synapse_do_not_count(make_candidate: MakeCandidate) -> None:
    canvas, neuron = Canvas(), Neuron("if", 0.5, None, "hard")
    stem = canvas.spikes(canvas.through(INPUT, Convolution(Kernel(3), 8)), neuron)
    hidden = canvas.spikes(canvas.through(stem, Linear(12)), neuron)
    candidate = make_candidate(canvas.architecture(InputSpec((2, 6, 6), 4), outputs=[hidden]), batch=12)
    mean, last = (PROXIES.get(name).value(candidate).value for name in NAMES)
    layers = contrasts(candidate)
    assert len(layers) == 2
    assert mean == last == pytest.approx(layers[0], abs=1e-6)


def test_classes_that_are_seen_apart_have_contrast(chain: Chain, make_candidate: MakeCandidate) -> None:
    made = make_candidate(chain([0.3, 0.5], channels=8))
    rng = np.random.default_rng(1)
    kinds = rng.standard_normal((4, 2, 6, 6), dtype=np.float32)
    labels = np.arange(16) % 4
    x = kinds[labels] + 0.3 * rng.standard_normal((16, 2, 6, 6), dtype=np.float32)
    found = []
    for shown in (labels, np.arange(16) // 4):  # the second are labels that say nothing
        candidate = Candidate(
            made.architecture,
            inputs=torch.from_numpy(x[None]),
            labels=torch.from_numpy(shown),
            time_steps=4,
            seed=0,
            statistics=PROXIES.get(NAMES[0]).statistics,
        )
        found.append([PROXIES.get(name).value(candidate).value for name in NAMES])
    assert min(found[0]) > 0.3
    assert max(found[1]) < 0.0


def test_a_silent_network_has_no_contrast(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([1e30, 1e30]))
    assert [PROXIES.get(name).value(candidate).value for name in NAMES] == [0.0, 0.0]


def test_without_labels_there_is_none(chain: Chain, make_candidate: MakeCandidate) -> None:
    for name in NAMES:
        with pytest.raises(ConfigError, match="labels: this proxy needs the class of every sample"):
            PROXIES.get(name).value(make_candidate(chain([1.0]), labelled=False))
