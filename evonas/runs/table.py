"""Tables as text, the front of a run for one: aligned columns for a file or pipe, a rich table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from evonas.runs.results import Run

MARK = "*"
"""In the last column of a table: the knee of a front, or what an experiment chose."""


def amount(value: float | None) -> str:
    """A number for people: four figures, whole numbers in full; a dash where there is none.

    >>> amount(0.123456), amount(12.0), amount(12345.6), amount(None)
    ('0.1235', '12', '12,346', '-')
    """
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def front_cells(run: Run) -> list[list[str]]:
    """The front of a run, its header first; the knee carries a star."""
    knee = run.knee.architecture_id if run.front else ""
    names = [f"{spec.name} [{spec.unit}]" if spec.unit else spec.name for spec in run.specs]
    rows = [
        [
            str(rank),
            member.architecture_id,
            *(amount(value) for value in member.values(run.specs)),
            str(member.generation),
            MARK if member.architecture_id == knee else "",
        ]
        for rank, member in enumerate(run.front, start=1)
    ]
    return [["rank", "architecture_id", *names, "generation", "knee"], *rows]


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The rows of `table`, its header first, with columns of one width."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def grid(table: Sequence[Sequence[str]], *, title: str) -> Table:
    """The rows of `table`, its header first, for a terminal; a row that ends in a mark stands out."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(title), pad_edge=False)
    for name in table[0]:
        shown.add_column(
            Text(name),  # as text: "[nJ]" would be taken for markup
            justify="right",
            overflow="fold",  # a number that is cut would be another number
        )
    for row in table[1:]:
        shown.add_row(*map(Text, row), style="bold" if row[-1] == MARK else None)
    return shown
