from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from evonas.evolution.fitness import ObjectiveSpec
from evonas.runs.config import resolve
from evonas.runs.folder import RunRecord, create, write_record
from evonas.runs.log import LogWriter, Row
from evonas.runs.results import Run, load_run

SPECS = (
    ObjectiveSpec(name="rdm", direction="max", unit="", scale="linear", bounds=(0.0, 1.0)),
    ObjectiveSpec(name="parameters", direction="min", unit="", scale="log10", bounds=(10.0, 1e5)),
)

MakeRow = Callable[..., Row]
MakeRun = Callable[[Sequence[Row]], Run]


@pytest.fixture
def specs() -> tuple[ObjectiveSpec, ...]:
    return SPECS


@pytest.fixture
def make_row() -> MakeRow:
    """A row that succeeded; whatever matters to a test is given by name."""

    def build(index: int, **changes: object) -> Row:
        values: dict[str, object] = {
            "index": index,
            "generation": 0,
            "architecture_id": f"a{index}",
            "status": "ok",
            "objectives": {"rdm": 0.1 + 0.2, "parameters": 1000.0},
            "violation": 0.0,
            "diagnostics": {"dead_fraction": 1 / 3},
            "reason": "",
            "genome": {"gene": index},
            "parents": (),
            "seconds": 0.5,
            "worker": "serial",
            "attempts": 1,
        }
        assert set(changes) <= set(values)
        return Row(**{**values, **changes})  # type: ignore[arg-type]

    return build


@pytest.fixture
def record() -> RunRecord:
    return RunRecord(
        config=resolve(assignments=["space.base_width=8", "evolution.objectives=rdm,parameters"]),
        input_shape=(1, 8, 8),
        n_classes=10,
        objectives=SPECS,
        digests={"data": "d", "space": "s"},
        environment={"python": "3.11"},
        commit="abc",
    )


@pytest.fixture
def make_run(tmp_path: Path, record: RunRecord) -> MakeRun:
    """A run on disk with the given log, loaded."""

    def build(rows: Sequence[Row]) -> Run:
        folder = create(tmp_path / "run")
        write_record(folder, record)
        with LogWriter(folder.evaluations) as log:
            log.append(rows)
        return load_run(folder.path)

    return build
