from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from evonas.data import Events, EventTrainTest, load
from evonas.data.dvs128_objects import CLASSES, WINDOW_US, read_dvs128_objects
from evonas.errors import DataError, DataMissingError


def silent(line: str) -> None:
    """A reporter of progress that keeps quiet."""


@pytest.fixture(scope="module")
def parts(event_root: Path) -> EventTrainTest:
    return read_dvs128_objects(event_root, report=silent)


def files(events: Iterable[Events], *, root: Path) -> set[str]:
    """The recordings that windows come from, by session and name."""
    return {
        str(Path(window.origin.partition(", ")[0]).relative_to(root / "dvs128-objects")) for window in events
    }


def test_training_is_on_session_1_and_testing_on_session_2(parts: EventTrainTest, event_root: Path) -> None:
    assert parts.validation is not None
    extra = {"session1/Estilete_1.aedat"}
    session1 = {f"session1/{name}.aedat" for name in CLASSES} | extra
    assert files(parts.train.events, root=event_root) == session1
    assert files(parts.validation.events, root=event_root) == session1
    assert files(parts.test.events, root=event_root) == {f"session2/{name}.aedat" for name in CLASSES}


def test_a_window_has_the_class_of_its_file(parts: EventTrainTest) -> None:
    assert parts.validation is not None
    for part in (parts.train, parts.validation, parts.test):
        for window, label in zip(part.events, part.labels, strict=True):
            assert Path(window.origin.partition(", ")[0]).stem.partition("_")[0] == CLASSES[label]


def test_what_is_held_out_of_a_recording_comes_after_all_that_is_trained_on(parts: EventTrainTest) -> None:
    assert parts.validation is not None
    last: dict[str, int] = {}
    for window in parts.train.events:
        recording = window.origin.partition(", ")[0]
        last[recording] = max(last.get(recording, 0), int(window.t[-1]))
    held = list(parts.validation.events)
    assert len(held) == 41
    for window in held:
        assert window.t[0] > last[window.origin.partition(", ")[0]]


def test_windows_are_as_long_as_they_should_be_and_share_no_moment(parts: EventTrainTest) -> None:
    test = list(parts.test.events)
    for before, after in itertools.pairwise(test):
        assert before.t[-1] - before.t[0] < WINDOW_US
        if before.origin.partition(", ")[0] == after.origin.partition(", ")[0]:
            assert before.t[-1] < after.t[0]


@pytest.mark.parametrize("framing", ["time", "count"])
def test_the_frames_hold_every_event_of_the_windows(
    parts: EventTrainTest, event_root: Path, framing: str
) -> None:
    made = load("dvs128_objects", root=event_root, n_steps=4, framing=framing, report=silent)
    assert (made.spec.shape, made.spec.n_steps, made.spec.n_classes) == ((2, 32, 32), 4, 5)
    assert [len(part) for part in (made.train, made.validation, made.test)] == [365, 41, 187]
    counted = made.test.inputs.sum(axis=(1, 2, 3, 4))
    assert counted.tolist() == [len(window) for window in parts.test.events]
    off = made.test.inputs[:, :, 0].sum(axis=(1, 2, 3))
    assert off.tolist() == [int((window.polarity == 0).sum()) for window in parts.test.events]


@pytest.fixture
def copy(event_root: Path, tmp_path: Path) -> Path:
    """A copy of the recordings, to be damaged."""
    shutil.copytree(event_root / "dvs128-objects", tmp_path / "dvs128-objects")
    return tmp_path / "dvs128-objects"


def test_a_damaged_recording_is_refused_in_one_line(copy: Path) -> None:
    path = copy / "session2" / "Tesoura.aedat"
    whole = path.read_bytes()
    start = whole.index(b"#End Of ASCII Header\r\n") + len(b"#End Of ASCII Header\r\n")
    backwards = np.frombuffer(whole[start:], dtype=">u4").reshape(-1, 2)[::-1].tobytes()
    for content, says in (
        (whole[:-3], "cut or altered"),
        (whole[:start] + backwards, "time must not go backwards"),
        (whole[: start + 800], r"too short: at least 2 windows of 0\.5 s expected, 0 found"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"session2/Tesoura\.aedat: {says}") as raised:
            load("dvs128_objects", root=copy.parent, report=silent)
        assert "\n" not in str(raised.value)


def test_what_is_missing_is_named(copy: Path, tmp_path: Path) -> None:
    (copy / "session1" / "Caneca.aedat").unlink()
    with pytest.raises(DataError, match=r"session1: Caneca\.aedat expected, none found"):
        load("dvs128_objects", root=tmp_path, report=silent)
    shutil.rmtree(copy / "session2")
    with pytest.raises(DataMissingError, match=r"session2: no such folder; .*data\.root"):
        load("dvs128_objects", root=tmp_path, report=silent)
