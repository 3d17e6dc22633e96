"""How many cells SNASNet's spaces have, and how many architectures they mean.

Every code of a space is cleaned as in the released code; the distinct results are its cells, 7,556 without feedback and
104,708 with it. Cells that do the same have one architecture id: a chain of identities is no chain, and two middle
nodes can swap. The id of the cell alone, which mutation compares, must tell apart exactly what the id of the network
with two such cells does.

    python benchmarks/quality_snasnet_enumeration.py                # both spaces, about three minutes
    python benchmarks/quality_snasnet_enumeration.py --space snasnet_forward
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from itertools import product

from genomes.architecture import InputSpec
from genomes.cell_space import CellSpace
from genomes.cells import PAIRS, Cell, cell_id, cleaned
from genomes.serial import build_space

SPACES = ("snasnet_forward", "snasnet_backward")


def main() -> None:
    """Count, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", choices=SPACES, help="only this one")
    arguments = parser.parse_args()
    for name in [arguments.space] if arguments.space else SPACES:
        space = build_space(name, input_spec=InputSpec((3, 32, 32), 10), options={"channels": [16]})
        assert isinstance(space, CellSpace)
        begin = time.perf_counter()
        codes = [Cell(tuple(filter(None, edges))) for edges in product(*map(space.choices, PAIRS))]
        accepted = [cell for cell in map(cleaned, codes) if space.is_legal(cell)]
        cells = dict.fromkeys(accepted)
        of_cell = {cell: cell_id(cell) for cell in cells}
        of_network = {cell: space.draw(space.genome(cell)).id for cell in cells}
        n_ids, n_pairs = (
            len(set(of_network.values())),
            len(set(zip(of_cell.values(), of_network.values(), strict=True))),
        )
        largest = Counter(of_network.values()).most_common(1)[0][1]
        print(
            f"{name}: {len(codes)} codes, {len(accepted)} accepted, {len(cells)} cells, {n_ids} architectures"
            f" (at most {largest} cells alike), {len(set(of_cell.values()))} cell ids, {n_pairs} pairs of both;"
            f" {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
        if not len(set(of_cell.values())) == n_ids == n_pairs:
            raise SystemExit(f"{name}: the ids of cells and of networks disagree")


if __name__ == "__main__":
    main()
