"""What every registered measurement keeps to."""

from __future__ import annotations

import pytest

from evonas.data import Dataset
from evonas.errors import RunError
from evonas.measurements import MEASUREMENTS
from evonas.runs.results import Run
from genomes.errors import UnknownNameError

assert MEASUREMENTS.names(), "no measurement is registered"
TIMES = {"step_seconds"}
OF_A_NETWORK = ["membrane", "noise", "training_cost"]
"""The others are of the run, whichever of its networks they are asked for."""


@pytest.fixture(autouse=True)
def _few_random_genomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.measurements.motifs.N_RANDOM", 20)


@pytest.mark.parametrize("name", MEASUREMENTS.names())
def test_it_finds_the_same_numbers_twice_by_names_that_can_be_columns(
    name: str, feedback_run: Run, digits: Dataset
) -> None:
    measure = MEASUREMENTS.get(name)
    identity = feedback_run.rows[0].architecture_id
    found, again = (measure(feedback_run, identity, digits) for _ in range(2))
    assert found
    assert all(column.isidentifier() and column == column.lower() for column in found)
    assert all(type(value) is float for value in found.values())
    assert {k: v for k, v in found.items() if k not in TIMES} == pytest.approx(
        {k: v for k, v in again.items() if k not in TIMES}, rel=0, abs=0, nan_ok=True
    )


@pytest.mark.parametrize("name", OF_A_NETWORK)
def test_an_unknown_architecture_is_refused(name: str, feedback_run: Run, digits: Dataset) -> None:
    with pytest.raises(RunError, match="no architecture 'a0'"):
        MEASUREMENTS.get(name)(feedback_run, "a0", digits)


def test_no_two_measurements_share_a_column(feedback_run: Run, digits: Dataset) -> None:
    identity = feedback_run.rows[0].architecture_id
    columns = [
        column
        for name in MEASUREMENTS.names()
        for column in MEASUREMENTS.get(name)(feedback_run, identity, digits)
    ]
    assert len(columns) == len(set(columns))


def test_an_unknown_measurement_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'membrane'"):
        MEASUREMENTS.get("membran")
