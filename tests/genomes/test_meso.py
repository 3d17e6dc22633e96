from fractions import Fraction

import pytest

from genomes.graph import components
from genomes.meso import INPUT, MOTIFS, MotifEdge, wired


def wiring(name: str) -> set[tuple[str, str, int, int]]:
    motif = MOTIFS.get(name)
    names = [*(node.name for node in motif.nodes), "in"]
    return {(names[e.source], names[e.target], e.sign, e.delay) for e in motif.edges}


def test_the_five_motifs_of_the_literature_are_there() -> None:
    assert MOTIFS.names() == [
        "feedback_inhibition",
        "feedforward_excitation",
        "feedforward_inhibition",
        "lateral_inhibition",
        "mutual_inhibition",
    ]


def test_feedforward_inhibition_acts_in_the_same_time_step() -> None:
    assert wiring("feedforward_inhibition") == {("in", "P", 1, 0), ("in", "I", 1, 0), ("I", "P", -1, 0)}


def test_feedback_inhibition_returns_one_time_step_late_with_its_sign() -> None:
    assert wiring("feedback_inhibition") == {("in", "P", 1, 0), ("P", "I", 1, 0), ("I", "P", -1, 1)}


def test_lateral_inhibition_suppresses_the_neighbour_not_itself() -> None:
    assert ("I", "Q", -1, 0) in wiring("lateral_inhibition")
    assert not any(source == "I" and target == "P" for source, target, _, _ in wiring("lateral_inhibition"))


def test_mutual_inhibition_is_a_loop_between_two_interneurons() -> None:
    motif = MOTIFS.get("mutual_inhibition")
    loops = components(4, [(e.source, e.target) for e in motif.edges if e.source >= 0])
    assert [[motif.nodes[i].name for i in group] for group in loops if len(group) > 1] == [["I", "J"]]


def test_wiring_can_have_several_inputs_currents_handed_on_and_absent_edges() -> None:
    motif = wired(
        "two", {"A": Fraction(1), "B": Fraction(1)}, "i0>A i1=B A~B B-A@1", inputs="i0 i1", outputs="A B"
    )
    assert motif.edges == (
        MotifEdge(INPUT, 0, 1),
        MotifEdge(INPUT - 1, 1, 0),
        MotifEdge(0, 1, 0, absent=True),
        MotifEdge(1, 0, -1, delay=1),
    )
    assert motif.outputs == (0, 1)


@pytest.mark.parametrize("word", ["inA", "in>", "in>A@2", "in>>A"])
def test_a_word_that_is_no_edge_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=f"'{word}' is no edge"):
        wired("wrong", {"A": Fraction(1)}, word, outputs="A")
