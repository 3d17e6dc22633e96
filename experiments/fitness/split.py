"""Split a table of SpikeNAS-Bench into the part that fitnesses are developed on and the part that confirms them.

    python experiments/fitness/split.py TABLE.csv FOLDER

writes FOLDER/dev.csv and FOLDER/confirm.csv, the rows of TABLE (a CSV, or a folder in SpikeNAS-Bench's layout) in its
order with a column `live_cell`. A cell is live once the edges that lie on
no way from its input to its output are cut; rows without a live cell are left out. Live cells of one architecture stay
together. Within each length of the longest chain of convolutions, architectures are ordered by the SHA-256 of the first
of their live cells in the alphabet, and the first of them go to dev until it holds a quarter of the live cells. Nothing
depends on an accuracy.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pandas as pd

from evonas.ranking import load_table
from genomes.architecture import InputSpec
from genomes.cells import PAIRS, SINK, SOURCE, ZERO, Cell, cleaned, from_code
from genomes.spaces.spikenas_bench import SPIKENAS_BENCH_CODES, SpikenasBenchSpace

DEV_SHARE = 0.25


def live_code(cell: str) -> str:
    """The code of a cell without its dead edges, six digits; empty where no way leads to the output.

    >>> live_code("230004"), live_code("020000")
    ('030004', '')
    """
    codes = [ZERO, *SPIKENAS_BENCH_CODES[1:]]
    edges = {edge.pair: edge.operation for edge in cleaned(from_code(cell)).edges}
    return "".join(str(codes.index(edges.get(pair, ZERO))) for pair in PAIRS) if edges else ""


def convolutions_in_a_row(cell: Cell) -> int:
    """The most convolutions on a way from the input of a live cell to its output, 0 to 3."""
    longest = {SOURCE: 0}
    for target in range(SOURCE + 1, SINK + 1):
        ways = [
            longest[edge.source] + edge.operation.startswith("conv")
            for edge in cell.edges
            if edge.target == target
        ]
        longest[target] = max(ways, default=0)
    return longest[SINK]


def is_dev(cells: pd.Series) -> pd.Series:
    """For each cell of a table whether it is in dev; missing where no way leads to the output."""
    space = SpikenasBenchSpace(InputSpec((3, 32, 32), 10))
    live = cells.map(live_code)
    distinct = pd.DataFrame({"live": sorted(set(live) - {""})})
    genomes = [space.genome(from_code(code)) for code in distinct.live]
    distinct["architecture_id"] = [space.architecture_id(genome) for genome in genomes]
    distinct["chain"] = [convolutions_in_a_row(genome.cell) for genome in genomes]
    by_architecture = distinct.groupby("architecture_id").agg(
        first=("live", "min"), chain=("chain", "first"), n=("live", "size")
    )
    by_architecture["key"] = [hashlib.sha256(code.encode()).hexdigest() for code in by_architecture["first"]]
    by_architecture = by_architecture.sort_values("key")
    strata = by_architecture.groupby("chain").n
    before = strata.cumsum() - by_architecture.n
    chosen = before < DEV_SHARE * strata.transform("sum")
    return live.map(dict(zip(distinct.live, distinct.architecture_id.map(chosen), strict=True)))


def main() -> None:
    """Write both parts of the table into the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", type=Path, metavar="TABLE.csv")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    paths = parser.parse_args()
    folder: Path = paths.folder
    rows = load_table(paths.table)
    rows = rows.assign(live_cell=rows.cell.map(live_code))
    dev = is_dev(rows.cell)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("dev", rows[dev == True]), ("confirm", rows[dev == False])):  # noqa: E712  (may be missing)
        part.to_csv(folder / f"{name}.csv", index=False)
        live = part.cell.map(live_code)
        print(f"{name}: {len(part)} rows, {live.nunique()} live cells")


if __name__ == "__main__":
    main()
