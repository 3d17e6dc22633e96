from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evonas.errors import RunError
from evonas.evolution.evaluation import Evaluation, Proposal
from evonas.runs.log import LogWriter, Row, read, recover, row

MakeRow = Callable[..., Row]


def written(path: Path, rows: list[Row]) -> bytes:
    with LogWriter(path) as log:
        log.append(rows)
    return path.read_bytes()


def test_rows_come_back_exactly(tmp_path: Path, make_row: MakeRow) -> None:
    rows = [
        make_row(0, objectives={"rdm": 0.1 + 0.2, "parameters": 12345}, genome=[1, {"nested": [0.1, None]}]),
        make_row(
            1, status="failed", objectives={}, reason="a line\nanother \u2028 \r end", parents=("a0", "a0")
        ),
        make_row(2, status="cached", seconds=5e-324, worker="node/\u00e9"),
    ]
    written(tmp_path / "log", rows)
    assert read(tmp_path / "log") == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), text=st.text())
def test_every_finite_number_and_text_survives(
    tmp_path: Path, make_row: MakeRow, value: float, text: str
) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    rows = [make_row(0, objectives={"rdm": value}, diagnostics={text: value}, reason=text)]
    written(path, rows)
    assert read(path) == rows


def test_an_undefined_diagnostic_is_kept_as_undefined_and_the_file_stays_json(
    tmp_path: Path, make_row: MakeRow
) -> None:
    content = written(tmp_path / "log", [make_row(0, diagnostics={"rank": math.nan, "rate": math.inf})])
    assert json.loads(content, parse_constant=pytest.fail)["diagnostics"] == {"rank": None, "rate": None}
    assert all(map(math.isnan, read(tmp_path / "log")[0].diagnostics.values()))


def test_an_objective_that_is_not_finite_is_refused(tmp_path: Path, make_row: MakeRow) -> None:
    with LogWriter(tmp_path / "log") as log, pytest.raises(ValueError, match="JSON"):
        log.append([make_row(0), make_row(1, objectives={"rdm": math.nan})])
    assert read(tmp_path / "log") == []


def test_a_row_is_made_of_proposal_and_evaluation_and_gives_them_back() -> None:
    proposal = Proposal(index=3, generation=1, genome={"g": 1}, architecture_id="a3", parents=("a1", "a2"))
    evaluation = Evaluation(
        status="infeasible", objectives={"parameters": 9.0}, violation=0.5, reason="too big"
    )
    line = row(proposal, evaluation, genome={"g": 1})
    assert line.proposal() == proposal
    assert line.evaluation() == evaluation


def test_no_file_is_an_empty_log(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []
    assert recover(tmp_path / "none") == ([], [])


def test_cutting_the_log_at_any_byte_keeps_exactly_the_complete_lines(
    tmp_path: Path, make_row: MakeRow
) -> None:
    rows = [make_row(i) for i in range(3)]
    content = written(tmp_path / "log", rows)
    for size in range(0, len(content), 7):
        path = tmp_path / f"cut{size}"
        path.write_bytes(content[:size])
        n_complete = content[:size].count(b"\n")
        assert read(path) == rows[:n_complete]
        recovered, messages = recover(path)
        assert recovered == rows[:n_complete]
        assert bool(messages) == (not content[:size].endswith(b"\n") and size > 0)
        written(path, rows[n_complete:])
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"{\n", "is not JSON"),
        (b"\x00\x00\n", "is not JSON"),
        (b"\xff\n", "is not JSON"),
        (b"[]\n", "is not the record"),
        (b'{"index": 1}\n', "is not the record"),
    ],
)
def test_a_broken_line_in_the_middle_is_named_and_a_resume_keeps_what_is_before(
    tmp_path: Path, make_row: MakeRow, broken: bytes, reason: str
) -> None:
    rows = [make_row(i) for i in range(3)]
    lines = written(tmp_path / "log", rows).splitlines(keepends=True)
    (tmp_path / "log").write_bytes(lines[0] + broken + lines[2])
    with pytest.raises(RunError, match=f"line 2 {reason}.*keeps the 1 rows"):
        read(tmp_path / "log")
    recovered, messages = recover(tmp_path / "log")
    assert recovered == rows[:1]
    assert len(messages) == 1
    assert f"line 2 {reason}" in messages[0]
    assert (tmp_path / "log").read_bytes() == lines[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [("index", 7), ("status", "fine"), ("attempts", "1"), ("objectives", {"rdm": "x"}), ("parents", None)],
)
def test_an_edited_value_that_cannot_be_is_a_broken_line(
    tmp_path: Path, make_row: MakeRow, key: str, value: object
) -> None:
    lines = written(tmp_path / "log", [make_row(0), make_row(1)]).splitlines(keepends=True)
    edited = json.dumps({**json.loads(lines[0]), key: value}).encode() + b"\n"
    (tmp_path / "log").write_bytes(edited + lines[1])
    with pytest.raises(RunError, match="line 1 has"):
        read(tmp_path / "log")


def test_a_missing_line_is_noticed(tmp_path: Path, make_row: MakeRow) -> None:
    lines = written(tmp_path / "log", [make_row(i) for i in range(3)]).splitlines(keepends=True)
    (tmp_path / "log").write_bytes(lines[0] + lines[2] + lines[2])
    with pytest.raises(RunError, match="line 2 has index 2, expected 1"):
        read(tmp_path / "log")


def test_a_full_disk_loses_only_the_rows_that_did_not_fit(tmp_path: Path) -> None:
    # The file size limit of a process is as good as a full disk, and binds root too.
    script = """
import resource, sys
from pathlib import Path
from evonas.runs.log import LogWriter, Row, read
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
def make(index):
    return Row(index, 0, "a", "ok", {}, 0.0, {}, "x" * 300, {}, (), 0.0, "", 1)
with LogWriter(path) as log:
    n = 0
    try:
        while n < 100:
            log.append([make(n), make(n + 1)])
            n += 2
    except OSError as error:
        print(n, error.errno is not None)
assert len(read(path)) == n > 0 and path.read_bytes().endswith(b"\\n")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log")], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    n, stopped = done.stdout.split()
    assert 0 < int(n) < 100
    assert stopped == "True"
