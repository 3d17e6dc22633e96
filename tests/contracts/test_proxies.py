"""What every registered proxy keeps to."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from evonas.errors import ConfigError
from evonas.proxies import PROXIES, Candidate, Measured, Stimulation
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.decoding import decode

NAMES = PROXIES.names()
SPEC = InputSpec((1, 8, 8), 10)
T = 4
EXTREMES = ("silent", "saturated")
RANDOM_PER_SAMPLE = {
    "gradient_flow": 0.25,
    "grad_norm_unlabelled": 1.0,
    "snip_unlabelled": 2.0,
    "zico": 10.0,
    "zico_unlabelled": 10.0,
    "az_trainability": 0.25,
}
"""Proxies that draw something for each place in the batch, or cut it in two, and by how much (absolute) its order may
move them."""
FINE = [name for name in NAMES if name != "one_epoch"]
"""Those that eight samples are enough for; the accuracy on a fifth of them says nothing, and has tests of its own."""
IN_ORDER = tuple(range(8))
LABELS = (0, 3, 1, 2, 0, 7, 9, 2)


def inputs(order: tuple[int, ...] = IN_ORDER) -> torch.Tensor:
    drawn = np.random.default_rng(0).standard_normal((1, 8, 1, 8, 8), dtype=np.float32)
    return torch.from_numpy(drawn[:, list(order)])


# Of those for recorded events, which differ in attention and shape of input alone, one.
GENOMES = [name for name in library.names("evonas") if not name.startswith("asa") or name == "asa_full"]


def architecture(name: str) -> Architecture:
    return decode(library.load(name)[0], input_spec=SPEC)


def candidate(
    name: str,
    *,
    order: tuple[int, ...] = IN_ORDER,
    labels: tuple[int, ...] | None = LABELS,
    bias: float | None = None,
) -> Candidate:
    """`bias` is a batch-norm shift so strong that every neuron does the same."""
    found = Candidate(
        architecture(name),
        inputs=inputs(order),
        labels=None if labels is None else torch.tensor([labels[i] for i in order]),
        time_steps=T,
        seed=0,
        statistics=[statistic for proxy in NAMES for statistic in PROXIES.get(proxy).statistics],
    )
    if bias is not None:
        with torch.no_grad():
            for key, parameter in found.network.named_parameters():
                if key.endswith("norm.bias"):
                    parameter.fill_(bias)
    return found


@cache
def measured(name: str, kind: str = "", again: int = 0) -> dict[str, Measured]:
    bias = {"": None, "silent": -50.0, "saturated": 50.0}[kind]
    found = candidate(name, bias=bias)
    return {proxy: PROXIES.get(proxy).value(found) for proxy in NAMES}


def bounds(proxy: str, *, batch: int = 8) -> tuple[float, float]:
    sample = [architecture(name) for name in GENOMES]
    return PROXIES.get(proxy).bounds(sample, Stimulation(time_steps=T, batch=batch, static=True))


def test_there_are_proxies() -> None:
    assert NAMES
    assert "rdm" in NAMES


@pytest.mark.parametrize("proxy", NAMES)
def test_it_has_a_source_and_bounds(proxy: str) -> None:
    entry = PROXIES.get(proxy)
    assert entry.name == proxy
    assert any(place in entry.source for place in ("doi", "arXiv", "proceedings"))
    for batch in (2, 64, 256):
        low, high = bounds(proxy, batch=batch)
        assert math.isfinite(low)
        assert math.isfinite(high)
        assert low < high


@pytest.mark.parametrize("genome", GENOMES)
@pytest.mark.parametrize("proxy", NAMES)
def test_it_gives_one_finite_number_within_its_bounds(proxy: str, genome: str) -> None:
    result = measured(genome)[proxy]
    low, high = bounds(proxy)
    assert low <= result.value <= high
    assert all(math.isfinite(value) for value in result.diagnostics.values())
    assert isinstance(result.value, float)


@pytest.mark.parametrize("genome", GENOMES)
@pytest.mark.parametrize("proxy", NAMES)
def test_the_same_candidate_twice_gives_the_identical_number(proxy: str, genome: str) -> None:
    assert measured(genome, "", 0)[proxy] == measured(genome, "", 1)[proxy]


@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("proxy", NAMES)
def test_it_is_finite_when_all_layers_are_silent_or_saturated(proxy: str, kind: str) -> None:
    result = measured("spiking_vgg", kind)[proxy]
    assert math.isfinite(result.value)
    assert all(math.isfinite(value) for value in result.diagnostics.values())


@pytest.mark.parametrize("proxy", FINE)
def test_it_tells_candidates_apart(proxy: str) -> None:
    # Numbers that count something may agree by chance once.
    assert len({measured(genome)[proxy].value for genome in GENOMES}) >= len(GENOMES) - 1


@pytest.mark.parametrize("proxy", FINE)
def test_it_hardly_depends_on_the_order_of_the_batch(proxy: str) -> None:
    shuffled = candidate("inhibited_chain", order=(5, 2, 7, 0, 1, 6, 3, 4))
    # Batch-norm statistics are sums in another order, which may move a few spikes.
    assert PROXIES.get(proxy).value(shuffled).value == pytest.approx(
        measured("inhibited_chain")[proxy].value, rel=1e-3, abs=RANDOM_PER_SAMPLE.get(proxy)
    )


@pytest.mark.parametrize("proxy", FINE)
def test_it_asks_for_labels_exactly_if_they_count(proxy: str) -> None:
    value = PROXIES.get(proxy).value
    other = value(candidate("inhibited_chain", labels=LABELS[1:] + LABELS[:1])).value
    try:
        without = value(candidate("inhibited_chain", labels=None)).value
    except ConfigError:
        assert other != measured("inhibited_chain")[proxy].value
    else:
        assert without == other == measured("inhibited_chain")[proxy].value
