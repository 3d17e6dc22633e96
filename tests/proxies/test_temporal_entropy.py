"""How many bits spike trains hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import Tensor

from evonas.proxies import PROXIES, Candidate, Stimulation
from evonas.proxies.temporal_entropy import LONGEST_WORD, train_entropy
from genomes.architecture import Architecture

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]


def shown(trains: list[str], *, batch: int = 2) -> Tensor:
    """Spikes (T, B, 1, n / B, 1) whose trains are these."""
    bits = torch.tensor([[float(bit) for bit in train] for train in trains])
    return bits.T.unflatten(1, (batch, -1))[:, :, None, :, None]


@pytest.mark.parametrize(
    ("trains", "bits"),
    [
        (["000", "000", "000", "000"], 0.0),
        (["111", "111", "111", "111"], 0.0),
        (["010", "010", "010", "010"], 0.0),
        (["001", "010", "001", "010"], 1.0),  # equal counts, other times
        (["001", "010", "100", "110"], 2.0),
        (["000", "000", "000", "111"], 0.75 * np.log2(4 / 3) + 0.25 * 2),
        ([f"{word:03b}" for word in range(8)], 3.0),
    ],
)
def test_entropies_by_hand(trains: list[str], bits: float) -> None:
    assert train_entropy(shown(trains)) == pytest.approx(bits, abs=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_it_is_that_of_all_trains_of_neurons_and_samples(layout: torch.memory_format) -> None:
    rng = np.random.default_rng(0)
    rate = rng.random((1, 6, 3, 5, 4))
    spikes = torch.from_numpy((rng.random((5, 6, 3, 5, 4)) < rate).astype(np.float32))
    counts = Counter(map(tuple, spikes.flatten(1).T.tolist()))
    laid_out = spikes.flatten(0, 1).contiguous(memory_format=layout).unflatten(0, (5, 6))
    assert train_entropy(laid_out) == pytest.approx(entropy(list(counts.values()), base=2))


@pytest.mark.parametrize("n_steps", [LONGEST_WORD, LONGEST_WORD + 1, 2 * LONGEST_WORD + 3])
def test_long_trains_are_cut_into_words_whose_entropies_add_up(n_steps: int) -> None:
    spikes = torch.from_numpy(np.random.default_rng(0).random((n_steps, 8, 4, 3, 3)) < 0.1).float()
    parts = [train_entropy(spikes[t : t + LONGEST_WORD]) for t in range(0, n_steps, LONGEST_WORD)]
    assert train_entropy(spikes) == pytest.approx(sum(parts))
    assert all(part > 0.3 for part in parts)


def test_all_words_of_the_longest_train_are_told_apart() -> None:
    trains = [f"{word:0{LONGEST_WORD}b}" for word in range(2**LONGEST_WORD)]
    assert train_entropy(shown(trains)) == pytest.approx(LONGEST_WORD)


def test_the_proxy_is_the_mean_over_layers(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([0.3, 0.8], loop=True))
    found = PROXIES.get("temporal_entropy").value(candidate)
    layers: list[float] = []
    with torch.no_grad():
        candidate.network(
            candidate.inputs,
            time_steps=candidate.time_steps,
            observe=lambda node, spikes: layers.append(train_entropy(spikes)),
        )
    assert len(layers) == 2
    assert found.value == pytest.approx(sum(layers) / 2)
    low, high = PROXIES.get("temporal_entropy").bounds([], Stimulation(time_steps=4, batch=8, static=True))
    assert low < found.value < high == 4.0
    assert 0 < found.diagnostics["firing_rate"] < 1
