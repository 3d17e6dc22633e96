from genomes.graph import components
from genomes.meso import MOTIFS


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
