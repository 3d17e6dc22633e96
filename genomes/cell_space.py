"""Spaces of free-edge cells: one cell, used twice, in the network of SNASNet.

Kim et al., "Neural architecture search for spiking neural networks", ECCV 2022, section 4.1 and released code. The
network: 3 x 3 convolution; cell; norm, neurons and 3 x 3 convolution to twice the channels; average pooling 2 x 2; the
same cell at twice the channels; norm and neurons; average pooling; dropout; a hidden layer of neurons; voters.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from genomes.architecture import INPUT, Architecture, InputSpec
from genomes.canvas import Canvas
from genomes.cells import (
    EDGE_OPERATIONS,
    PAIRS,
    SINK,
    SOURCE,
    ZERO,
    Cell,
    Edge,
    cell_id,
    cleaned,
    draw_cell,
    lif,
)
from genomes.errors import DisconnectedError, IllegalGeneError
from genomes.gene_space import GeneSpace, among
from genomes.micro import Kernel
from genomes.operations import AveragePool, Convolution, Dropout, Linear, Normalisation
from genomes.space import Gene
from genomes.variation import pick

DROPOUT = 0.5
"""Released code of SNASNet, before the hidden layer."""

DIRECT = (SOURCE, SINK)
"""The pair whose edge SNASNet demands."""

MIDDLE = tuple(range(SOURCE + 1, SINK))
"""The nodes that a cell can be without."""

ABSENT, PRESENT = "absent", "present"


@dataclass(frozen=True)
class CellGenome:
    """A cell, the channels of its first use (the second has twice as many) and the neurons of the hidden layer."""

    cell: Cell
    channels: int
    hidden: int


@dataclass(frozen=True)
class CellSpace(GeneSpace[CellGenome]):
    """All cells of `operations`, in networks with one of `channels` and one of `hidden`; each is a gene if several.

    What is left 0 or empty follows from the input, as published for CIFAR10, CIFAR100 and TinyImageNet. `channels`: 256
    for up to 10 classes, else 128. `hidden`: 1024, from 200 classes on 4096. `voters` for each class: 10 for up to 10
    classes, else 5. `stem_stride`: 2 from 64 pixels on, else 1. `pool`, the side of the windows of the last average
    pooling: 4 for up to 10 classes, else 2, or all there is where that is less.
    """

    input: InputSpec
    channels: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    voters: int = 0
    stem_stride: int = 0
    pool: int = 0

    genome_type: ClassVar[type] = CellGenome
    feedback: ClassVar[bool] = False
    """Whether an edge may run from a later node to an earlier one."""

    direct: ClassVar[bool] = False
    """Whether every cell has the edge from its input to its output."""

    @property
    @abstractmethod
    def operations(self) -> tuple[str, ...]:
        """The operations that an edge can have, names of `EDGE_OPERATIONS`."""

    def __post_init__(self) -> None:
        few = self.input.n_classes <= 10
        self._settle("channels", (256 if few else 128,))
        self._settle("hidden", (1024 if self.input.n_classes < 200 else 4096,))
        self._settle("voters", 10 if few else 5)
        self._settle("stem_stride", 1 if min(self.input.shape[1:]) < 64 else 2)
        for option in ("channels", "hidden", "voters", "stem_stride", "pool"):
            value = getattr(self, option)
            if min(value if isinstance(value, tuple) else (value,)) < (option != "pool"):
                raise IllegalGeneError(f"space.{option}: expected 1 or more, got {value}")
        side = ((min(self.input.shape[1:]) - 1) // self.stem_stride + 1) // 2
        self._settle("pool", min(4 if few else 2, side))
        if not 1 <= self.pool <= side:
            raise IllegalGeneError(
                f"space.pool: what is pooled is {side} pixels high or wide with space.stem_stride"
                f" {self.stem_stride}, got windows of {self.pool}; expected 1 to {side}"
            )

    def _settle(self, option: str, default: Any) -> None:
        object.__setattr__(self, option, getattr(self, option) or default)

    # sampling -------------------------------------------------------------------------------------------------------

    def sample(self, *, rng: np.random.Generator) -> CellGenome:
        """A random genome: every cell without dead edges, and every width, has the same chance.

        The released code of SNASNet cleans whatever it draws instead; with feedback, 4 cells of a single edge are then
        four draws in ten.
        """
        while True:
            cell = _cell(pick(self.choices(pair), rng) for pair in PAIRS)
            if cleaned(cell) == cell and self.is_legal(cell):
                return CellGenome(cell, pick(self.channels, rng), pick(self.hidden, rng))

    def choices(self, pair: tuple[int, int]) -> tuple[Edge | None, ...]:
        """What can be between two nodes."""
        ends = self._directions(pair)
        return None, *(Edge(*way, operation) for way in ends for operation in self.operations)

    def _directions(self, pair: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        both = self.feedback and not (self.direct and pair == DIRECT)
        return (pair, pair[::-1]) if both else (pair,)

    def is_legal(self, cell: Cell) -> bool:
        """Whether a cleaned cell is in the space, its operations apart."""
        return cell.between(DIRECT) is not None if self.direct else bool(cell.edges)

    # variation ------------------------------------------------------------------------------------------------------

    def genes(self, genome: CellGenome) -> list[Gene[CellGenome]]:
        """The edges between the nodes that are there, which nodes are there, and the widths.

        Offered are only values that lead to another architecture each. A node that is added brings edges drawn at
        random.
        """
        found = [self._edge_gene(genome, pair) for pair in PAIRS if genome.cell.nodes.issuperset(pair)]
        found += [self._node_gene(genome, node) for node in MIDDLE]
        for name in ("channels", "hidden"):
            value, choices = getattr(genome, name), getattr(self, name)
            change = _width_change(genome, name)
            found.append(Gene("macro", name, value, tuple(c for c in choices if c != value), change))
        return [gene for gene in found if gene.alternatives]

    def _edge_gene(self, genome: CellGenome, pair: tuple[int, int]) -> Gene[CellGenome]:
        seen = {cell_id(genome.cell)}
        cells: dict[str, Cell] = {}
        for edge in self.choices(pair):
            cell = cleaned(genome.cell.with_edge(pair, edge))
            if self.is_legal(cell) and cell_id(cell) not in seen:
                seen.add(cell_id(cell))
                cells[_value(edge)] = cell

        def change(value: str, rng: np.random.Generator) -> CellGenome:
            return replace(genome, cell=cells[value])

        name = f"edge {pair[0]}-{pair[1]}"
        return Gene("meso", name, _value(genome.cell.between(pair)), tuple(cells), change)

    def _node_gene(self, genome: CellGenome, node: int) -> Gene[CellGenome]:
        def add(value: str, rng: np.random.Generator) -> CellGenome:
            own = cell_id(genome.cell)
            others = genome.cell.nodes | {node}
            pairs = [pair for pair in PAIRS if node in pair and others.issuperset(pair)]
            while True:
                drawn = (pick(self.choices(pair), rng) for pair in pairs)
                cell = cleaned(_cell((*genome.cell.edges, *drawn)))
                if node in cell.nodes and self.is_legal(cell) and cell_id(cell) != own:
                    return replace(genome, cell=cell)

        name = f"node {node}"
        if node not in genome.cell.nodes:
            return Gene("meso", name, ABSENT, (PRESENT,), add)
        without = cleaned(Cell(tuple(edge for edge in genome.cell.edges if node not in edge.pair)))
        legal = self.is_legal(without)
        return Gene(
            "meso", name, PRESENT, (ABSENT,) if legal else (), lambda _, rng: replace(genome, cell=without)
        )

    def mutate(self, genome: CellGenome, *, rng: np.random.Generator) -> CellGenome:
        """A copy with one or more genes changed that is another architecture: two changes can undo each other."""
        while True:
            mutant = super().mutate(genome, rng=rng)
            if self.architecture_id(mutant) != self.architecture_id(genome):
                return mutant

    def crossover(self, first: CellGenome, second: CellGenome, *, rng: np.random.Generator) -> CellGenome:
        """A child whose every edge and width is that of either parent with equal chance, cleaned."""
        while True:
            cell = cleaned(_cell(pick((first, second), rng).cell.between(pair) for pair in PAIRS))
            if self.is_legal(cell):
                channels = pick((first.channels, second.channels), rng)
                return CellGenome(cell, channels, pick((first.hidden, second.hidden), rng))

    # reading --------------------------------------------------------------------------------------------------------

    def genome(self, cell: Cell) -> CellGenome:
        """The genome of a published cell, cleaned, with the first of the widths that the space offers.

        Raises:
            IllegalGeneError: the space does not contain it.
            DisconnectedError: its output is not reached from its input.
        """
        live = cleaned(cell)
        self._check_cell(live, shown=cell)
        return CellGenome(live, self.channels[0], self.hidden[0])

    def n_parameters_uncut(self, cell: Cell) -> int:
        """Learnable numbers of the network of `genome(cell)` with the edges that are cut off, as publications count.

        The cell's output need not be reached from its input.
        """
        channels = self.channels[0]
        bare = CellGenome(Cell((Edge(*DIRECT, "identity"),)), channels, self.hidden[0])
        edges = [EDGE_OPERATIONS.get(edge.operation) for edge in cell.edges]
        return self.decode(bare).n_parameters + sum(
            edge.n_parameters(channels) + edge.n_parameters(2 * channels) for edge in edges
        )

    def draw(self, genome: CellGenome) -> Architecture:
        """The architecture of `genome`."""
        canvas, neuron, wide = Canvas(), lif(), 2 * genome.channels
        stem = canvas.through(INPUT, Convolution(Kernel(3), genome.channels, stride=self.stem_stride))
        first = draw_cell(canvas, stem, genome.cell, channels=genome.channels)
        fired = canvas.join([first], Normalisation(), neuron=neuron)
        reduced = canvas.through(fired, Convolution(Kernel(3), wide), AveragePool(2, 2))
        second = draw_cell(canvas, reduced, genome.cell, channels=wide)
        fired = canvas.join([second], Normalisation(), neuron=neuron)
        pooled = canvas.through(fired, AveragePool(self.pool, self.pool), Dropout(DROPOUT))
        hidden = canvas.join([pooled], Linear(genome.hidden), neuron=neuron)
        return canvas.architecture(self.input, outputs=[hidden], voters=self.voters)

    def check(self, genome: CellGenome) -> None:
        """Refuse a genome outside this space.

        Raises:
            IllegalGeneError: an operation, direction or width that the space does not offer, or dead edges.
        """
        among("channels", genome.channels, self.channels)
        among("hidden", genome.hidden, self.hidden)
        self._check_cell(genome.cell, shown=genome.cell)
        dead = [edge for edge in genome.cell.edges if edge not in cleaned(genome.cell).edges]
        if dead:
            raise IllegalGeneError(
                f"cell: edge {dead[0]} lies on no way from node {SOURCE} to node {SINK}; leave it out"
            )

    def _check_cell(self, cell: Cell, *, shown: Cell) -> None:
        for edge in cell.edges:
            among(f"edge {edge.source}>{edge.target}", edge.operation, self.operations)
            if (edge.source, edge.target) not in self._directions(edge.pair):
                raise IllegalGeneError(f"edge {edge}: this space offers no feedback between these nodes")
        if not cleaned(cell).edges:
            raise DisconnectedError(
                f"cell: node {SINK}, the output, is not reached from node {SOURCE}, the input, by {shown}"
            )
        if not self.is_legal(cell):
            raise IllegalGeneError(
                f"cell: this space demands the edge {SOURCE}>{SINK} and feedback elsewhere, got {shown}"
            )

    def summary(self, genome: CellGenome) -> list[str]:
        """The genome in words: the widths, then one line per edge of the cell."""
        widths = f"{genome.channels} and {2 * genome.channels} channels, {genome.hidden} hidden neurons"
        late = {True: ", one time step late", False: ""}
        return [widths, *(f"{edge}{late[edge.is_feedback]}" for edge in genome.cell.edges)]


def _cell(edges: Iterable[Edge | None]) -> Cell:
    return Cell(tuple(edge for edge in edges if edge))


def _value(edge: Edge | None) -> str:
    """The value of an edge gene: the name of the operation, for feedback with the word behind it."""
    return ZERO if edge is None else edge.operation + (" feedback" if edge.is_feedback else "")


def _width_change(genome: CellGenome, name: str) -> Callable[[Any, np.random.Generator], CellGenome]:
    return lambda value, rng: replace(genome, **{name: value})
