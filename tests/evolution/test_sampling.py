from __future__ import annotations

from typing import Any

import pytest

from evonas.evolution.loop import make_toolbox
from evonas.evolution.sampling import sample_population
from evonas.evolution.state import EvolutionState


@pytest.fixture
def toolbox(space: Any) -> Any:
    return make_toolbox(space=space)


def test_proposals_are_numbered_on_from_the_state(toolbox: Any) -> None:
    state = EvolutionState(generation=3, n_proposed=40)
    proposals = sample_population(state, toolbox=toolbox, n=3, size=10, seed=0, seen=set(), n_tries=5)
    assert [(p.index, p.generation, p.parents) for p in proposals] == [(40, 4, ()), (41, 4, ()), (42, 4, ())]
    assert all(p.architecture_id == "".join(map(str, p.genome)) for p in proposals)  # type: ignore[call-overload]


def test_a_sample_depends_on_its_place_and_not_on_how_many_are_drawn(toolbox: Any) -> None:
    few, many = (
        sample_population(EvolutionState(), toolbox=toolbox, n=n, size=8, seed=5, seen=set(), n_tries=5)
        for n in (2, 8)
    )
    assert many[:2] == few


def test_what_was_seen_is_avoided(toolbox: Any) -> None:
    first = sample_population(EvolutionState(), toolbox=toolbox, n=8, size=8, seed=5, seen=set(), n_tries=5)
    seen = {p.architecture_id for p in first}
    again = sample_population(EvolutionState(), toolbox=toolbox, n=8, size=8, seed=5, seen=seen, n_tries=5)
    assert not seen & {p.architecture_id for p in again}


def test_an_exhausted_space_repeats_itself_instead_of_hanging(tiny_space: Any) -> None:
    toolbox = make_toolbox(space=tiny_space)
    proposals = sample_population(
        EvolutionState(), toolbox=toolbox, n=7, size=7, seed=1, seen=set(), n_tries=50
    )
    ids = [p.architecture_id for p in proposals]
    assert len(ids) == 7
    assert len(set(ids[:4])) == 4
