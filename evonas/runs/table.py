"""The front of a run as text: aligned columns for a file or pipe, a rich table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from evonas.runs.results import Run


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


def front_lines(run: Run) -> list[str]:
    """The front in aligned columns, its header first; the knee carries a star."""
    table = [_header(run), *_rows(run)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def front_table(run: Run) -> Table:
    """The front for a terminal; the knee stands out."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"{len(run.front)} networks on the front of {run.folder.path}"))
    for name in _header(run):
        table.add_column(
            Text(name),  # as text: "[nJ]" would be taken for markup
            justify="right",
            no_wrap=True,
        )
    for row in _rows(run):
        table.add_row(*row, style="bold" if row[-1] else None)
    return table


def _header(run: Run) -> list[str]:
    names = [f"{spec.name} [{spec.unit}]" if spec.unit else spec.name for spec in run.specs]
    return ["rank", "architecture_id", *names, "generation", "knee"]


def _rows(run: Run) -> list[list[str]]:
    knee = run.knee.architecture_id if run.front else ""
    return [
        [
            str(rank),
            member.architecture_id,
            *(amount(value) for value in member.values(run.specs)),
            str(member.generation),
            "*" if member.architecture_id == knee else "",
        ]
        for rank, member in enumerate(run.front, start=1)
    ]
