"""Cells with free edges: four nodes in a row, between any two of them at most one edge with one operation.

Node 0 is the cell's input, node 3 its output; a node adds what its edges bring and has no neurons. An edge from a
later to an earlier node is feedback, one time step late. Kim et al., "Neural architecture search for spiking neural
networks", ECCV 2022, section 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from genomes.architecture import Draft, InputSpec
from genomes.canvas import Canvas
from genomes.errors import GenomeFormatError, IllegalGeneError
from genomes.graph import reachable
from genomes.micro import Kernel, Neuron
from genomes.operations import AveragePool, Convolution, Identity, Normalisation, Operation
from genomes.registry import Registry

N_NODES = 4
SOURCE, SINK = 0, N_NODES - 1
"""The nodes that are the cell's input and output."""

PAIRS = tuple(combinations(range(N_NODES), 2))
"""The pairs of nodes that an edge can join, in the order of both published notations: 01 02 03 12 13 23."""

ZERO = "zero"
"""The name of a missing edge."""


def lif(v_threshold: float = 1.0) -> Neuron:
    """The neurons of Kim et al.: LIF with time constant 4/3, hard reset (released code, tau of its LIFNode)."""
    return Neuron("lif", v_threshold, 4 / 3, "hard")


@dataclass(frozen=True)
class EdgeOperation:
    """What an edge does: `neuron`, if any, fires on the source's value, `operation` acts on what comes of it.

    `operation` is made for a number of channels, that of every node of the cell.
    """

    operation: Callable[[int], Operation]
    neuron: Neuron | None = None

    def n_parameters(self, channels: int) -> int:
        """Learnable numbers of the edge in a cell of `channels` channels."""
        return self.operation(channels).n_parameters((channels, 1, 1))


EDGE_OPERATIONS: Registry[EdgeOperation] = Registry("edge operation")


def _convolution(size: int, *, v_threshold: float = 1.0) -> EdgeOperation:
    return EdgeOperation(lambda channels: Convolution(Kernel(size), channels), lif(v_threshold))


KERNEL_SIZES = (1, 3, 5, 7, 9, 11)
"""The sizes for which there is an edge operation, ``conv1`` to ``conv11``."""

EDGE_OPERATIONS.register("identity", EdgeOperation(lambda channels: Identity()))
EDGE_OPERATIONS.register("average_pool", EdgeOperation(lambda channels: AveragePool(3, 1)))
for _size in KERNEL_SIZES:
    EDGE_OPERATIONS.register(f"conv{_size}", _convolution(_size))
for _v_threshold in (0.5, 1.5):
    EDGE_OPERATIONS.register(f"conv3_at_{_v_threshold}", _convolution(3, v_threshold=_v_threshold))


@dataclass(frozen=True)
class Edge:
    """The edge from node `source` to node `target` with the operation of that name; feedback if `source` is later.

    Raises:
        IllegalGeneError: a node that does not exist, or an edge from a node to itself.
        UnknownNameError: no edge operation of that name.
    """

    source: int
    target: int
    operation: str

    def __post_init__(self) -> None:
        if self.pair not in PAIRS:
            raise IllegalGeneError(
                f"edge: expected two different nodes of 0 to {SINK}, got {self.source} and {self.target}"
            )
        EDGE_OPERATIONS.get(self.operation)

    @property
    def pair(self) -> tuple[int, int]:
        """Both nodes, the earlier one first."""
        return min(self.source, self.target), max(self.source, self.target)

    @property
    def is_feedback(self) -> bool:
        """Whether it runs from a later node to an earlier one."""
        return self.source > self.target

    def __str__(self) -> str:
        return f"{self.source}>{self.target} {self.operation}"


@dataclass(frozen=True)
class Cell:
    """The edges of a cell, in the order of `PAIRS` whatever the order they are given in.

    Raises:
        IllegalGeneError: two edges between the same two nodes.
    """

    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", tuple(sorted(self.edges, key=lambda edge: edge.pair)))
        pairs = [edge.pair for edge in self.edges]
        if len(set(pairs)) < len(pairs):
            twice = next(pair for pair in pairs if pairs.count(pair) > 1)
            raise IllegalGeneError(f"cell: expected at most one edge between nodes {twice[0]} and {twice[1]}")

    @property
    def nodes(self) -> set[int]:
        """The nodes that have an edge."""
        return {node for edge in self.edges for node in edge.pair}

    def between(self, pair: tuple[int, int]) -> Edge | None:
        """The edge that joins two nodes, if there is one."""
        return next((edge for edge in self.edges if edge.pair == pair), None)

    def with_edge(self, pair: tuple[int, int], edge: Edge | None) -> Cell:
        """A copy with another edge, or none, between two nodes."""
        others = tuple(e for e in self.edges if e.pair != pair)
        return Cell(others if edge is None else (*others, edge))

    def __str__(self) -> str:
        return ", ".join(map(str, self.edges)) or "no edges"


def cleaned(cell: Cell) -> Cell:
    """The part of a cell that lies on a way from its input to its output; without edges if there is no way.

    As in the released code: nodes that do not reach the output, then nodes that the input does not reach, lose their
    edges. Feedback counts as a way.
    """
    live = _live(tuple((edge.source, edge.target) for edge in cell.edges))
    return Cell(tuple(edge for edge in cell.edges if live.issuperset(edge.pair)))


@lru_cache(maxsize=1024)  # 3^6 wirings: each pair without an edge, forward or back
def _live(wiring: tuple[tuple[int, int], ...]) -> frozenset[int]:
    reaching = reachable([SINK], [(target, source) for source, target in wiring])
    reached = reachable([SOURCE], wiring)
    return frozenset(reaching & reached if SINK in reached else ())


def draw_cell(canvas: Canvas, source: int, cell: Cell, *, channels: int) -> int:
    """The output node of a cell that reads node `source`; every convolution has neurons of its own."""
    nodes = [canvas.add(Draft("add")) for _ in range(N_NODES)]
    canvas.connect(source, nodes[SOURCE], Identity())
    for edge in cell.edges:
        form = EDGE_OPERATIONS.get(edge.operation)
        start = nodes[edge.source]
        if form.neuron:
            start = canvas.spikes(start, form.neuron)
        canvas.connect(start, nodes[edge.target], form.operation(channels), delay=int(edge.is_feedback))
    return nodes[SINK]


@lru_cache(maxsize=65536)
def cell_id(cell: Cell) -> str:
    """Equal for cells that mean the same wherever they stand: the id of the cell between a convolution and a norm.

    Cheaper than the id of a whole network with two cells, and as good: two networks that differ in their cells alone
    have equal ids exactly if the cells have (`benchmarks/quality_snasnet_enumeration.py`).
    """
    canvas = Canvas()
    begin = canvas.through(0, Convolution(Kernel(1), 1))
    end = canvas.join([draw_cell(canvas, begin, cell, channels=1)], Normalisation(), neuron=lif())
    return canvas.architecture(InputSpec((1, 1, 1), 1), outputs=[end]).id


# published notations ------------------------------------------------------------------------------------------------

SNASNET_CODES = (ZERO, "identity", "conv1", "conv3", "average_pool")
"""The operations that SNASNet's connection matrices call 0 to 4."""

SPIKENAS_BENCH_CODES = (ZERO, "identity", "conv3_at_0.5", "conv3", "conv3_at_1.5")
"""The operations that SpikeNAS-Bench calls 0 to 4."""


def from_con_mat(text: str) -> Cell:
    """The cell of a SNASNet connection matrix, dead edges included.

    Row i, column j is the edge from node i to node j: above the diagonal forward, below it feedback.

    Raises:
        GenomeFormatError: not four rows of four codes, or a code on the diagonal.
        IllegalGeneError: edges in both directions between two nodes.

    >>> str(from_con_mat("0302 0030 3003 0000"))
    '0>1 conv3, 2>0 conv3, 0>3 conv1, 1>2 conv3, 2>3 conv3'
    """
    if not re.fullmatch(r"[0-4]{4}( [0-4]{4}){3}", text) or set(text[::6]) != {"0"}:
        raise GenomeFormatError(
            "con_mat: expected four rows of four codes 0 to 4, zeros on the diagonal,"
            f" e.g. '0303 0030 2002 0200', got {text!r}"
        )
    rows = text.split()
    places = {(i, j): int(rows[i][j]) for i in range(N_NODES) for j in range(N_NODES)}
    return _from_codes(places, SNASNET_CODES)


def from_code(text: str) -> Cell:
    """The cell of a SpikeNAS-Bench code, six digits in the order of `PAIRS`, dead edges included.

    Raises:
        GenomeFormatError: not six codes.

    >>> str(from_code("020040"))
    '0>2 conv3_at_0.5, 1>3 conv3_at_1.5'
    """
    if not re.fullmatch("[0-4]{6}", text):
        raise GenomeFormatError(f"code: expected six digits 0 to 4, e.g. '020030', got {text!r}")
    return _from_codes(dict(zip(PAIRS, map(int, text), strict=True)), SPIKENAS_BENCH_CODES)


def _from_codes(places: Mapping[tuple[int, int], int], codes: tuple[str, ...]) -> Cell:
    edges: Iterable[Edge] = (Edge(i, j, codes[code]) for (i, j), code in places.items() if code)
    return Cell(tuple(edges))
