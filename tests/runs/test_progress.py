from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from evonas.runs.config import override
from evonas.runs.folder import RunRecord
from evonas.runs.log import Row
from evonas.runs.progress import LiveReporter, PlainReporter, clock, reporter
from evonas.runs.results import Run

MakeRow = Callable[..., Row]
MakeRun = Callable[[Sequence[Row]], Run]

GENERATION = {
    "generation": 1,
    "hypervolume": 0.51234,
    "n_front": 7,
    "best_rdm": 0.8123,
    "best_parameters": 1234.0,
    "n_evaluated": 20,
    "n_cached": 4,
    "n_infeasible": 0,
    "n_failed": 2,
    "seconds": 10.0,
}


def follow(shown: PlainReporter, *, record: RunRecord, run: Run) -> None:
    """A short run and the training of an elite, as the pipeline tells them."""
    shown.begin(folder=Path("runs/x"), record=record, n_generations=4, first=1)
    shown.note("checkpoint [1] is not used")
    shown.evaluated(n_done=3, n_total=24)
    shown.generation(GENERATION)
    shown.finished(run)
    shown.training(architecture_id="a0", n_epochs=30)
    shown.epoch(epoch=29, n_epochs=30, loss=0.5, accuracy=0.9, images_per_second=1234.5, seconds=65.0)
    shown.trained(architecture_id="a0", test_accuracy=0.91234, folder=Path("runs/x/elites/a0"))
    shown.close()
    shown.close()


@pytest.fixture
def run(make_run: MakeRun, make_row: MakeRow) -> Run:
    return make_run([make_row(0), make_row(1, objectives={"rdm": 0.9, "parameters": 9000.0})])


EXPECTED = (
    "runs/x: digits, space evonas, nsga2, population 24, generations 0 to 4, seed 0",
    "taken up at generation 1",
    "checkpoint [1] is not used",
    "generation 1/4  evaluated 20  cached 4  failed 2  2.0/s  best: rdm 0.8123  parameters 1,234  "
    "hypervolume 0.5123  front 7  left 0:30",
    "training a0 for 30 epochs",
    "epoch 29/30  loss 0.5000  validation accuracy 0.9000  1234 images/s  left 1:05",
    "test accuracy: 0.9123",
)


def test_without_a_terminal_every_event_is_a_plain_line(
    capsys: pytest.CaptureFixture[str], record: RunRecord, run: Run
) -> None:
    shown = reporter()
    assert type(shown) is PlainReporter
    follow(shown, record=record, run=run)
    output = capsys.readouterr().out
    for text in EXPECTED:
        assert text in output
    assert "\x1b" not in output
    assert shown.folder == Path("runs/x")


def test_on_a_terminal_the_same_lines_stand_above_a_bar_that_is_gone_in_the_end(
    record: RunRecord, run: Run
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=200, color_system=None)
    follow(LiveReporter(console), record=record, run=run)
    output = screen.getvalue()
    for text in EXPECTED:
        assert text in output
    assert "3/24" in output
    assert "\u2502" in output  # the table has borders
    last_line = output.rstrip("\n").splitlines()[-1]
    assert "elites/a0" in last_line


def whole(run: Run, *, elites: int) -> Run:
    """`run` with settings under which its two rows are all there should be."""
    changes = {"evolution.population": 2, "evolution.generations": 0, "training.elites": elites}
    record = dataclasses.replace(run.record, config=override(run.record.config, changes))
    return dataclasses.replace(run, record=record)


def next_commands(output: str) -> list[str]:
    """The verbs of the commands proposed at the end of `output`."""
    lines = output.splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith("next: "))
    return re.findall(r" (resume|train|front) \S+run\b(?: --generations 10)?  ", "\n".join(lines[start:]))


def test_a_run_whose_time_was_up_is_to_be_resumed(capsys: pytest.CaptureFixture[str], run: Run) -> None:
    PlainReporter().finished(run)
    assert next_commands(capsys.readouterr().out) == ["resume"]


def test_a_whole_run_is_to_be_trained_or_extended(capsys: pytest.CaptureFixture[str], run: Run) -> None:
    PlainReporter().finished(whole(run, elites=0))
    assert next_commands(capsys.readouterr().out) == ["train", "resume"]


def test_what_is_next_is_told_after_the_elites_are_trained(
    capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    shown = PlainReporter()
    shown.finished(whole(run, elites=5))
    for architecture_id in ("a0", "a1"):
        assert "next: " not in capsys.readouterr().out
        shown.trained(architecture_id=architecture_id, test_accuracy=0.9, folder=Path("x"))
    assert next_commands(capsys.readouterr().out) == ["front", "resume"]


def test_a_record_without_a_front_is_shown_with_dashes(
    capsys: pytest.CaptureFixture[str], record: RunRecord
) -> None:
    shown = PlainReporter()
    shown.begin(folder=Path("x"), record=record, n_generations=0, first=0)
    nothing = {"generation": 0, "best_rdm": None, "best_parameters": None, "n_evaluated": 0, "seconds": 0.0}
    shown.generation({**GENERATION, **nothing})
    assert "generation 0/0  evaluated 0" in (output := capsys.readouterr().out)
    assert "0.0/s  best: rdm -  parameters -" in output
    assert "left 0:00" in output


def test_a_run_without_workers_names_none_and_infeasible_genomes_are_counted(
    capsys: pytest.CaptureFixture[str], record: RunRecord
) -> None:
    shown = PlainReporter()
    serial = override(record.config, {"evaluation.executor": "serial"})
    shown.begin(folder=Path("x"), record=dataclasses.replace(record, config=serial), n_generations=0, first=0)
    shown.generation({**GENERATION, "n_infeasible": 5})
    header, line = capsys.readouterr().out.splitlines()
    assert header.endswith(", serial")
    assert "failed 2  infeasible 5  2.0/s" in line


def test_a_whole_run_without_a_front_shows_neither_table_nor_what_is_next(
    capsys: pytest.CaptureFixture[str], make_run: MakeRun, make_row: MakeRow
) -> None:
    rows = [make_row(i, status="failed", objectives={}, reason="no") for i in range(2)]
    PlainReporter().finished(whole(make_run(rows), elites=1))
    assert capsys.readouterr().out == ""


def test_without_hints_a_run_does_not_say_what_is_next(capsys: pytest.CaptureFixture[str], run: Run) -> None:
    reporter(hints=False).finished(whole(run, elites=0))
    output = capsys.readouterr().out
    assert "rank" in output
    assert "next:" not in output


def score(shown: PlainReporter) -> None:
    shown.scoring(folder=Path("runs/rank-x"), text="40 networks")
    for n_done in range(1, 41):
        shown.scored(n_done=n_done, n_total=40, seconds=2.0 * n_done)
    shown.table([["score", "tau"], ["rdm", "0.31"]], title="t.csv")


def test_a_scoring_leaves_ten_lines_and_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    shown = PlainReporter()
    score(shown)
    first, *lines, empty, title, header, row = capsys.readouterr().out.splitlines()
    assert first == "runs/rank-x: 40 networks"
    assert lines[0] == "scored 4/40  0.5/s  left 1:12"
    assert [line.split()[1] for line in lines] == [f"{n}/40" for n in range(4, 41, 4)]
    assert (empty, title) == ("", "t.csv")
    assert (header, row) == ("score   tau", "  rdm  0.31")
    assert shown.folder == Path("runs/rank-x")


def test_on_a_terminal_a_scoring_moves_the_bar_and_its_table_has_a_title() -> None:
    screen = io.StringIO()
    shown = LiveReporter(Console(file=screen, force_terminal=True, width=200, color_system=None))
    score(shown)
    output = screen.getvalue()
    assert "40/40" in output
    assert "t.csv" in output
    assert "scored 4/40" not in output


def test_a_clock_never_runs_below_zero() -> None:
    assert clock(-3.0) == "0:00"


def test_the_bar_of_a_run_says_how_long_all_its_generations_still_take(
    monkeypatch: pytest.MonkeyPatch, record: RunRecord
) -> None:
    seconds = iter((100.0, 102.0))
    monkeypatch.setattr("evonas.runs.progress.time.monotonic", lambda: next(seconds))
    screen = io.StringIO()
    shown = LiveReporter(Console(file=screen, force_terminal=True, width=200, color_system=None))
    shown.begin(folder=Path("runs/x"), record=record, n_generations=4, first=1)
    shown.evaluated(n_done=1, n_total=24)
    shown.evaluated(n_done=3, n_total=24)  # a second each, and 93 of 4 x 24 to go
    shown.close()
    assert "left 1:33" in screen.getvalue()


def test_the_bar_of_a_scoring_says_how_long_it_still_takes() -> None:
    screen = io.StringIO()
    shown = LiveReporter(Console(file=screen, force_terminal=True, width=200, color_system=None))
    shown.scored(n_done=10, n_total=40, seconds=20.0)
    shown.close()
    assert "left 1:00" in screen.getvalue()
