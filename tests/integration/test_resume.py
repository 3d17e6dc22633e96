"""A run that was cut anywhere and taken up again finds what an uninterrupted one finds."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.errors import EvonasError, RunError

N_ROWS = 18
"""6 genomes in each of the generations 0, 1 and 2."""

SMALL = (
    *("--dataset", "digits", "--population", "6", "--generations", "2"),
    *("--set", "training.elites=0", "--set", "evaluation.batch=16"),
)
SERIAL = (*SMALL, "--set", "evaluation.executor=serial")

Same = Callable[[Path, Path], None]
Rows = Callable[[Path], list[bytes]]


def newest(run_dir: Path) -> Path:
    return max((run_dir / "checkpoints").glob("generation-*.json"))


def edit_config(run_dir: Path, section: str, **changes: Any) -> None:
    path = run_dir / "config.json"
    content = json.loads(path.read_text())
    content["config"][section].update(changes)
    path.write_text(json.dumps(content))


# Cut anywhere, in this process --------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [0, 1, 5, 6, 7, 12, 17, 18])
def test_a_run_cut_after_any_row_ends_as_the_uninterrupted_one(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same, n_rows: int
) -> None:
    cut(copy, n_rows=n_rows)
    engine.resume(copy)
    assert_same(copy, whole)


def test_the_last_checkpoint_of_a_resumed_run_is_the_one_of_the_uninterrupted_run(
    copy: Path, whole: Path, engine: Any, cut: Any
) -> None:
    cut(copy, n_rows=9)
    assert newest(copy).name == "generation-00000.json"
    engine.resume(copy)
    assert newest(copy).name == "generation-00002.json"
    assert newest(copy).read_bytes() == newest(whole).read_bytes()


def test_rows_that_are_in_the_log_are_not_evaluated_again(
    copy: Path, engine: Any, cut: Any, rows: Rows
) -> None:
    cut(copy, n_rows=8)
    before = rows(copy)
    engine.resume(copy)
    assert rows(copy)[:8] == before
    assert len(rows(copy)) == N_ROWS


def test_a_run_can_be_cut_and_resumed_again_and_again(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    for n_rows in (15, 11, 6, 3, 17):
        cut(copy, n_rows=n_rows)
        engine.resume(copy)
    assert_same(copy, whole)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.999])
def test_a_log_cut_within_a_line_loses_that_line_only_and_says_so(
    copy: Path, whole: Path, engine: Any, cut: Any, rows: Rows, assert_same: Same, fraction: float
) -> None:
    line = rows(whole)[10]
    cut(copy, n_rows=10, extra=line[: max(1, int(fraction * len(line)))])
    told = engine.resume(copy)
    (note,) = [text for text in told if "evaluations.jsonl" in text]
    assert "last line" in note
    assert "10 rows" in note
    assert_same(copy, whole)


def test_zeros_at_the_end_of_the_log_as_a_power_cut_leaves_them_are_dropped(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    cut(copy, n_rows=10, extra=b"\0" * 700)
    assert any("10 rows" in text for text in engine.resume(copy))
    assert_same(copy, whole)


def test_a_log_broken_in_the_middle_keeps_the_rows_before_and_evaluates_the_rest_again(
    copy: Path, whole: Path, engine: Any, rows: Rows, assert_same: Same
) -> None:
    lines = rows(copy)
    lines[4] = b"x" + lines[4]
    (copy / "evaluations.jsonl").write_bytes(b"".join(lines))
    told = engine.resume(copy)
    assert any("line 5" in text and "4 rows" in text for text in told)
    assert_same(copy, whole)


def test_a_deleted_log_is_evaluated_anew_and_no_checkpoint_is_used_without_it(
    copy: Path, whole: Path, engine: Any, assert_same: Same
) -> None:
    (copy / "evaluations.jsonl").unlink()
    told = engine.resume(copy)
    assert sum("is not used" in text and "evaluations.jsonl" in text for text in told) == 3
    assert_same(copy, whole)


def test_a_finished_run_that_is_resumed_stays_as_it_is(
    copy: Path, whole: Path, engine: Any, assert_same: Same
) -> None:
    before = (copy / "evaluations.jsonl").read_bytes()
    engine.resume(copy)
    assert (copy / "evaluations.jsonl").read_bytes() == before
    assert_same(copy, whole)


def test_a_run_folder_can_be_moved_before_it_is_resumed(
    copy: Path, whole: Path, engine: Any, cut: Any, tmp_path: Path, assert_same: Same
) -> None:
    cut(copy, n_rows=9)
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    copy.rename(moved)
    engine.resume(moved)
    assert_same(moved, whole)


def test_temporary_files_of_a_killed_write_do_not_disturb(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    cut(copy, n_rows=9)
    for folder in (copy, copy / "checkpoints"):
        (folder / ".tmp-left").write_bytes(b"{")
    engine.resume(copy)
    assert_same(copy, whole)


# Longer runs --------------------------------------------------------------------------------------


def test_an_extended_run_equals_a_longer_one(
    copy: Path, engine: Any, tmp_path: Path, assert_same: Same
) -> None:
    engine.resume(copy, generations=4)
    longer = tmp_path / "longer"
    engine.evolve(longer, "evolution.generations=4")
    assert len(evonas.load_run(copy).rows) == 30
    assert_same(copy, longer)


def test_a_cut_run_can_be_extended(
    copy: Path, engine: Any, cut: Any, tmp_path: Path, assert_same: Same
) -> None:
    cut(copy, n_rows=10)
    engine.resume(copy, generations=3)
    longer = tmp_path / "longer"
    engine.evolve(longer, "evolution.generations=3")
    assert_same(copy, longer)


def test_random_search_is_resumed_too(engine: Any, cut: Any, tmp_path: Path, assert_same: Same) -> None:
    engine.evolve(tmp_path / "whole", "evolution.strategy=random")
    cut_path = Path(shutil.copytree(tmp_path / "whole", tmp_path / "cut"))
    cut(cut_path, n_rows=8)
    engine.resume(cut_path)
    assert_same(cut_path, tmp_path / "whole")


def test_a_run_with_constraints_is_resumed_with_its_infeasible_rows(
    engine: Any, cut: Any, tmp_path: Path, assert_same: Same
) -> None:
    engine.evolve(tmp_path / "whole", "evolution.max_parameters=100000", "evolution.max_energy_nj=400")
    statuses = set(evonas.load_run(tmp_path / "whole").evaluations()["status"])
    assert statuses >= {"ok", "infeasible"}
    cut_path = Path(shutil.copytree(tmp_path / "whole", tmp_path / "cut"))
    cut(cut_path, n_rows=13)
    engine.resume(cut_path)
    assert_same(cut_path, tmp_path / "whole")


def test_repeated_architectures_are_cached_again_after_a_resume(
    engine: Any, cut: Any, tmp_path: Path, assert_same: Same
) -> None:
    tiny = (
        *("space.min_stages=1", "space.max_stages=1", "space.max_slots=1", "space.max_feedback=0"),
        *('space.motifs=["feedforward_excitation"]', 'space.models=["if"]', "space.thresholds=[1.0]"),
        *("space.kernel_sizes=[1]", "space.width_factors=[1.0]", "space.stem_strides=[1]"),
    )
    engine.evolve(tmp_path / "whole", *tiny)
    run = evonas.load_run(tmp_path / "whole")
    assert run.generations()["n_cached"].sum() > 0
    for n_rows in (5, 9, 16):
        cut_path = Path(shutil.copytree(tmp_path / "whole", tmp_path / f"cut-{n_rows}"))
        cut(cut_path, n_rows=n_rows)
        engine.resume(cut_path)
        assert_same(cut_path, tmp_path / "whole")


# A strategy that has proposals pending ------------------------------------------------------------


STEADY = "evolution.strategy=steady_state"


@pytest.fixture(scope="module", params=[4, 8])
def steady(request: pytest.FixtureRequest, engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run with a fixed lag; read it, or copy it."""
    path = tmp_path_factory.mktemp("steady") / "run"
    engine.evolve(path, STEADY, f"evolution.lag={request.param}")
    return path


@pytest.mark.parametrize("n_rows", [0, 3, 9, 13, 17])
def test_a_steady_run_cut_after_any_row_ends_as_the_uninterrupted_one(
    steady: Path, tmp_path: Path, engine: Any, cut: Any, rows: Rows, assert_same: Same, n_rows: int
) -> None:
    run_dir = Path(shutil.copytree(steady, tmp_path / "run"))
    cut(run_dir, n_rows=n_rows)
    before = rows(run_dir)
    engine.resume(run_dir)
    assert rows(run_dir)[:n_rows] == before
    assert_same(run_dir, steady)
    assert newest(run_dir).read_bytes() == newest(steady).read_bytes()


def test_a_checkpoint_holds_what_was_pending_and_the_log_digest_of_what_was_told(
    steady: Path, tmp_path: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    content = json.loads(newest(steady).read_bytes())["state"]["evolution"]
    lag = evonas.load_run(steady).record.config.evolution.lag
    assert (content["n_proposed"], len(content["pending"])) == (N_ROWS + lag - 1, lag - 1)
    # Rows of pending proposals that are in the log already belong to no checkpoint before them.
    run_dir = Path(shutil.copytree(steady, tmp_path / "run"))
    for path in (run_dir / "checkpoints").glob("generation-0000[12].json"):
        path.unlink()
    told = engine.resume(run_dir)
    assert not any("is not used" in text for text in told)
    assert "taken up at generation 1" in " ".join(told)
    assert_same(run_dir, steady)
    assert newest(run_dir).read_bytes() == newest(steady).read_bytes()


@pytest.mark.parametrize("n_rows", [10, 18])
def test_an_extended_steady_run_equals_a_longer_one(
    steady: Path, tmp_path: Path, engine: Any, cut: Any, assert_same: Same, n_rows: int
) -> None:
    lag = evonas.load_run(steady).record.config.evolution.lag
    run_dir = Path(shutil.copytree(steady, tmp_path / "run"))
    cut(run_dir, n_rows=n_rows)
    engine.resume(run_dir, generations=4)
    engine.evolve(tmp_path / "longer", STEADY, f"evolution.lag={lag}", "evolution.generations=4")
    assert_same(run_dir, tmp_path / "longer")


def test_a_steady_run_does_without_any_checkpoint(
    steady: Path, tmp_path: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    run_dir = Path(shutil.copytree(steady, tmp_path / "run"))
    cut(run_dir, n_rows=15)
    shutil.rmtree(run_dir / "checkpoints")
    engine.resume(run_dir)
    assert_same(run_dir, steady)


def test_another_lag_is_refused_by_name(steady: Path, tmp_path: Path, engine: Any, cut: Any) -> None:
    run_dir = Path(shutil.copytree(steady, tmp_path / "run"))
    cut(run_dir, n_rows=9)
    edit_config(run_dir, "evolution", lag=2)
    with pytest.raises(RunError, match=r"evolution\.lag: was \d, is 2"):
        engine.resume(run_dir)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_steady_run_on_workers_that_is_killed_again_and_again_reaches_the_same_end(
    start: Any, engine: Any, tmp_path: Path, rows: Rows, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    lag = ("--set", STEADY, "--set", "evolution.lag=8")
    arguments: tuple[object, ...] = ("evolve", *SMALL, *lag, "--workers", 2, "--run-dir", run_dir)
    for n_rows in (1, 6, 8, 13):
        command = start(*arguments)
        command.wait_for(lambda n=n_rows: len(rows(run_dir)) >= n, what=f"row {n_rows}")
        command.kill()
        arguments = ("resume", run_dir)
    assert start(*arguments).finish()[0] == 0
    engine.evolve(tmp_path / "whole", STEADY, "evolution.lag=8")
    assert_same(run_dir, tmp_path / "whole")


# Damaged checkpoints ------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def edited(path: Path) -> None:
    content = json.loads(path.read_bytes())
    content["state"]["evolution"]["population"].pop()
    path.write_text(json.dumps(content))


def one_bit_off(path: Path) -> None:
    content = bytearray(path.read_bytes())
    digit = next(i for i in range(len(content) // 2, len(content)) if content[i : i + 1].isdigit())
    content[digit] ^= 1
    path.write_bytes(bytes(content))


def renamed(path: Path) -> None:
    path.rename(path.with_name("generation-00007.json"))


def not_text(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


DAMAGES = (truncated, emptied, edited, one_bit_off, renamed, not_text)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_is_used(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same, damage: Callable[[Path], None]
) -> None:
    cut(copy, n_rows=15)
    assert newest(copy).name == "generation-00001.json"
    damage(newest(copy))
    bad = newest(copy).name
    told = engine.resume(copy)
    (note,) = [text for text in told if "is not used" in text]
    assert bad in note
    assert "using generation-00000.json" in note
    assert "taken up at generation 1" in " ".join(told)
    assert_same(copy, whole)


def test_without_its_newest_checkpoint_a_run_starts_from_the_one_before(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    cut(copy, n_rows=15)
    newest(copy).unlink()
    assert "taken up at generation 1" in " ".join(engine.resume(copy))
    assert_same(copy, whole)


def test_without_any_usable_checkpoint_the_log_alone_is_enough(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    cut(copy, n_rows=15)
    for path in (copy / "checkpoints").iterdir():
        truncated(path)
    told = engine.resume(copy)
    assert sum("is not used" in text for text in told) == 3  # two generations and the beginning
    assert_same(copy, whole)


def test_a_missing_checkpoints_folder_is_made_again(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    cut(copy, n_rows=15)
    shutil.rmtree(copy / "checkpoints")
    engine.resume(copy)
    assert_same(copy, whole)


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("evolution", "seed", 1),
        ("evolution", "population", 8),
        ("evolution", "strategy", "random"),
        ("evolution", "lag", 3),
        ("evolution", "objectives", ["parameters", "rdm", "energy_nj"]),
        ("evolution", "max_parameters", 50_000),
        ("evaluation", "batch", 32),
        ("evaluation", "time_steps", 5),
        ("space", "max_slots", 1),
    ],
)
@pytest.mark.parametrize("n_rows", [4, 15], ids=["before-a-checkpoint", "after-a-checkpoint"])
def test_a_changed_setting_that_matters_is_refused_by_name(
    copy: Path, engine: Any, cut: Any, section: str, key: str, value: object, n_rows: int
) -> None:
    cut(copy, n_rows=n_rows)
    before = (copy / "evaluations.jsonl").read_bytes()
    edit_config(copy, section, **{key: value})
    with pytest.raises(EvonasError, match=rf"{section}\.{key}"):
        engine.resume(copy)
    assert (copy / "evaluations.jsonl").read_bytes() == before


def test_changed_bounds_of_the_hypervolume_are_refused(copy: Path, engine: Any, cut: Any) -> None:
    cut(copy, n_rows=15)
    path = copy / "config.json"
    content = json.loads(path.read_text())
    content["objectives"][1]["bounds"][1] *= 10
    path.write_text(json.dumps(content))
    with pytest.raises(EvonasError, match="parameters"):
        engine.resume(copy)


def test_settings_that_change_only_how_it_is_computed_may_change(
    copy: Path, whole: Path, engine: Any, cut: Any, assert_same: Same
) -> None:
    cut(copy, n_rows=9)
    edit_config(copy, "evaluation", timeout_s=77.0, workers=5)
    engine.resume(copy)
    assert_same(copy, whole)


def test_an_unknown_setting_in_the_record_is_refused_with_the_nearest(copy: Path, engine: Any) -> None:
    edit_config(copy, "evaluation", time_stepz=3)
    with pytest.raises(EvonasError, match=r"time_stepz.*did you mean 'evaluation\.time_steps'"):
        engine.resume(copy)


def test_other_versions_of_what_computes_are_refused_by_name(copy: Path, engine: Any, cut: Any) -> None:
    cut(copy, n_rows=9)
    path = copy / "config.json"
    content = json.loads(path.read_text())
    content["environment"]["torch"] = "1.0"
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"torch: was '1\.0'"):
        engine.resume(copy)


def test_a_log_of_another_run_is_refused(copy: Path, engine: Any, cut: Any, tmp_path: Path) -> None:
    engine.evolve(tmp_path / "other", "evolution.seed=1", "evolution.generations=0")
    cut(copy, n_rows=0)
    shutil.copy(tmp_path / "other" / "evaluations.jsonl", copy / "evaluations.jsonl")
    before = (copy / "evaluations.jsonl").read_bytes()
    with pytest.raises(RunError, match="another run"):
        engine.resume(copy)
    assert (copy / "evaluations.jsonl").read_bytes() == before


def test_changed_data_are_refused(engine: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = tmp_path / "mine.npz"

    def write(offset: int) -> None:
        images = (rng.integers(0, 200, (80, 1, 8, 8)) + offset).astype(np.uint8)
        labels = np.arange(80) % 4
        np.savez(data, x_train=images[:60], y_train=labels[:60], x_test=images[60:], y_test=labels[60:])

    write(0)
    engine.evolve(tmp_path / "run", f"data.name={data}", "evolution.generations=0")
    write(1)
    with pytest.raises(RunError, match="data: was"):
        engine.resume(tmp_path / "run", generations=1)
    assert len(evonas.load_run(tmp_path / "run").rows) == 6


def test_a_run_on_a_file_of_ones_own_is_resumed_from_any_folder(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 255, (80, 1, 8, 8)).astype(np.uint8)
    labels = np.arange(80) % 4
    np.savez(
        tmp_path / "mine.npz",
        x_train=images[:60],
        y_train=labels[:60],
        x_test=images[60:],
        y_test=labels[60:],
    )
    monkeypatch.chdir(tmp_path)
    engine.evolve(tmp_path / "run", "data.name=mine.npz", "evolution.generations=0")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    engine.resume(tmp_path / "run", generations=1)
    assert len(evonas.load_run(tmp_path / "run").rows) == 12


def test_a_run_that_another_process_is_at_work_on_is_refused(engine: Any, copy: Path, cut: Any) -> None:
    cut(copy, n_rows=9)
    with (copy / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process"):
            engine.resume(copy)


# Out of time --------------------------------------------------------------------------------------


def test_a_run_whose_minutes_are_up_stops_and_is_resumed_to_the_same_end(
    engine: Any, whole: Path, tmp_path: Path, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    told = engine.evolve(run_dir, max_minutes=1e-9)
    assert any("time is up" in text and f"resume {run_dir}" in text for text in told)
    assert 1 <= len(evonas.load_run(run_dir).rows) < N_ROWS
    engine.resume(run_dir)
    assert_same(run_dir, whole)


# SIGKILL of the command ---------------------------------------------------------------------------


def test_a_command_killed_before_anything_is_recorded_leaves_a_folder_that_can_be_used(
    start: Any, run_command: Any, whole: Path, tmp_path: Path, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SERIAL, "--run-dir", run_dir)
    command.wait_for(run_dir.exists, what="the run folder")
    command.kill()
    if not (run_dir / "config.json").exists():  # else it was too quick, and there is something to resume
        code, _, errors = run_command("resume", run_dir)
        assert code == 2
        assert "nothing to resume" in errors
        assert len(errors.splitlines()) == 1
        code, _, errors = run_command("evolve", *SERIAL, "--run-dir", run_dir)
        assert (code, errors) == (0, "")
    else:
        assert run_command("resume", run_dir)[0] == 0
    assert_same(run_dir, whole)


def test_a_command_killed_in_its_first_moments_leaves_nothing_to_resume_and_says_so(
    start: Any, run_command: Any, tmp_path: Path
) -> None:
    command = start("evolve", *SERIAL, "--run-dir", tmp_path / "run")
    command.kill()
    code, output, errors = run_command("resume", tmp_path / "run")
    assert (code, output) == (2, "")
    assert len(errors.splitlines()) == 1
    assert str(tmp_path / "run") in errors


@pytest.mark.parametrize("n_rows", [pytest.param(0, marks=pytest.mark.slow), 9])
def test_a_command_killed_at_work_is_resumed_to_the_same_end(
    start: Any, run_command: Any, whole: Path, tmp_path: Path, rows: Rows, assert_same: Same, n_rows: int
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SERIAL, "--run-dir", run_dir)
    command.wait_for((run_dir / "config.json").exists, what="the record")
    command.wait_for(lambda: len(rows(run_dir)) >= n_rows, what=f"row {n_rows}")
    command.kill()
    assert len(rows(run_dir)) < N_ROWS
    code, _, errors = run_command("resume", run_dir)
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 3)])
def test_a_run_on_workers_that_is_killed_is_resumed_with_fewer_or_more(
    start: Any,
    run_command: Any,
    whole: Path,
    tmp_path: Path,
    rows: Rows,
    assert_same: Same,
    before: int,
    after: int,
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", before, "--run-dir", run_dir)
    command.wait_for(lambda: len(rows(run_dir)) >= 3, what="row 3")
    command.kill()
    assert len(rows(run_dir)) < N_ROWS
    code, _, errors = run_command("resume", run_dir, "--workers", after)
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)
    assert evonas.load_run(run_dir).record.config.evaluation.workers == after


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_is_killed_again_and_again_reaches_the_same_end(
    start: Any, whole: Path, tmp_path: Path, rows: Rows, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    arguments: tuple[object, ...] = ("evolve", *SMALL, "--workers", 2, "--run-dir", run_dir)
    for n_rows in (1, 4, 7, 10, 13):
        command = start(*arguments)
        command.wait_for(lambda n=n_rows: len(rows(run_dir)) >= n, what=f"row {n_rows}")
        command.kill()
        arguments = ("resume", run_dir)
    assert start(*arguments).finish()[0] == 0
    assert_same(run_dir, whole)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_how_to_go_on_and_does(
    start: Any,
    run_command: Any,
    whole: Path,
    tmp_path: Path,
    rows: Rows,
    assert_same: Same,
    number: signal.Signals,
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", 2, "--run-dir", run_dir)
    command.wait_for(lambda: len(rows(run_dir)) >= 3, what="row 3")
    command.signal(number)
    code, _, errors = command.finish()
    assert code == 130
    assert len(errors.splitlines()) == 1
    assert f"resume {run_dir}" in errors
    assert run_command("resume", run_dir)[0] == 0
    assert_same(run_dir, whole)
