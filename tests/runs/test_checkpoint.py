from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evonas.runs.checkpoint import load_newest, write


def state(generation: int) -> dict[str, Any]:
    return {
        "generation": generation,
        "values": [0.1 + 0.2, 5e-324, -0.0, 2**70],
        "text": "\u00e9",
        "none": None,
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_state_comes_back_exactly(tmp_path: Path) -> None:
    write(tmp_path, generation=0, state=state(0))
    loaded, messages = load_newest(tmp_path)
    assert repr(sorted(loaded.items()) if loaded else None) == repr(sorted(state(0).items()))
    assert messages == []


def test_the_last_three_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    for generation in range(6):
        write(tmp_path, generation=generation, state=state(generation))
    assert names(tmp_path) == ["generation-00003.json", "generation-00004.json", "generation-00005.json"]
    assert load_newest(tmp_path) == (state(5), [])


def test_generations_are_ordered_as_numbers(tmp_path: Path) -> None:
    for generation in (99999, 100000):
        write(tmp_path, generation=generation, state=state(generation))
    assert load_newest(tmp_path)[0] == state(100000)


def test_a_folder_without_checkpoints_has_no_state(tmp_path: Path) -> None:
    assert load_newest(tmp_path) == (None, [])
    assert load_newest(tmp_path / "none") == (None, [])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[: len(content) // 2], "cut or not JSON"),
        (lambda content: b"", "cut or not JSON"),
        (lambda content: b"\xff" + content, "cut or not JSON"),
        (lambda content: b"[]", "not a checkpoint"),
        (lambda content: content.replace(b'"text":"', b'"text":"edited'), "does not match its SHA-256"),
        (lambda content: content.replace(b'"generation":2', b'"generation":3'), "does not match its SHA-256"),
        (lambda content: content.replace(b'"schema":2', b'"schema":1'), "schema is 1, this version reads 2"),
    ],
)
def test_a_damaged_or_edited_checkpoint_is_skipped_and_said(tmp_path: Path, damage: Any, reason: str) -> None:
    for generation in (1, 2):
        newest = write(tmp_path, generation=generation, state=state(generation))
    damaged = damage(newest.read_bytes())
    assert damaged != newest.read_bytes()
    newest.write_bytes(damaged)
    loaded, messages = load_newest(tmp_path)
    assert loaded == state(1)
    assert len(messages) == 1
    assert reason in messages[0]
    assert "generation-00002.json is not used" in messages[0]
    assert messages[0].endswith("using generation-00001.json")


def test_a_renamed_checkpoint_is_not_taken_for_another_generation(tmp_path: Path) -> None:
    write(tmp_path, generation=1, state=state(1)).rename(tmp_path / "generation-00007.json")
    loaded, messages = load_newest(tmp_path)
    assert loaded is None
    assert "holds generation 1" in messages[0]


def test_with_every_checkpoint_damaged_there_is_no_state_and_each_is_named(tmp_path: Path) -> None:
    for generation in range(3):
        write(tmp_path, generation=generation, state=state(generation)).write_bytes(b"{")
    loaded, messages = load_newest(tmp_path)
    assert loaded is None
    assert [message.split()[1] for message in messages] == list(reversed(names(tmp_path)))


def test_an_intact_state_can_be_refused_for_a_reason(tmp_path: Path) -> None:
    for generation in range(3):
        write(tmp_path, generation=generation, state=state(generation))
    loaded, messages = load_newest(tmp_path, refuse=lambda s: "too new" if s["generation"] > 0 else "")
    assert loaded == state(0)
    assert ["too new" in message for message in messages] == [True, True]


def test_writing_removes_the_checkpoints_of_later_generations(tmp_path: Path) -> None:
    for generation in range(5):
        write(tmp_path, generation=generation, state=state(generation))
    write(tmp_path, generation=3, state=state(3))
    assert names(tmp_path) == ["generation-00002.json", "generation-00003.json"]


def test_a_number_that_is_not_finite_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write(tmp_path, generation=0, state={"value": float("nan")})
    assert names(tmp_path) == []


def test_a_leftover_of_an_interrupted_write_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, generation=0, state=state(0))
    (tmp_path / ".tmp-abc").write_bytes(b"{")
    assert load_newest(tmp_path) == (state(0), [])


def test_a_checkpoint_is_one_json_document(tmp_path: Path) -> None:
    content = json.loads(write(tmp_path, generation=4, state=state(4)).read_text())
    assert (content["schema"], content["generation"], content["state"]) == (2, 4, state(4))
