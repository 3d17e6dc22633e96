from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from evonas.ranking.scores import Scored, ScoreLog, some


def scored(
    architecture_id: str = "a1", *, seed: int = 0, source: str = "s", **values: float | None
) -> Scored:
    return Scored(architecture_id, seed, values, dict.fromkeys(values, source), "", 1.5)


def test_what_was_appended_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    first, second = scored(rdm=0.1 + 0.2, sahd=None), scored("a2", rdm=-1.0)
    with ScoreLog(path) as log:
        log.append(first)
        assert log.find("a1", seed=0, name="rdm", source="s") == first
    with ScoreLog(path) as log:
        log.append(second)
    with ScoreLog(path) as log:
        assert log.find("a1", seed=0, name="rdm", source="s") == first
        assert log.find("a1", seed=0, name="sahd", source="s") == first
        assert log.find("a2", seed=0, name="rdm", source="s") == second


def test_another_network_seed_proxy_or_code_is_not_found(tmp_path: Path) -> None:
    with ScoreLog(tmp_path / "scores.jsonl") as log:
        log.append(scored(rdm=0.5))
        assert log.find("a2", seed=0, name="rdm", source="s") is None
        assert log.find("a1", seed=1, name="rdm", source="s") is None
        assert log.find("a1", seed=0, name="sahd", source="s") is None
        assert log.find("a1", seed=0, name="rdm", source="other") is None


@pytest.mark.parametrize("n_kept", [1, 40, -1])
def test_a_line_that_was_cut_costs_nothing_but_itself(tmp_path: Path, n_kept: int) -> None:
    path = tmp_path / "scores.jsonl"
    with ScoreLog(path) as log:
        log.append(scored(rdm=0.5))
        log.append(scored("a2", rdm=0.6))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    path.write_bytes(whole[:start] + whole[start:][:n_kept])
    with ScoreLog(path) as log:
        # Without its line end alone a line is whole.
        assert (log.find("a2", seed=0, name="rdm", source="s") is None) == (n_kept != -1)
        log.append(scored("a3", rdm=0.7))
    with ScoreLog(path) as log:
        for name in ("a1", "a3"):
            assert log.find(name, seed=0, name="rdm", source="s") is not None


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "null",
        json.dumps(asdict(scored(rdm=1.0)) | {"more": 1}),
        json.dumps(asdict(scored(rdm=1.0)) | {"sources": {}}),
        json.dumps(asdict(scored(rdm=1.0)) | {"values": {"rdm": float("nan")}}),
        json.dumps(asdict(scored(rdm=1.0)) | {"values": {"rdm": "high"}}),
        json.dumps(asdict(scored(rdm=1.0)) | {"values": 3}),
    ],
)
def test_a_line_of_another_form_is_as_if_it_were_not_there(tmp_path: Path, line: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(line + "\n")
    with ScoreLog(path) as log:
        assert log.find("a1", seed=0, name="rdm", source="s") is None


def test_a_value_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    with ScoreLog(path) as log, pytest.raises(ValueError, match="not JSON compliant"):
        log.append(scored(rdm=float("nan")))
    assert path.read_bytes() == b""


def test_some_networks_are_the_same_in_whatever_order_and_part_of_more() -> None:
    ids = [f"a{i}" for i in range(100)]
    chosen = some(ids, 20)
    assert some(reversed(ids), 20) == chosen
    assert some(ids, 7) == chosen[:7]
    assert chosen != ids[:20]
    assert sorted(some(ids, 1000)) == sorted(ids)
