"""Who evaluates does not matter: in this process, on any number of workers, on workers that die or hang."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pandas.testing import assert_frame_equal

import evonas
from evonas.runs.results import MAY_DIFFER

POPULATION = 6
SMALL = (
    *("--dataset", "digits", "--population", str(POPULATION), "--generations", "2"),
    *("--set", "training.elites=0", "--set", "evaluation.batch=16"),
)
FAULTY = ("--space", "faulty", "--set", "evolution.objectives=rdm,size")
LEAVING_S = 30.0
"""How long processes may take to leave on a busy machine."""
RAYS_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""What of Ray stays for about a minute after a SIGKILL of the driver, until it sees that it is alone."""

pytestmark = pytest.mark.timeout(300)

Same = Callable[[Path, Path], None]
Rows = Callable[[Path], list[bytes]]


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + LEAVING_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)


def assert_nothing_left(command: Any) -> None:
    wait_until(lambda: not command.family())
    assert command.family() == []


def one_worker(command: Any) -> int:
    """The pid of a worker that is evaluating: past its imports, its watchdog running."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [worker.pid for worker in command.workers() if "__init__" not in worker.title]
        return bool(found)

    command.wait_for(look, what="a worker")
    return found[0]


# Equal whoever evaluates --------------------------------------------------------------------------


def test_two_workers_find_what_this_process_finds_and_leave_nothing_running(
    start: Any, whole: Path, tmp_path: Path, assert_same: Same
) -> None:
    command = start("evolve", *SMALL, "--workers", 2, "--run-dir", tmp_path / "run")
    code, _, errors = command.finish()
    assert (code, errors) == (0, "")
    assert_same(tmp_path / "run", whole)
    workers = set(evonas.load_run(tmp_path / "run").evaluations()["worker"])
    assert 1 <= len(workers) <= 2
    assert len(workers & set(evonas.load_run(whole).evaluations()["worker"])) == 0
    assert_nothing_left(command)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_finds_the_same(
    run_command: Any, whole: Path, tmp_path: Path, assert_same: Same, workers: int
) -> None:
    code, _, errors = run_command("evolve", *SMALL, "--workers", workers, "--run-dir", tmp_path / "run")
    assert (code, errors) == (0, "")
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("lag", [4, 8])
def test_a_fixed_lag_finds_the_same_on_any_number_of_workers(
    run_command: Any, engine: Any, tmp_path: Path, assert_same: Same, lag: int
) -> None:
    settings = ("evolution.strategy=steady_state", f"evolution.lag={lag}")
    engine.evolve(tmp_path / "serial", *settings)
    for workers in (1, 2, 3):
        run_dir = tmp_path / f"{workers}"
        options = [part for text in settings for part in ("--set", text)]
        code, _, errors = run_command("evolve", *SMALL, *options, "--workers", workers, "--run-dir", run_dir)
        assert (code, errors) == (0, "")
        assert_same(run_dir, tmp_path / "serial")


@pytest.mark.slow
def test_faults_of_genomes_do_not_stop_a_fixed_lag_and_are_the_same_on_any_number_of_workers(
    run_command: Any,
    tmp_path: Path,
    fault_module: Any,
    faulty_line: list[str],
    ids: list[str],
    assert_same: Same,
) -> None:
    env = fault_module(kills=ids[0], sleeps=ids[2], raises=ids[4], is_nan=ids[5])
    paths = [tmp_path / "one", tmp_path / "two"]
    for workers, path in enumerate(paths, start=1):
        code, _, errors = run_command(
            *("evolve", *SMALL, *FAULTY, "--workers", workers, "--run-dir", path),
            *("--set", "evolution.strategy=steady_state", "--set", "evolution.lag=4"),
            *("--set", "evaluation.timeout_s=8"),
            line=faulty_line,
            env=env,
        )
        assert (code, errors) == (0, "")
    statuses = evonas.load_run(paths[0]).evaluations()["status"].tolist()
    assert [statuses[i] for i in (0, 2, 4, 5)] == ["worker_died", "timeout", "failed", "failed"]
    assert_same(paths[0], paths[1])


# Workers that die or hang -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ids(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The architectures of the first population; the faulty space samples the same."""
    path = tmp_path_factory.mktemp("first") / "run"
    engine.evolve(path, "evolution.generations=0", "evolution.objectives=rdm")
    return [row.architecture_id for row in evonas.load_run(path).rows]


def test_each_fault_of_a_genome_is_its_status_and_spoils_no_other(
    run_command: Any, tmp_path: Path, fault_module: Any, faulty_line: list[str], ids: list[str]
) -> None:
    env = fault_module(kills=ids[1], kills_once=ids[2], sleeps=ids[3], raises=ids[4], is_nan=ids[5])
    run_dir = tmp_path / "run"
    code, _, errors = run_command(
        *("evolve", *SMALL, *FAULTY, "--generations", 0, "--workers", 2, "--run-dir", run_dir),
        *("--set", "evaluation.timeout_s=8"),
        line=faulty_line,
        env=env,
    )
    assert (code, errors) == (0, "")
    table = evonas.load_run(run_dir).evaluations()
    assert table["architecture_id"].tolist() == ids
    assert table["status"].tolist() == ["ok", "worker_died", "ok", "timeout", "failed", "failed"]
    assert table["attempts"].tolist() == [1, 2, 2, 1, 1, 1]
    reasons = table["reason"].tolist()
    assert reasons[0] == reasons[2] == ""
    assert "2 times" in reasons[1]
    assert "8 s" in reasons[3]
    assert reasons[4] == "ValueError: this network cannot be measured"
    assert "nan" in reasons[5]
    assert not any("\n" in reason for reason in reasons)
    run = evonas.load_run(run_dir)
    assert {member.architecture_id for member in run.front} <= {ids[0], ids[2]}
    assert run.generations()["n_failed"].tolist() == [4]


@pytest.mark.slow
def test_faults_are_the_same_for_any_number_of_workers_and_after_a_kill(
    start: Any,
    tmp_path: Path,
    fault_module: Any,
    faulty_line: list[str],
    ids: list[str],
    rows: Rows,
    assert_same: Same,
) -> None:
    env = fault_module(kills=ids[0], raises=ids[4])
    paths = [tmp_path / "one", tmp_path / "two", tmp_path / "killed"]
    for path, workers in zip(paths, (1, 2, 2), strict=True):
        command = start(
            *("evolve", *SMALL, *FAULTY, "--workers", workers, "--run-dir", path), line=faulty_line, env=env
        )
        if path.name == "killed":
            command.wait_for(lambda: len(rows(paths[2])) >= 2, what="row 2")
            command.kill()
            assert len(rows(path)) < 18
            command = start("resume", path, line=faulty_line, env=env)
        code, _, errors = command.finish()
        assert (code, errors) == (0, "")
    statuses = evonas.load_run(paths[0]).evaluations()["status"].tolist()
    assert statuses[0] == "worker_died"
    assert statuses[4] == "failed"
    assert_same(paths[0], paths[1])
    assert_same(paths[0], paths[2])


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_evaluates_loses_nothing(
    start: Any, tmp_path: Path, whole: Path, rows: Rows, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", 1, "--run-dir", run_dir)
    killed = 0
    for n_rows in (2, 7):
        command.wait_for(lambda n=n_rows: len(rows(run_dir)) >= n, what=f"row {n_rows}")
        os.kill(one_worker(command), signal.SIGKILL)
        killed += 1
    code, _, errors = command.finish()
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)
    assert len(set(evonas.load_run(run_dir).evaluations()["worker"])) == killed + 1


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_starts_is_replaced(
    start: Any, tmp_path: Path, whole: Path, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", 2, "--run-dir", run_dir)
    command.wait_for(command.workers, what="the first worker")
    os.kill(command.workers()[0].pid, signal.SIGKILL)
    code, _, errors = command.finish()
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)


@pytest.mark.slow
def test_a_driver_that_was_suspended_takes_no_finished_evaluation_for_late(
    start: Any, tmp_path: Path, whole: Path, rows: Rows, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", 2, "--set", "evaluation.timeout_s=6", "--run-dir", run_dir)
    for n_rows in (1, 6, 11):
        command.wait_for(lambda n=n_rows: len(rows(run_dir)) >= n, what=f"row {n_rows}")
        command.signal(signal.SIGSTOP)
        time.sleep(8.0)  # longer than the time-out; the workers go on meanwhile
        command.signal(signal.SIGCONT)
    code, _, errors = command.finish()
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)


def test_the_serial_executor_ends_an_evaluation_that_takes_too_long(
    run_command: Any, tmp_path: Path, fault_module: Any, faulty_line: list[str], ids: list[str]
) -> None:
    run_dir = tmp_path / "run"
    code, _, errors = run_command(
        *("evolve", *SMALL, *FAULTY, "--generations", 0, "--run-dir", run_dir),
        *("--set", "evaluation.timeout_s=3", "--set", "evaluation.executor=serial"),
        line=faulty_line,
        env=fault_module(sleeps=ids[2], raises=ids[0]),
    )
    assert (code, errors) == (0, "")
    table = evonas.load_run(run_dir).evaluations()
    assert table["status"].tolist() == ["failed", "ok", "timeout", "ok", "ok", "ok"]


# What stays behind --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["ray starts", "workers start", "evaluating"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_running(
    start: Any, tmp_path: Path, rows: Rows, number: signal.Signals, moment: str
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", 2, "--run-dir", run_dir)
    conditions: dict[str, Callable[[], object]] = {
        "ray starts": command.family,
        "workers start": command.workers,
        "evaluating": lambda: len(rows(run_dir)) >= 2,
    }
    command.wait_for(conditions[moment], what=moment)
    command.signal(number)
    code, _, errors = command.finish()
    assert code == 130
    assert len(errors.splitlines()) == 1, errors
    assert_nothing_left(command)


@pytest.mark.slow
def test_ctrl_c_at_a_terminal_which_reaches_every_process_of_the_group_ends_the_run_in_one_line(
    start: Any, tmp_path: Path, rows: Rows
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", 2, "--run-dir", run_dir)
    command.wait_for(lambda: len(rows(run_dir)) >= 2, what="row 2")
    os.killpg(command.pid, signal.SIGINT)
    code, _, errors = command.finish()
    assert code == 130
    assert len(errors.splitlines()) == 1, errors
    assert_nothing_left(command)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["workers start", "evaluating"])
def test_after_a_sigkill_of_the_driver_its_workers_leave_by_themselves(
    start: Any, tmp_path: Path, rows: Rows, moment: str
) -> None:
    run_dir = tmp_path / "run"
    command = start("evolve", *SMALL, "--workers", 2, "--run-dir", run_dir)
    command.wait_for(
        command.workers if moment == "workers start" else lambda: len(rows(run_dir)) >= 2, what=moment
    )
    workers = command.workers()
    assert workers
    command.kill()
    wait_until(lambda: not any(worker.alive for worker in workers))
    assert [worker for worker in workers if worker.alive] == []
    wait_until(lambda: all(left.title.startswith(RAYS_AGENTS) for left in command.family()))
    assert [left for left in command.family() if not left.title.startswith(RAYS_AGENTS)] == []


@pytest.mark.slow
def test_a_worker_that_hangs_leaves_too_when_its_driver_is_killed(
    start: Any, tmp_path: Path, fault_module: Any, faulty_line: list[str], ids: list[str], rows: Rows
) -> None:
    run_dir = tmp_path / "run"
    command = start(
        *("evolve", *SMALL, *FAULTY, "--workers", 2, "--run-dir", run_dir),
        line=faulty_line,
        env=fault_module(sleeps=ids[1]),
    )
    command.wait_for(lambda: len(rows(run_dir)) >= 1, what="row 1")
    workers = command.workers()
    assert workers
    command.kill()
    wait_until(lambda: not any(worker.alive for worker in workers))
    assert [worker for worker in workers if worker.alive] == []


def test_a_row_says_who_evaluated_it_and_nothing_else_depends_on_it(
    whole: Path, tmp_path: Path, engine: Any
) -> None:
    engine.evolve(tmp_path / "again")
    first, second = evonas.load_run(whole).evaluations(), evonas.load_run(tmp_path / "again").evaluations()
    with contextlib.suppress(AssertionError):
        assert_frame_equal(first[["seconds"]], second[["seconds"]], check_exact=True)
        pytest.fail("two runs took exactly the same time, so the time is not measured")
    assert (first["seconds"] > 0).all()
    same = [name for name in first.columns if name not in (*MAY_DIFFER, "diagnostics")]
    assert_frame_equal(first[same], second[same], check_exact=True)
