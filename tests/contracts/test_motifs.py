"""What every registered motif keeps to."""

from fractions import Fraction

import pytest

from genomes.graph import levels, reachable
from genomes.meso import INPUT, MOTIFS

assert MOTIFS.names(), "no motif is registered"
pytestmark = pytest.mark.parametrize("name", MOTIFS.names())


def test_it_draws_a_graph_without_immediate_loops(name: str) -> None:
    motif = MOTIFS.get(name)
    edges = [(e.source + 1, e.target + 1) for e in motif.edges if not e.delay]
    levels(len(motif.nodes) + 1, edges)  # raises on a cycle


def test_every_population_is_driven_by_excitation_and_reaches_an_output(name: str) -> None:
    motif = MOTIFS.get(name)
    exciting = [(e.source, e.target) for e in motif.edges if e.sign > 0 and not e.delay]
    assert reachable([INPUT], exciting) == {INPUT, *range(len(motif.nodes))}
    backwards = [(e.target, e.source) for e in motif.edges]
    assert reachable(motif.outputs, backwards) >= set(range(len(motif.nodes)))


def test_a_population_excites_or_inhibits_but_not_both(name: str) -> None:
    motif = MOTIFS.get(name)
    for node in range(len(motif.nodes)):
        assert len({e.sign for e in motif.edges if e.source == node}) <= 1


def test_populations_that_inhibit_do_not_leave_the_slot(name: str) -> None:
    motif = MOTIFS.get(name)
    inhibiting = {e.source for e in motif.edges if e.sign < 0}
    assert not inhibiting & set(motif.outputs)


def test_the_outputs_are_as_wide_as_the_slot(name: str) -> None:
    motif = MOTIFS.get(name)
    assert sum(motif.nodes[i].share for i in motif.outputs) == Fraction(1)
    for slot_width in range(4, 40, 4):
        assert sum(motif.width(i, slot_width=slot_width) for i in motif.outputs) == slot_width


def test_inhibition_is_in_every_motif_named_after_it(name: str) -> None:
    motif = MOTIFS.get(name)
    assert any(e.sign < 0 for e in motif.edges) == ("inhibition" in name)
