from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console

from evonas.runs.log import Row
from evonas.runs.results import Run
from evonas.runs.table import aligned, amount, front_cells, grid

MakeRow = Callable[..., Row]
MakeRun = Callable[[Sequence[Row]], Run]


@pytest.fixture
def run(make_run: MakeRun, make_row: MakeRow) -> Run:
    points = [(0.9, 10_000.0), (0.8, 1000.0), (0.2, 100.0)]
    run = make_run(
        [make_row(i, objectives={"rdm": rdm, "parameters": size}) for i, (rdm, size) in enumerate(points)]
    )
    rdm, parameters = run.specs
    return dataclasses.replace(
        run,
        record=dataclasses.replace(run.record, objectives=(rdm, dataclasses.replace(parameters, unit="w"))),
    )


def test_lines_hold_rank_id_values_and_a_star_at_the_knee(run: Run) -> None:
    header, *lines = aligned(front_cells(run))
    assert header.split() == ["rank", "architecture_id", "rdm", "parameters", "[w]", "generation", "knee"]
    assert [line.split() for line in lines] == [
        ["1", "a0", "0.9", "10,000", "0"],
        ["2", "a1", "0.8", "1,000", "0", "*"],
        ["3", "a2", "0.2", "100", "0"],
    ]


def test_the_terminal_table_shows_the_same_cells(run: Run) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(grid(front_cells(run), title="a front"))
    text = console.export_text()
    for cells in front_cells(run):
        for cell in cells:
            assert cell in text


def test_an_empty_front_is_a_header(make_run: MakeRun) -> None:
    cells = front_cells(make_run([]))
    assert len(cells) == len(aligned(cells)) == 1


def test_huge_and_tiny_amounts_stay_short() -> None:
    assert [amount(v) for v in (1e-7, 9999.94, 1e9, -0.5)] == ["1e-07", "10,000", "1,000,000,000", "-0.5"]
