"""The least eigenvalue of channel correlations against NumPy, for spikes and for currents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.backward import MOST_SAMPLES, copied
from evonas.proxies.meco import convolutions, current_maps, least_correlation
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from genomes.architecture import Architecture, InputSpec
from genomes.serial import build_space

Chain = Callable[..., Architecture]
MakeCandidate = Callable[..., Candidate]


def maps(batch: int = 5, *, channels: int = 4) -> Tensor:
    drawn = np.random.default_rng(0).random((3, batch, channels, 6, 7)) < 0.4
    return torch.from_numpy(drawn.astype(np.float32))


def by_numpy(found: Tensor) -> float:
    """`found` (t, B, C, H, W): the mean over samples of the least eigenvalue over time steps and places."""
    values = found.double().numpy()[:, :MOST_SAMPLES]
    samples = [
        values[:, i].transpose(1, 0, 2, 3).reshape(values.shape[2], -1) for i in range(values.shape[1])
    ]
    return float(np.mean([np.linalg.eigvalsh(np.corrcoef(sample))[0] for sample in samples]))


@pytest.mark.parametrize("batch", [1, 5, MOST_SAMPLES + 3])
def test_it_is_the_mean_over_the_first_samples(batch: int) -> None:
    assert least_correlation(maps(batch)) == pytest.approx(by_numpy(maps(batch)), abs=1e-6)


def test_scale_and_shift_of_a_channel_change_nothing() -> None:
    factors = torch.tensor([1.0, 4.0, 0.25, 16.0]).view(-1, 1, 1)
    assert least_correlation(maps() * factors + factors) == pytest.approx(least_correlation(maps()), rel=1e-4)


def test_a_repeated_or_a_silent_channel_leaves_nothing() -> None:
    repeated, silent = maps(), maps()
    repeated[:, :, 1] = repeated[:, :, 3]
    silent[:, :, 2] = 1.0
    assert least_correlation(repeated) == pytest.approx(0.0, abs=1e-6)
    assert least_correlation(silent) == 0.0
    assert least_correlation(torch.zeros(2, 3, 4, 5, 5)) == 0.0


def test_fewer_places_than_channels_leave_nothing() -> None:
    narrow = maps(channels=9)[:, :, :, :1, :3]  # nine places for nine channels
    assert least_correlation(narrow) == 0.0
    assert by_numpy(narrow) == pytest.approx(0.0, abs=1e-9)
    assert least_correlation(maps(channels=9)[:, :, :, :2, :3]) > 0.0


def test_channels_that_share_nothing_have_one() -> None:
    apart = torch.tensor([[1.0, 0, 1, 0], [1, 1, 0, 0]]).view(1, 1, 2, 2, 2)
    assert least_correlation(apart) == pytest.approx(1.0)


def test_currents_come_from_a_pass_with_the_statistics_of_the_whole_batch(
    chain: Chain, make_candidate: MakeCandidate
) -> None:
    candidate = make_candidate(chain([1.0, 1.0]), batch=MOST_SAMPLES + 4)
    first, second = current_maps(candidate)
    assert first.shape == (1, MOST_SAMPLES, 3, 6, 6)  # still
    assert second.shape == (4, MOST_SAMPLES, 3, 6, 6)
    network = SpikingNetwork(candidate.architecture, seed=0).eval()
    with torch.no_grad():
        expected = network.synapses[0](candidate.inputs[0], True)[:MOST_SAMPLES]
    torch.testing.assert_close(first[0], expected)
    value = PROXIES.get("meco").value(candidate).value
    assert value == pytest.approx(by_numpy(first) + by_numpy(second), abs=1e-5)


def test_spikes_are_those_of_all_spiking_layers(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([0.5, 0.5]))
    candidate.measured(PROXIES.get("meco_spikes").statistics[0])
    seen: list[Tensor] = []
    with torch.no_grad():
        candidate.network(
            candidate.inputs, time_steps=4, observe=lambda node, spikes: seen.append(spikes.clone())
        )
    assert len(seen) == 2
    expected = sum(map(by_numpy, seen))
    assert PROXIES.get("meco_spikes").value(candidate).value == pytest.approx(expected, abs=1e-3)


def test_a_loop_delivers_its_currents_step_by_step(chain: Chain, make_candidate: MakeCandidate) -> None:
    candidate = make_candidate(chain([1.0, 1.0], loop=True))
    found = current_maps(candidate)
    assert sorted(len(steps) for steps in found) == [1, 3, 4]
    assert all(least_correlation(steps) > 0.0 for steps in found)


@pytest.mark.parametrize("i", range(6))
def test_maps_are_the_currents_and_not_what_is_written_over_them(
    i: int, make_candidate: MakeCandidate
) -> None:
    space = build_space("evonas", input_spec=InputSpec((3, 16, 16), 10), options={"base_width": 4})
    candidate = make_candidate(space.decode(space.sample(rng=generator(0, "test", i))))
    found = current_maps(candidate)
    heard: defaultdict[int, list[Tensor]] = defaultdict(list)
    network = copied(candidate.network)
    for index in convolutions(candidate.architecture):
        network.synapses[index].register_forward_hook(
            lambda module, arguments, current, index=index: heard[index].append(current.clone())
        )
    with torch.no_grad():
        network(candidate.inputs, time_steps=candidate.time_steps)
    assert len(found) == len(heard)
    for maps_of_one, calls in zip(found, heard.values(), strict=True):
        assert torch.equal(maps_of_one.flatten(0, 1), torch.cat(calls))
