"""Genomes that are taken over from one space into another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genomes.adoption import adopted
from genomes.architecture import InputSpec
from genomes.cell_space import CellGenome
from genomes.cells import Cell, Edge, cleaned
from genomes.errors import IllegalGeneError
from genomes.genome import Genome
from genomes.serial import build_space
from genomes.space import Space

LARGE, SMALL = InputSpec((3, 32, 32), 10), InputSpec((1, 8, 8), 10)
CELLS = {"channels": [16], "hidden": [128]}


def space(name: str, *, input_spec: InputSpec = LARGE, **options: object) -> Space[Any]:
    return build_space(name, input_spec=input_spec, options=options)


def sample(of: Space[Any], seed: int) -> Any:
    return of.sample(rng=np.random.default_rng(seed))


def with_feedback(of: Space[Any]) -> Genome:
    """A genome of the default space that feeds back between slots."""
    found = next(genome for seed in range(50) if (genome := sample(of, seed)).feedback)
    assert isinstance(found, Genome)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_a_cell_loses_its_feedback_in_a_forward_space_and_nothing_else_that_lives(seed: int) -> None:
    backward, forward = space("snasnet_backward", **CELLS), space("snasnet_forward", **CELLS)
    genome = sample(backward, seed)
    found = adopted(genome, forward)
    forward.check(found)
    kept = {edge for edge in genome.cell.edges if not edge.is_feedback}
    assert set(found.cell.edges) <= kept
    assert found.cell == cleaned(Cell(tuple(kept)))
    assert (found.channels, found.hidden) == (genome.channels, genome.hidden)
    assert any(edge.is_feedback for edge in genome.cell.edges) == (
        forward.decode(found) != backward.decode(genome)
    )


def test_edges_that_lead_nowhere_without_feedback_go_with_it() -> None:
    """Node 2 reaches the output through the feedback to node 1 alone."""
    edges = [Edge(0, 3, "conv3"), Edge(0, 2, "conv1"), Edge(2, 1, "conv3"), Edge(1, 3, "identity")]
    backward, forward = space("snasnet_backward", **CELLS), space("snasnet_forward", **CELLS)
    genome = CellGenome(Cell(tuple(edges)), 16, 128)
    backward.check(genome)
    assert adopted(genome, forward).cell == Cell((edges[0],))


def test_a_space_with_feedback_takes_a_cell_as_it_is() -> None:
    backward = space("snasnet_backward", **CELLS)
    for seed in range(5):
        genome = sample(backward, seed)
        assert adopted(genome, backward) == genome


def test_a_genome_loses_its_feedback_where_the_space_offers_none_and_keeps_it_elsewhere() -> None:
    genome = with_feedback(space("evonas"))
    assert adopted(genome, space("evonas", max_feedback=0)) == replace(genome, feedback=())
    assert adopted(genome, space("evonas")) == genome


def test_a_genome_moves_to_inputs_of_another_shape() -> None:
    large, small = space("evonas"), space("evonas", input_spec=SMALL)
    genome = with_feedback(large)
    assert adopted(genome, small) == genome
    assert small.decode(genome).input == SMALL


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("snasnet_forward", {"channels": [32], "hidden": [128]}, "channels: got 16, this space offers 32"),
        (
            "spikernel",
            {"channels": [16], "hidden": [128], "kernel_sizes": [5]},
            "this space offers identity, conv5",
        ),
    ],
)
def test_what_the_space_does_not_offer_is_refused(
    name: str, options: dict[str, object], message: str
) -> None:
    genome = CellGenome(Cell((Edge(0, 3, "conv3"), Edge(0, 1, "conv3"), Edge(1, 3, "identity"))), 16, 128)
    with pytest.raises(IllegalGeneError, match=message):
        adopted(genome, space(name, **options))


def test_a_cell_that_is_cut_in_two_without_its_feedback_is_refused() -> None:
    """Spaces without a demanded edge from input to output can hold such a cell."""
    genome = CellGenome(Cell((Edge(0, 2, "conv3"), Edge(2, 1, "conv3"), Edge(1, 3, "conv3"))), 32, 256)
    with pytest.raises(IllegalGeneError, match="is not reached"):
        adopted(genome, space("spikernel"))
