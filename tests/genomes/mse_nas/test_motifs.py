from __future__ import annotations

import pytest

from genomes.graph import levels, reachable
from genomes.meso import INPUT, Motif
from genomes.mse_nas.motifs import CORRECTED, NAMES, PREDECESSORS, RELEASED, convolutions

KEYS = [(name, n) for name in NAMES[1:] for n in PREDECESSORS]


def excited(motif: Motif) -> set[int]:
    """The populations that something drives which does not only inhibit, inputs handed on included."""
    driving = [
        (e.source, e.target)
        for e in motif.edges
        if not e.absent and not e.delay and (e.sign > 0 or (e.sign == 0 and e.source < 0))
    ]
    inputs = {e.source for e in motif.edges if e.source < 0}
    return {node for node in reachable(sorted(inputs), driving) if node >= 0}


def inhibitory(motif: Motif) -> list[tuple[str, str]]:
    return [(motif.nodes[e.source].name, motif.nodes[e.target].name) for e in motif.edges if e.sign < 0]


def test_each_table_has_its_motifs_for_two_and_for_three_inputs() -> None:
    assert set(RELEASED) == {(name, n) for name in NAMES for n in PREDECESSORS}
    assert set(CORRECTED) == set(KEYS)


@pytest.mark.parametrize(
    ("n_inputs", "counts"),
    [(2, [0, 3, 5, 5, 8, 3]), (3, [0, 4, 6, 6, 12, 4])],
)
def test_the_released_motifs_have_the_known_number_of_convolutions(n_inputs: int, counts: list[int]) -> None:
    assert [len(convolutions(RELEASED[name, n_inputs])) for name in NAMES] == counts


@pytest.mark.parametrize("table", [RELEASED, CORRECTED])
@pytest.mark.parametrize("key", KEYS)
def test_every_input_is_read_and_every_population_leaves(
    table: dict[tuple[str, int], Motif], key: tuple[str, int]
) -> None:
    motif = table[key]
    assert {e.source for e in motif.edges if e.source < 0} == {INPUT - k for k in range(key[1])}
    assert motif.outputs == tuple(range(len(motif.nodes)))
    # Cycles only through an edge that is late: the call raises on any other.
    edges = [(e.source + key[1], e.target + key[1]) for e in motif.edges if not e.delay]
    levels(len(motif.nodes) + key[1], edges)


def test_the_released_interneurons_of_three_inputs_are_driven_by_inhibition_alone() -> None:
    for name in ("feedforward_inhibition", "mutual_inhibition"):
        motif = RELEASED[name, 3]
        assert [motif.nodes[i].name for i in set(range(len(motif.nodes))) - excited(motif)] == ["B"]


@pytest.mark.parametrize("key", KEYS)
def test_every_corrected_population_is_excited(key: tuple[str, int]) -> None:
    motif = CORRECTED[key]
    assert excited(motif) == set(range(len(motif.nodes)))


def test_two_released_motifs_named_after_inhibition_have_none_with_two_inputs() -> None:
    without = [name for name in NAMES[2:] if not inhibitory(RELEASED[name, 2])]
    assert without == ["lateral_inhibition", "mutual_inhibition"]


@pytest.mark.parametrize("key", KEYS)
def test_inhibition_is_in_every_corrected_motif_named_after_it(key: tuple[str, int]) -> None:
    assert bool(inhibitory(CORRECTED[key])) == ("inhibition" in key[0])


@pytest.mark.parametrize("n_inputs", PREDECESSORS)
def test_the_corrected_inhibition_is_what_the_name_says(n_inputs: int) -> None:
    lateral = inhibitory(CORRECTED["lateral_inhibition", n_inputs])
    mutual = inhibitory(CORRECTED["mutual_inhibition", n_inputs])
    assert lateral == [("D", "E"), ("D", "F")]
    assert mutual == [("A", "B"), ("B", "A")]
    assert inhibitory(CORRECTED["feedback_inhibition", n_inputs]) == [("B", "A")]
    assert ("B", "D") in inhibitory(CORRECTED["feedforward_inhibition", n_inputs])


@pytest.mark.parametrize("key", KEYS)
def test_what_returns_in_a_corrected_motif_inhibits_its_first_population_a_step_late(
    key: tuple[str, int],
) -> None:
    motif = CORRECTED[key]
    late = [(motif.nodes[e.target].name, e.sign) for e in motif.edges if e.delay]
    assert (("A", -1) in late) == (key[0] in ("feedback_inhibition", "mutual_inhibition"))
    assert all(e.delay for e in motif.edges if 0 <= e.target < e.source)


@pytest.mark.parametrize("key", KEYS)
def test_a_corrected_motif_has_no_zero_edges(key: tuple[str, int]) -> None:
    assert not any(e.absent for e in CORRECTED[key].edges)


@pytest.mark.parametrize("n_inputs", PREDECESSORS)
def test_what_needs_no_correction_is_as_released(n_inputs: int) -> None:
    same = {
        2: ["feedforward_excitation", "feedforward_inhibition"],
        3: ["feedforward_excitation", "lateral_inhibition"],
    }
    for name in same[n_inputs]:
        released = [e for e in RELEASED[name, n_inputs].edges if not e.absent]
        assert list(CORRECTED[name, n_inputs].edges) == released


def test_convolutions_are_named_after_their_ends() -> None:
    assert convolutions(CORRECTED["mutual_inhibition", 2]) == ("i0 to A", "i1 to A", "A to B", "B to A")
