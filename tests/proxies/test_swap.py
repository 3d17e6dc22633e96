"""Different patterns, counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.swap import MOST_BITS, patterns
from genomes.architecture import Architecture


def spikes(trains: list[list[list[int]]]) -> Tensor:
    """Trains (T, B, N) as neurons in a row of pixels."""
    return torch.tensor(trains, dtype=torch.float32)[:, :, None, None]


def test_a_neuron_adds_the_samples_it_answers_at_each_step() -> None:
    # Three samples and four neurons at one step: 101, 101, 000, 110, with the first sample as the last bit.
    first = [[1, 1, 0, 0], [0, 0, 0, 1], [1, 1, 0, 1]]
    assert patterns(spikes([first])).tolist() == [0b000, 0b101, 0b110]
    # At the next step: 111, 000, 001, 110.
    second = [[1, 0, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1]]
    assert patterns(spikes([first, second])).tolist() == [0b000, 0b001, 0b101, 0b110, 0b111]


def test_a_silent_layer_has_one_pattern_and_so_has_a_saturated_one() -> None:
    assert patterns(torch.zeros(3, 5, 2, 4, 4)).tolist() == [0]
    assert patterns(torch.ones(3, 5, 2, 4, 4)).tolist() == [31]


def test_only_the_first_samples_count_however_many_there_are() -> None:
    drawn = (np.random.default_rng(0).random((2, MOST_BITS + 9, 3, 8, 8)) < 0.5).astype(np.float32)
    found = patterns(torch.from_numpy(drawn))
    assert torch.equal(found, patterns(torch.from_numpy(drawn[:, :MOST_BITS])))
    columns = {tuple(row) for row in drawn[:, :MOST_BITS].transpose(0, 2, 3, 4, 1).reshape(-1, MOST_BITS)}
    assert len(found) == len(columns) > 380
    assert int(found.min()) >= 0


def test_the_proxy_counts_a_pattern_of_two_layers_once(
    chain: Callable[..., Architecture], make_candidate: Callable[..., Candidate]
) -> None:
    candidate = make_candidate(chain([1.0, 1.0]))
    candidate.measured(PROXIES.get("swap").statistics[0])
    seen: set[tuple[float, ...]] = set()
    each: list[int] = []

    def observe(node: int, fired: Tensor) -> None:
        found = {tuple(row) for row in fired.permute(0, 2, 3, 4, 1).flatten(0, 3).tolist()}
        seen.update(found)
        each.append(len(found))

    with torch.no_grad():
        candidate.network(candidate.inputs, time_steps=4, observe=observe)
    assert PROXIES.get("swap").value(candidate).value == pytest.approx(len(seen), rel=0.02)
    assert len(seen) < 0.95 * sum(each)
