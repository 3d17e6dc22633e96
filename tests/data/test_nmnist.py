from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evonas
from evonas.data import load
from evonas.data.events import FRAMINGS
from evonas.data.nmnist import read_nmnist, read_recording
from evonas.errors import DataError, DataMissingError


def record(t: int, x: int, y: int, polarity: int) -> bytes:
    """One event as published: a byte of x, one of y, a bit of polarity, 23 bits of time."""
    return bytes([x, y]) + (polarity << 23 | t).to_bytes(3, "big")


def write(path: Path, *records: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(records))
    return path


def silent(line: str) -> None:
    """A reporter of progress that keeps quiet."""


def test_the_bytes_of_a_record_are_column_row_polarity_and_time(tmp_path: Path) -> None:
    content = bytes(
        [0x07, 0x21, 0x00, 0x00, 0x05, 0x20, 0x03, 0x81, 0x02, 0x03, 0x00, 0x00, 0x7F, 0xFF, 0xFF]
    )
    made = read_recording(write(tmp_path / "1.bs2", content))
    assert made.x.tolist() == [7, 32, 0]
    assert made.y.tolist() == [33, 3, 0]
    assert made.polarity.tolist() == [0, 1, 0]
    assert made.t.tolist() == [5, 0x010203, 2**23 - 1]
    assert made.t.dtype == np.int64
    assert made.shape == (34, 34)


def test_an_overflow_is_no_event_and_adds_to_every_time_after_it(tmp_path: Path) -> None:
    overflow = record(0, 0, 240, 0)
    made = read_recording(
        write(
            tmp_path / "1.bin",
            record(8000, 1, 1, 1),
            overflow,
            record(10, 2, 2, 0),
            record(10, 3, 3, 1),
            overflow,
            overflow,
            record(4, 4, 4, 0),
        )
    )
    assert made.t.tolist() == [8000, 8192 + 10, 8192 + 10, 3 * 8192 + 4]
    assert made.x.tolist() == [1, 2, 3, 4]
    assert made.polarity.tolist() == [1, 0, 1, 0]


def test_every_length_that_is_not_whole_records_is_refused_as_cut(tmp_path: Path) -> None:
    content = record(1, 1, 1, 0) + record(2, 2, 2, 1)
    for length in (1, 4, 6, 9):
        with pytest.raises(DataError, match=rf"1\.bs2: cut or altered: {length} bytes") as raised:
            read_recording(write(tmp_path / "1.bs2", content[:length]))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "holds no events"),
        ([record(0, 0, 240, 0)], "holds no events"),
        ([record(9, 0, 0, 0), record(8, 0, 0, 0)], "event 1 is at 8 us after one at 9 us"),
        ([record(0, 34, 0, 0)], "x must be 0 to 33, but event 0 has 34"),
        ([record(0, 0, 34, 0)], "y must be 0 to 33, but event 0 has 34"),
    ],
)
def test_a_damaged_recording_is_refused_in_one_line(tmp_path: Path, records: list[bytes], says: str) -> None:
    with pytest.raises(DataError, match=rf"1\.bs2: .*{says}") as raised:
        read_recording(write(tmp_path / "1.bs2", *records))
    assert "\n" not in str(raised.value)


def publish(root: Path, *, folder: str = "N-MNIST", n_train: int = 4) -> Path:
    """N-MNIST as published, with few recordings; their first x is their class, their first y their number."""
    for which, n in (("Train", n_train), ("Test", 1)):
        for label in range(10):
            for i in range(n):
                path = root / folder / which / str(label) / f"{i:05d}.bin"
                write(path, record(0, label, i, 1), record(99, 0, 0, 0))
    return root


@pytest.mark.parametrize("folder", ["N-MNIST", "NMNIST", "nmnist"])
def test_the_published_folders_are_read_with_their_classes(tmp_path: Path, folder: str) -> None:
    parts = read_nmnist(publish(tmp_path, folder=folder), report=silent)
    assert parts.train.labels.tolist() == [label for label in range(10) for _ in range(4)]
    made = list(parts.train.events)
    assert [int(events.x[0]) for events in made] == parts.train.labels.tolist()
    assert [int(events.y[0]) for events in made] == [0, 1, 2, 3] * 10
    assert len(list(parts.test.events)) == len(parts.test.labels) == 10


def test_a_whole_data_set_is_made_of_the_published_folders(tmp_path: Path) -> None:
    made = load("nmnist", root=publish(tmp_path), n_steps=3, report=silent)
    assert made.spec.shape == (2, 34, 34)
    assert (made.spec.static, made.spec.n_steps, made.spec.augment) == (False, 3, False)
    assert [len(part) for part in (made.train, made.validation, made.test)] == [30, 10, 10]
    for part in (made.train, made.validation, made.test):
        for inputs, label in zip(part.inputs, part.labels, strict=True):
            assert inputs[0, 1, :, label].sum() == 1
            assert inputs[2, 0, 0, 0] == 1


def write_small(root: Path, *, train: str, test: str = "#sample #class\n60001 2\n") -> Path:
    folder = root / "nmnist-small"
    for sample in (7, 8, 60001):
        write(folder / f"{sample}.bs2", record(0, sample % 10, 0, 0))
    (folder / "train1K.txt").write_text(train)
    (folder / "test100.txt").write_text(test)
    return root


def test_the_small_folder_is_read_by_its_lists(tmp_path: Path) -> None:
    parts = read_nmnist(write_small(tmp_path, train="#sample #class\n8\t3\r\n7\t5\n\n"), report=silent)
    assert parts.train.labels.tolist() == [3, 5]
    assert [int(events.x[0]) for events in parts.train.events] == [8, 7]
    assert parts.test.labels.tolist() == [2]


@pytest.mark.parametrize("line", ["7", "7 ten", "7 10", "../7 1", "7 1 2"])
def test_a_list_that_is_none_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"train1K\.txt: line 2: a sample and its class, 0 to 9, expected"):
        read_nmnist(write_small(tmp_path, train=f"8 3\n{line}\n"), report=silent)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"no N-MNIST; N-MNIST/Train, .* expected .*data\.root"):
        load("nmnist", root=tmp_path, report=silent)
    publish(tmp_path / "whole")
    for path in (tmp_path / "whole" / "N-MNIST" / "Train" / "6").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"Train/6: recordings \*\.bin expected, none found"):
        load("nmnist", root=tmp_path / "whole", report=silent)
    write_small(tmp_path / "small", train="9 1\n")
    with pytest.raises(DataError, match=r"9\.bs2: cannot be read"):
        load("nmnist", root=tmp_path / "small", report=silent)


def test_real_recordings_are_what_their_bytes_say(event_root: Path) -> None:
    folder = event_root / "nmnist-small"
    paths = sorted(folder.glob("*.bs2"))[::100]
    assert len(paths) == 11
    for path in paths:
        content = path.read_bytes()
        made = read_recording(path)
        words = [int.from_bytes(content[i : i + 5], "big") for i in range(0, len(content), 5)]
        rows = np.column_stack([made.x, made.y, made.polarity, made.t])
        expected = [(w >> 32, w >> 24 & 255, w >> 23 & 1, w & (1 << 23) - 1) for w in words]
        np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("framing", FRAMINGS.names())
def test_the_frames_of_the_real_data_hold_every_event_of_every_file(event_root: Path, framing: str) -> None:
    made = load("nmnist", root=event_root, n_steps=5, framing=framing, report=silent)
    assert [len(part) for part in (made.train, made.validation, made.test)] == [900, 100, 100]
    counts = [part.inputs.sum(axis=(1, 2, 3, 4)) for part in (made.train, made.validation, made.test)]
    sizes = [path.stat().st_size // 5 for path in (event_root / "nmnist-small").glob("*.bs2")]
    assert sorted(np.concatenate(counts).tolist()) == sorted(sizes)
    if framing == "count":
        per_step = made.train.inputs.sum(axis=(2, 3, 4)).astype(np.int64)
        assert np.ptp(per_step, axis=1).max() <= 1


def run_evonas(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    code = "import sys; from evonas.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True)


def test_a_cut_recording_ends_a_search_in_one_line_before_anything_is_made(tmp_path: Path) -> None:
    path = publish(tmp_path / "data") / "N-MNIST" / "Train" / "3" / "00002.bin"
    path.write_bytes(path.read_bytes()[:-2])
    ran = run_evonas("evolve", "--dataset", "nmnist", "--data-dir", "data", "--run-dir", "run", cwd=tmp_path)
    assert ran.returncode == 2
    assert "00002.bin: cut or altered: 8 bytes" in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_search_on_real_recordings_runs_to_its_trained_elite(event_root: Path, tmp_path: Path) -> None:
    settings = ["evaluation.executor=serial", "evaluation.batch=16", "evaluation.time_steps=5"]
    settings += ["training.epochs=1", "data.n_train=64", "data.framing=count"]
    flags = ["--dataset", "nmnist", "--data-dir", str(event_root), "--population", "4", "--generations", "1"]
    assigned = [word for setting in settings for word in ("--set", setting)]
    ran = run_evonas("evolve", *flags, "--run-dir", "run", *assigned, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    run = evonas.load_run(tmp_path / "run")
    assert run.is_complete
    assert len(run.evaluations()) == 8
    assert len(list((tmp_path / "run" / "elites").glob("*/result.json"))) == 1
    recorded = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (recorded["data"]["framing"], recorded["data"]["n_train"]) == ("count", 64)
    assert recorded["evaluation"]["time_steps"] == 5
    resumed = run_evonas("resume", "run", "--generations", "2", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert len(evonas.load_run(tmp_path / "run").evaluations()) == 12
