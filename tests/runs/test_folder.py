from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evonas.errors import ConfigError, RunError
from evonas.runs.folder import RunRecord, create, locked, make_parts, open_run, read_record, write_record


def test_the_record_comes_back_exactly_and_from_a_moved_folder(tmp_path: Path, record: RunRecord) -> None:
    write_record(create(tmp_path / "deep" / "run"), record)
    assert read_record(open_run(tmp_path / "deep" / "run")) == record
    shutil.move(tmp_path / "deep" / "run", tmp_path / "moved")
    assert read_record(open_run(tmp_path / "moved")) == record


def test_a_run_that_exists_is_refused_with_the_command_to_resume_it(
    tmp_path: Path, record: RunRecord
) -> None:
    write_record(create(tmp_path / "run"), record)
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(RunError, match=f"evonas resume {tmp_path / 'run'}"):
        create(tmp_path / "run")
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_what_an_interruption_in_the_first_second_leaves_is_taken_over(
    tmp_path: Path, record: RunRecord
) -> None:
    folder = create(tmp_path / "run")
    with locked(folder):
        (folder.path / ".tmp-xyz").write_bytes(b"{")
    again = create(tmp_path / "run")
    with locked(again):
        make_parts(again)
        write_record(again, record)
    assert not (folder.path / ".tmp-xyz").exists()
    assert read_record(again) == record


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"holds thesis\.tex"):
        create(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file"):
        create(tmp_path / "file")
    with pytest.raises(RunError, match="cannot be made"):
        create(tmp_path / "file" / "below")


def test_a_folder_without_a_record_says_that_there_is_nothing_to_resume(tmp_path: Path) -> None:
    create(tmp_path / "run")
    with pytest.raises(RunError, match="nothing to resume"):
        open_run(tmp_path / "run")
    with pytest.raises(RunError, match="there is no such folder"):
        open_run(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"schema": 99}, "schema 99"),
        ({"config": {"evolution": {"population": 1}}}, "at least 2"),
        ({"config": {"evolution": {"populaton": 9}}}, "did you mean 'evolution.population'"),
        ({"objectives": [{"name": "rdm"}]}, "is not the record"),
        ({"input_shape": [1, 8]}, "is not the record"),
        ({"n_classes": "ten"}, "is not the record"),
        ({"digests": None}, "is not the record"),
    ],
)
def test_an_edited_record_that_cannot_be_is_one_line(
    tmp_path: Path, record: RunRecord, change: dict[str, Any], part: str
) -> None:
    folder = create(tmp_path / "run")
    write_record(folder, record)
    folder.record.write_text(json.dumps({**json.loads(folder.record.read_text()), **change}))
    with pytest.raises((RunError, ConfigError)) as caught:
        read_record(folder)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_record_that_is_not_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    folder = create(tmp_path / "run")
    folder.record.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_record(folder)
    assert "\n" not in str(caught.value)


def test_two_processes_cannot_work_in_one_run(tmp_path: Path) -> None:
    folder = create(tmp_path / "run")
    script = """
import sys
from pathlib import Path
from evonas.runs.folder import RunFolder, locked
with locked(RunFolder(Path(sys.argv[1]))):
    print("mine", flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"mine\n"
        with pytest.raises(RunError, match="another process"), locked(folder):
            pass
        other.kill()
        other.wait()
    with locked(folder):
        pass
