from __future__ import annotations

import numpy as np
import pytest
import torch

import evonas.proxies.candidate
from evonas.objectives import OBJECTIVES
from evonas.proxies import Candidate, Stimulation
from evonas.snn.network import SpikingNetwork
from genomes import library
from genomes.architecture import InputSpec
from genomes.decoding import decode
from genomes.serial import build_space

SPEC = InputSpec((1, 8, 8), 10)
PARAMETERS = OBJECTIVES.get("parameters")
SHOWN = Stimulation(time_steps=4, batch=8, static=True)


@pytest.mark.parametrize("genome", library.names("evonas"))
def test_it_counts_what_torch_would_learn_without_building_it(
    genome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = decode(library.load(genome)[0], input_spec=SPEC)
    learnt = sum(p.numel() for p in SpikingNetwork(architecture, seed=0).parameters() if p.requires_grad)

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(evonas.proxies.candidate, "SpikingNetwork", refuse)
    candidate = Candidate(
        architecture, inputs=torch.zeros(1, 2, *SPEC.shape), time_steps=2, seed=0, statistics=()
    )
    assert PARAMETERS.value(candidate).value == learnt


def test_it_needs_no_statistics() -> None:
    assert PARAMETERS.statistics == ()


def test_the_bounds_leave_a_margin_around_the_sample() -> None:
    sample = [decode(library.load(name)[0], input_spec=SPEC) for name in library.names("evonas")]
    counts = [a.n_parameters for a in sample]
    assert PARAMETERS.bounds(sample, SHOWN) == (min(counts) / 10, max(counts) * 10)


def test_what_a_greedy_descent_reaches_lies_within_the_bounds() -> None:
    space = build_space("evonas", input_spec=InputSpec((1, 8, 8), 10), options={})
    rng = np.random.default_rng(0)
    genomes = [space.sample(rng=rng) for _ in range(200)]
    low, _ = PARAMETERS.bounds([space.decode(genome) for genome in genomes], SHOWN)
    best = min(genomes, key=lambda genome: space.decode(genome).n_parameters)
    for _ in range(300):
        other = space.mutate(best, rng=rng)
        best = min(best, other, key=lambda genome: space.decode(genome).n_parameters)
    assert low < space.decode(best).n_parameters < min(space.decode(g).n_parameters for g in genomes)
