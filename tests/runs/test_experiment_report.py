from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from evonas.runs.comparison import Comparison
from evonas.runs.experiment_report import report
from evonas.runs.experiment_table import ExperimentResult
from evonas.runs.folder import write_record

MakeExperiment = Callable[..., ExperimentResult]

COMPARISONS = (
    Comparison(("a/large",), ("b/large",), "test_accuracy", "above"),
    Comparison(("a/large",), ("b/large",), "energy_nj", relative=True),
)
ACCURACIES = {
    "a-seed0": {"large": 0.5, "small": 0.6},
    "a-seed1": {"large": 0.7, "small": 0.6},
    "b-seed0": {"large": 0.4, "small": 0.6},
    "b-seed1": {"large": 0.6},
    "b-seed2": {},
}


def tables(page: str) -> list[list[list[str]]]:
    """The cells of every table of a page of Markdown, its header first."""
    blocks = [block.splitlines() for block in page.split("\n\n") if block.startswith("| ")]
    rows = [[line[2:-2].split(" | ") for line in block] for block in blocks]
    for header, rule, *_ in rows:
        assert rule == ["---"] * len(header)
    return [[header, *body] for header, _, *body in rows]


def test_it_answers_first_and_says_how_the_answer_was_come_by(make_experiment: MakeExperiment) -> None:
    result = make_experiment(ACCURACIES, comparisons=COMPARISONS, size="small")
    page = report(result)
    title, question, facts, verdict, *_ = page.split("\n\n")
    assert title == "# e, size small"
    assert question == "Which one? (Nobody)"
    assert facts.splitlines() == [
        "- command: `make experiment NAME=e SIZE=small`",
        "- commit: abc",
        "- machine: unknown, torch unknown",
        "- minutes of evaluation and training, summed: 7",
        f"- {result.extent()}",
        "- runs that are over: 4 of 5",
    ]
    assert verdict == "Verdict: **confirmed**"
    assert page.endswith(" |\n")


def test_every_comparison_and_every_network_has_its_line(make_experiment: MakeExperiment) -> None:
    result = make_experiment(ACCURACIES, comparisons=COMPARISONS)
    effects, networks = tables(report(result))
    assert effects == result.effect_cells()
    assert [row[:2] for row in networks[1:]] == [
        ["a", "large"],
        ["a", "small"],
        ["b", "large"],
        ["b", "small"],
    ]


def test_an_experiment_that_compares_nothing_has_a_table_and_no_verdict(
    make_experiment: MakeExperiment,
) -> None:
    page = report(make_experiment(ACCURACIES))
    assert len(tables(page)) == 1
    assert "Verdict" not in page


def test_where_nothing_is_claimed_there_are_differences_and_no_verdict(
    make_experiment: MakeExperiment,
) -> None:
    page = report(make_experiment(ACCURACIES, comparisons=COMPARISONS[1:]))
    assert len(tables(page)) == 2
    assert "Verdict" not in page


def test_before_anything_is_over_there_is_no_table_of_networks(make_experiment: MakeExperiment) -> None:
    page = report(make_experiment({"a-seed0": {}, "b-seed0": {}}, comparisons=COMPARISONS))
    assert "- runs that are over: 0 of 2\n" in page
    assert "Verdict: **no interval**" in page
    ((_, *rows),) = tables(page)
    assert [row[4] for row in rows] == ["0", "0"]


def test_several_commits_and_machines_are_all_named(make_experiment: MakeExperiment) -> None:
    result = make_experiment(ACCURACIES)
    for i, (_, run) in enumerate(result.runs()):
        environment = {"machine": f"m{i % 2}", "torch": "2"}
        write_record(run.folder, replace(run.record, environment=environment, commit=f"c{i}"))
    page = report(result)
    assert "- commit: c0, c1, c2, c3, c4\n" in page
    assert "- machine: m0, torch 2; m1, torch 2\n" in page
