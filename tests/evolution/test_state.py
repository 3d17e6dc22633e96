from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.errors import RunError
from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import Individual, individuals
from evonas.evolution.state import EvolutionState, asked, from_dict, to_dict, told
from genomes.errors import GenomeFormatError

Specs = tuple[ObjectiveSpec, ...]
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=5e-324, max_value=1e308)


def population(
    rows: Sequence[tuple[float, float, float]], *, space: Any, specs: Specs
) -> tuple[Individual, ...]:
    """Individuals of the given (gain, cost, violation), through the same door as in a run."""
    genome = (1, 2, 3, 4, 0, 1)
    proposals = [
        Proposal(index=i, generation=1, genome=genome, architecture_id=f"a{i}") for i in range(len(rows))
    ]
    evaluations = [
        Evaluation(status="infeasible" if v else "ok", objectives={"gain": g, "cost": c}, violation=v)
        for g, c, v in rows
    ]
    return tuple(individuals(proposals, evaluations, specs=specs))


@settings(deadline=None)
@given(rows=st.lists(st.tuples(finite, positive, st.sampled_from([0.0, 0.1, 1e-300])), max_size=5))
def test_a_state_survives_json_to_the_last_bit(
    rows: list[tuple[float, float, float]], space: Any, specs: Specs
) -> None:
    members = population(rows, space=space, specs=specs)
    pending = (
        Proposal(
            index=29, generation=5, genome=(0, 1, 2, 3, 4, 0), architecture_id="b", parents=("a0", "a1")
        ),
        Proposal(index=30, generation=5, genome=(4, 4, 4, 4, 4, 4), architecture_id="c"),
    )
    state = EvolutionState(
        generation=4, n_proposed=31, pending=pending, population=members, archive=members[:2]
    )
    assert state.n_told == 29
    again = from_dict(json.loads(json.dumps(to_dict(state, space=space))), space=space, specs=specs)
    assert again == state
    assert [i.fitness.wvalues for i in again.population] == [i.fitness.wvalues for i in members]
    assert json.dumps(to_dict(again, space=space)) == json.dumps(to_dict(state, space=space))


def test_an_infeasible_member_without_objectives_survives_json(space: Any, specs: Specs) -> None:
    proposal = Proposal(index=0, generation=0, genome=(0,) * 6, architecture_id="a")
    members = individuals([proposal], [Evaluation(status="infeasible", violation=2.5)], specs=specs)
    state = EvolutionState(generation=0, n_proposed=1, population=tuple(members))
    assert from_dict(to_dict(state, space=space), space=space, specs=specs) == state


def test_a_new_state_is_before_the_first_generation() -> None:
    assert EvolutionState() == EvolutionState(
        generation=-1, n_proposed=0, pending=(), population=(), archive=()
    )
    assert EvolutionState().n_told == 0


def test_what_is_told_leaves_the_pending_ones_from_the_front(space: Any, specs: Specs) -> None:
    proposals = [Proposal(index=i, generation=0, genome=(i,) * 6, architecture_id=f"a{i}") for i in range(5)]
    state = asked(asked(EvolutionState(), proposals[:2]), proposals[2:])
    assert (state.n_proposed, state.n_told, state.pending) == (5, 0, tuple(proposals))
    members = population([(1.0, 2.0, 0.0)], space=space, specs=specs)
    after = told(state, 3, survivors=members)
    assert (after.n_proposed, after.n_told, after.pending) == (5, 3, tuple(proposals[3:]))
    assert after.population == members


def edited(data: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("archive"), "'archive' is missing"),
        (lambda d: d.pop("pending"), "'pending' is missing"),
        (lambda d: d.update(pending=[{"index": 0}]), "'generation' is missing"),
        (lambda d: d.update(pending=[7]), "expected what to_dict wrote"),
        (lambda d: d["population"][0].pop("violation"), "'violation' is missing"),
        (lambda d: d.update(population=3), "expected what to_dict wrote"),
        (lambda d: d["population"][0].update(objectives=[1.0]), "expected what to_dict wrote"),
        (lambda d: d.update(generation=None), "expected what to_dict wrote"),
        (lambda d: d.update(n_proposed="many"), "expected what to_dict wrote"),
        (
            lambda d: d["population"][0]["objectives"].update(gain=float("nan")),
            "individual 0: objective 'gain' is nan",
        ),
        (lambda d: d["population"][0].update(violation=float("nan")), "individual 0: violation is nan"),
        (lambda d: d["population"][0]["objectives"].pop("cost"), "individual 0: objective 'cost' is missing"),
    ],
)
def test_a_damaged_state_is_one_clear_error(
    change: Callable[[dict[str, Any]], object], message: str, space: Any, specs: Specs
) -> None:
    members = population([(1.0, 2.0, 0.0)], space=space, specs=specs)
    data = to_dict(EvolutionState(generation=0, n_proposed=1, population=members), space=space)
    with pytest.raises(RunError, match=message):
        from_dict(edited(data, change), space=space, specs=specs)


def test_a_genome_the_space_cannot_read_is_reported_as_such(space: Any, specs: Specs) -> None:
    class Strict(type(space)):  # type: ignore[misc]
        def from_dict(self, data: dict[str, Any]) -> object:
            raise GenomeFormatError("genome: unknown motif")

    state = EvolutionState(population=population([(1.0, 2.0, 0.0)], space=space, specs=specs))
    with pytest.raises(GenomeFormatError, match="unknown motif"):
        from_dict(to_dict(state, space=space), space=Strict(), specs=specs)
