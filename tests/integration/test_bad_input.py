"""What a person can get wrong, through the real command: one clear line, exit code 2, nothing lost.

The command runs in a process of its own where that matters, and in this one, from its first line on, where there are
many cases.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evonas.cli import main
from evonas.runs.results import load_run

SERIAL = (
    *("--dataset", "digits", "--population", "6", "--generations", "2", "--set", "training.elites=0"),
    *("--set", "evaluation.batch=16", "--set", "evaluation.executor=serial"),
)

pytestmark = pytest.mark.timeout(300)

Run = Callable[..., tuple[int, str, str]]
Same = Callable[[Path, Path], None]


@pytest.fixture
def run_here(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run the command in this process: exit code, standard output, standard error."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    signal.signal(signal.SIGTERM, before)


def assert_one_line(code: int, errors: str, *, expected: int, parts: list[str]) -> None:
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("evonas: error: "), errors
    assert "Traceback" not in errors
    for part in parts:
        assert part in errors, f"'{part}' is not in: {errors}"
    assert code == expected, errors


# Settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--dataset", "digitz"], ["data set 'digitz'", "did you mean 'digits'"]),
        (["--space", "evonaz"], ["space 'evonaz'", "did you mean 'evonas'"]),
        (["--set", "evolution.objectives=rdm,parametres"], ["'parametres'", "did you mean 'parameters'"]),
        (["--set", "evolution.strategy=nsga3"], ["'nsga3'", "did you mean 'nsga2'"]),
        (["--set", "evolution.lag=4"], ["evolution.lag", "got 4", "evolution.strategy=steady_state"]),
        (
            ["--set", "evolution.strategy=steady_state", "--set", "evolution.lag=100000"],
            ["evolution.lag", "less than", "got 100000"],
        ),
        (
            ["--set", "evolution.strategy=steady_state", "--set", "evolution.lag=0"],
            ["evolution.lag", "at least 1", "got 0"],
        ),
        (["--set", "space.max_slotz=2"], ["space.max_slotz", "did you mean", "max_slots"]),
        (
            ["--set", "evolution.populatoin=8"],
            ["evolution.populatoin", "did you mean 'evolution.population'"],
        ),
        (["--set", "evolutoin.population=8"], ["evolutoin", "did you mean 'evolution'"]),
        (["--population", "1"], ["evolution.population", "at least 2", "got 1"]),
        (["--generations", "-1"], ["evolution.generations", "at least 0", "got -1"]),
        (["--workers", "0"], ["evaluation.workers", "at least 1", "got 0"]),
        (["--seed", "-3"], ["evolution.seed", "at least 0", "got -3"]),
        (["--population", "many"], ["--population", "integer"]),
        (["--max-minutes", "0"], ["--max-minutes", "above 0"]),
        (["--set", "evaluation.time_steps=2.5"], ["evaluation.time_steps", "whole number", "2.5"]),
        (["--set", "evaluation.timeout_s=nan"], ["evaluation.timeout_s", "nan"]),
        (["--set", "evaluation.executor=dask"], ["evaluation.executor", "ray, serial", "dask"]),
        (["--set", "evolution.objectives=rdm,rdm"], ["evolution.objectives", "once"]),
        (["--set", "evolution.max_parameters=0"], ["evolution.max_parameters", "at least 1"]),
        (["--set", "population=8"], ["section.key=value", "population=8"]),
        (["--set", "evaluation.batch=100000"], ["evaluation.batch", "100000"]),
        (["--set", "space.max_stages=9"], ["space.max_stages"]),
        (
            ["--set", 'space.motifs=["feedbak_inhibition"]'],
            ["feedbak_inhibition", "did you mean 'feedback_inhibition'"],
        ),
        (["--populatoin", "8"], ["--populatoin"]),
        (["no-such-file.toml"], ["no-such-file.toml", "does not exist"]),
        (["--dataset", "no-such-file.npz"], ["no-such-file.npz", "no such file"]),
    ],
    ids=lambda value: " ".join(value)[:40] if value and value[0].startswith(("-", "no")) else "",
)
def test_a_wrong_setting_is_named_and_nothing_is_made(
    run_here: Run, tmp_path: Path, arguments: list[str], parts: list[str]
) -> None:
    code, output, errors = run_here("evolve", *SERIAL, "--run-dir", tmp_path / "run", *arguments)
    assert_one_line(code, errors, expected=2, parts=parts)
    assert output == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--dataset", "digitz"], ["data set 'digitz'", "did you mean 'digits'"]),
        (["--population", "1"], ["evolution.population", "at least 2", "got 1"]),
    ],
    ids=["found by the pipeline", "found by the settings"],
)
def test_the_installed_command_ends_with_one_line_and_code_2(
    run_command: Run, tmp_path: Path, arguments: list[str], parts: list[str]
) -> None:
    code, output, errors = run_command("evolve", *SERIAL, "--run-dir", tmp_path / "run", *arguments)
    assert_one_line(code, errors, expected=2, parts=parts)
    assert output == ""
    assert not (tmp_path / "run").exists()


def test_a_broken_experiment_file_is_named(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text("[evolution\npopulation = 3\n")
    code, _, errors = run_here("evolve", tmp_path / "e.toml")
    assert_one_line(code, errors, expected=2, parts=["e.toml", "not TOML"])
    (tmp_path / "e.toml").write_text("[evolution]\npopulatoin = 3\n")
    code, _, errors = run_here("evolve", tmp_path / "e.toml")
    assert_one_line(code, errors, expected=2, parts=["evolution.populatoin", "did you mean"])


@pytest.mark.slow
@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_an_address_that_is_none_is_refused_and_nothing_is_made(
    run_command: Run, tmp_path: Path, address: str
) -> None:
    arguments = ("--set", "evaluation.executor=ray", "--address", address, "--run-dir", tmp_path / "run")
    code, _, errors = run_command("evolve", *SERIAL, *arguments)
    assert_one_line(code, errors, expected=2, parts=[address])
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_named_in_the_end_and_nothing_is_made(
    run_command: Run, tmp_path: Path
) -> None:
    arguments = (
        "--set",
        "evaluation.executor=ray",
        "--address",
        "127.0.0.1:1",
        "--run-dir",
        tmp_path / "run",
    )
    code, _, errors = run_command("evolve", *SERIAL, *arguments)
    assert_one_line(code, errors, expected=2, parts=["127.0.0.1:1"])
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_device_that_is_not_there_is_refused_before_the_search_if_anything_is_trained(
    run_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    options = ("--set", "training.device=cuda", "--generations", "0", "--run-dir", tmp_path / "run")
    code, output, errors = run_here("evolve", *SERIAL, *options, "--set", "training.elites=1")
    assert_one_line(code, errors, expected=2, parts=["training.device", "'cuda' asked", "use 'cpu'"])
    assert output == ""
    assert not (tmp_path / "run").exists()
    assert run_here("evolve", *SERIAL, *options)[0] == 0


def test_a_run_in_which_nothing_could_be_evaluated_ends_in_one_line_and_is_kept(
    run_here: Run, tmp_path: Path
) -> None:
    options = ("--set", "evaluation.timeout_s=1e-9", "--set", "training.elites=1")
    code, output, errors = run_here("evolve", *SERIAL, *options, "--run-dir", tmp_path / "run")
    named = "no genome could be evaluated: 18 timed out, the first with: "
    assert_one_line(code, errors, expected=2, parts=[named, "evaluation.timeout_s is 1e-09 s"])
    assert "next:" not in output
    assert "architecture_id" not in output
    run = load_run(tmp_path / "run")
    assert run.is_complete
    assert set(run.evaluations()["status"]) == {"timeout"}


# Limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["max_parameters=10", "max_energy_nj=0.01", "max_memory_mb=0.0005"])
def test_a_budget_that_no_genome_can_meet_is_named_with_the_nearest_and_nothing_is_lost(
    run_here: Run, tmp_path: Path, setting: str
) -> None:
    run_dir = tmp_path / "run"
    options = ("--set", f"evolution.{setting}", "--set", "training.elites=1", "--run-dir", run_dir)
    code, output, errors = run_here("evolve", *SERIAL, *options)
    assert "failed 0  infeasible 6  " in output
    assert "architecture_id" not in output
    assert "next:" not in output
    run = load_run(run_dir)
    assert run.is_complete
    assert not run.front
    name = setting.removeprefix("max_").partition("=")[0]
    nearest = min(row.objectives.get(name, row.diagnostics.get(name)) for row in run.rows)
    parts = [f"no genome met evolution.{setting}: the nearest has {nearest:.9g}; raise it", "evonas resume"]
    assert_one_line(code, errors, expected=2, parts=parts)
    assert not (run_dir / "elites").exists() or not list((run_dir / "elites").iterdir())
    code, _, errors = run_here("resume", run_dir, "--generations", 3)
    assert_one_line(code, errors, expected=2, parts=["no genome met", "--generations 13"])
    assert len(load_run(run_dir).rows) == 24
    code, _, errors = run_here("front", run_dir)
    assert (code, errors) == (0, "")


def test_budgets_that_no_genome_can_meet_are_named_together(run_here: Run, tmp_path: Path) -> None:
    limits = ("--set", "evolution.max_parameters=10", "--set", "evolution.max_memory_mb=0.0005")
    code, _, errors = run_here("evolve", *SERIAL, *limits, "--run-dir", tmp_path / "run")
    named = "no genome met evolution.max_parameters=10 and evolution.max_memory_mb=0.0005: the nearest has "
    assert_one_line(code, errors, expected=2, parts=[named, " and ", "raise them"])


def test_a_run_whose_time_is_up_before_anything_was_feasible_is_no_mistake_yet(
    run_here: Run, tmp_path: Path
) -> None:
    options = ("--set", "evolution.max_parameters=10", "--max-minutes", "1e-6", "--run-dir", tmp_path / "run")
    code, output, errors = run_here("evolve", *SERIAL, *options)
    assert (code, errors) == (0, "")
    assert "time is up" in output


# Data ---------------------------------------------------------------------------------------------


def test_cifar10_files_that_are_truncated_are_named(run_here: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"):
        (folder / name).write_bytes(b"\x80\x02}q\x00(U\x0b")
    code, _, errors = run_here(
        *("evolve", "--dataset", "cifar10", "--data-dir", tmp_path / "data", "--run-dir", tmp_path / "run")
    )
    assert_one_line(code, errors, expected=2, parts=["data_batch_1"])
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_npz_is_named(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_text("hello")
    code, _, errors = run_here("evolve", "--dataset", tmp_path / "mine.npz", "--run-dir", tmp_path / "run")
    assert_one_line(code, errors, expected=2, parts=["mine.npz"])
    assert not (tmp_path / "run").exists()


# Run folders --------------------------------------------------------------------------------------


def test_a_run_folder_that_exists_is_refused_and_left_as_it_is(run_here: Run, copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    code, _, errors = run_here("evolve", *SERIAL, "--run-dir", copy)
    assert_one_line(code, errors, expected=2, parts=[str(copy), "evonas resume"])
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_a_folder_with_something_else_in_it_is_refused(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("all my work")
    code, _, errors = run_here("evolve", *SERIAL, "--run-dir", tmp_path / "run")
    assert_one_line(code, errors, expected=2, parts=["not empty", "thesis.tex"])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_refused(run_here: Run) -> None:
    code, _, errors = run_here("evolve", *SERIAL, "--run-dir", "/sys/evonas-run")
    assert_one_line(code, errors, expected=2, parts=["/sys/evonas-run"])


@pytest.mark.parametrize("verb", ["resume", "front", "train"])
def test_a_folder_that_is_no_run_is_refused(run_here: Run, tmp_path: Path, verb: str) -> None:
    code, _, errors = run_here(verb, tmp_path / "none")
    assert_one_line(code, errors, expected=2, parts=["no such folder", str(tmp_path / "none")])
    (tmp_path / "empty").mkdir()
    code, _, errors = run_here(verb, tmp_path / "empty")
    assert_one_line(code, errors, expected=2, parts=["config.json"])


def test_a_record_that_is_cut_is_named(run_here: Run, copy: Path) -> None:
    record = copy / "config.json"
    record.write_bytes(record.read_bytes()[:100])
    code, _, errors = run_here("resume", copy)
    assert_one_line(code, errors, expected=2, parts=["config.json", "not JSON"])


def test_a_record_that_differs_in_what_matters_is_refused_with_both_values(
    run_here: Run, copy: Path, cut: Any
) -> None:
    cut(copy, n_rows=14)
    content = json.loads((copy / "config.json").read_text())
    content["config"]["evaluation"]["batch"] = 32
    (copy / "config.json").write_text(json.dumps(content))
    code, _, errors = run_here("resume", copy)
    assert_one_line(code, errors, expected=2, parts=["evaluation.batch", "was 16", "is 32"])


def test_fewer_generations_than_were_evolved_are_refused_on_resume(run_here: Run, copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    code, _, errors = run_here("resume", copy, "--generations", 1)
    assert_one_line(code, errors, expected=2, parts=["generations", "1", "2"])
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("options", "part"),
    [(["--generations", "-1"], "evolution.generations"), (["--workers", "0"], "evaluation.workers")],
)
def test_a_wrong_option_of_resume_leaves_the_record_alone(
    run_here: Run, copy: Path, options: list[str], part: str
) -> None:
    before = (copy / "config.json").read_bytes()
    code, _, errors = run_here("resume", copy, *options)
    assert_one_line(code, errors, expected=2, parts=[part])
    assert (copy / "config.json").read_bytes() == before


def test_damage_that_a_resume_repairs_is_told_on_one_line_each(
    run_here: Run, copy: Path, whole: Path, cut: Any, rows: Any, assert_same: Same
) -> None:
    cut(copy, n_rows=14, extra=rows(whole)[14][:50])
    checkpoint = copy / "checkpoints" / "generation-00001.json"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    code, output, errors = run_here("resume", copy)
    assert (code, errors) == (0, "")
    assert sum("evaluations.jsonl" in line and "last line" in line for line in output.splitlines()) == 1
    assert sum("generation-00001.json is not used" in line for line in output.splitlines()) == 1
    assert_same(copy, whole)


# Genomes ------------------------------------------------------------------------------------------


def _library_genome() -> dict[str, Any]:
    from genomes import library

    (folder,) = library.__path__
    genome: dict[str, Any] = json.loads((Path(folder) / "feedback_loop.json").read_text())
    return genome


def _first(values: Any, key: str) -> dict[str, Any]:
    """The first object in nested JSON that has `key`."""
    if isinstance(values, dict):
        if key in values:
            return values
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            found = _first(value, key)
            if found:
                return found
    return {}


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("motif", "feedbak_inhibition", ["feedbak_inhibition", "did you mean 'feedback_inhibition'"]),
        ("schema", 99, ["schema", "99"]),
        ("v_threshold", -1.0, ["v_threshold", "-1"]),
        ("size", 4, ["4"]),
        ("model", "lof", ["lof", "did you mean 'lif'"]),
        ("space", "evonaz", ["evonaz", "did you mean 'evonas'"]),
    ],
)
def test_a_genome_with_an_illegal_part_is_refused(
    run_here: Run, tmp_path: Path, key: str, value: object, parts: list[str]
) -> None:
    saved = _library_genome()
    _first(saved, key)[key] = value
    (tmp_path / "genome.json").write_text(json.dumps(saved))
    code, output, errors = run_here("describe", tmp_path / "genome.json")
    assert_one_line(code, errors, expected=2, parts=parts)
    assert output == ""


def test_a_genome_that_is_not_json_is_refused(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "genome.json").write_text('{"schema": 1,')
    code, _, errors = run_here("describe", tmp_path / "genome.json")
    assert_one_line(code, errors, expected=2, parts=["genome.json"])


def test_a_genome_of_the_library_is_described_by_name(run_here: Run) -> None:
    from genomes import library

    (folder,) = library.__path__
    assert run_here("describe", "feedback_loop") == run_here("describe", Path(folder) / "feedback_loop.json")
    code, _, errors = run_here("describe", "feedbak_loop")
    assert_one_line(
        code, errors, expected=2, parts=["RUN_DIR:ARCHITECTURE_ID", "did you mean 'feedback_loop'"]
    )


def test_an_architecture_is_described_by_the_beginning_of_its_id_if_no_other_begins_so(
    run_here: Run, copy: Path
) -> None:
    whole = load_run(copy).rows[0].architecture_id
    code, output, errors = run_here("describe", f"{copy}:{whole[:10]}")
    assert (code, errors) == (0, "")
    assert output == run_here("describe", f"{copy}:{whole}")[1] != ""
    code, _, errors = run_here("describe", f"{copy}:a")
    assert_one_line(code, errors, expected=2, parts=["begin with 'a'", whole])


def test_an_unknown_architecture_of_a_run_is_named(run_here: Run, copy: Path) -> None:
    for arguments in (["describe", f"{copy}:b0"], ["train", str(copy), "--elite", "b0"]):
        code, _, errors = run_here(*arguments)
        assert_one_line(code, errors, expected=2, parts=["b0", "known:"])
    code, _, errors = run_here("train", copy, "--elite", 99)
    assert_one_line(code, errors, expected=2, parts=["--elite", "99"])


# Disks --------------------------------------------------------------------------------------------


def limited(kib: int) -> list[object]:
    """A command line under which no file may grow beyond `kib` KiB; the evaluation log is the file that does."""
    return ["bash", "-c", f'ulimit -f {kib}; exec "$@"', "limited", Path(sys.executable).with_name("evonas")]


def test_a_log_that_cannot_grow_ends_the_run_in_one_line_and_is_resumed_when_it_can(
    run_command: Run, run_here: Run, whole: Path, tmp_path: Path, rows: Any, assert_same: Same
) -> None:
    run_dir = tmp_path / "run"
    size = (whole / "evaluations.jsonl").stat().st_size // 1024
    code, _, errors = run_command("evolve", *SERIAL, "--run-dir", run_dir, line=limited(size // 2))
    assert_one_line(code, errors, expected=2, parts=["File too large"])
    n_rows = len(rows(run_dir))
    assert 0 < n_rows < 18
    assert rows(run_dir)[-1] == (run_dir / "evaluations.jsonl").read_bytes().splitlines(keepends=True)[-1]
    assert len(load_run(run_dir).rows) == n_rows
    code, _, errors = run_here("resume", run_dir)
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a tmpfs with the given options in the test's folder; the test is skipped where that is not permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def make(options: str) -> Path:
        nonlocal mounted
        line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        try:
            done = subprocess.run(line, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command; the test of a log that cannot grow stands for this one")
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        mounted = True
        return folder

    yield make
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("size_k", [pytest.param(12, marks=pytest.mark.slow), 64])
def test_a_full_disk_ends_the_run_in_one_line_and_it_is_resumed_when_there_is_room(
    run_command: Run,
    run_here: Run,
    mount: Callable[[str], Path],
    whole: Path,
    rows: Any,
    assert_same: Same,
    size_k: int,
) -> None:
    disk = mount(f"size={size_k}k")
    run_dir = disk / "run"
    code, _, errors = run_command("evolve", *SERIAL, "--run-dir", run_dir)
    assert_one_line(code, errors, expected=2, parts=["No space left on device"])
    n_rows = len(load_run(run_dir).rows)
    assert n_rows < 18
    assert len(b"".join(rows(run_dir))) == (run_dir / "evaluations.jsonl").stat().st_size
    assert not list(run_dir.rglob(".tmp-*"))
    code, _, errors = run_here("resume", run_dir)
    assert_one_line(code, errors, expected=2, parts=["No space left on device"])
    assert len(load_run(run_dir).rows) >= n_rows
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    code, _, errors = run_here("resume", run_dir)
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_beginning_leaves_a_folder_that_can_be_used_later(
    run_command: Run, mount: Callable[[str], Path], whole: Path, assert_same: Same
) -> None:
    disk = mount("size=16k")
    (disk / "filler").write_bytes(b"x" * 16 * 1024)
    code, _, errors = run_command("evolve", *SERIAL, "--run-dir", disk / "run")
    assert len(errors.splitlines()) == 1
    assert code == 2
    assert "No space left on device" in errors
    (disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    code, _, errors = run_command("evolve", *SERIAL, "--run-dir", disk / "run")
    assert (code, errors) == (0, "")
    assert_same(disk / "run", whole)


def test_a_read_only_folder_is_refused_in_one_line_and_stays_readable(
    run_here: Run, mount: Callable[[str], Path], copy: Path, cut: Any
) -> None:
    disk = mount("size=8m")
    cut(copy, n_rows=14)
    shutil.copytree(copy, disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, _, errors = run_here("evolve", *SERIAL, "--run-dir", disk / "new")
    assert_one_line(code, errors, expected=2, parts=["Read-only file system", str(disk / "new")])
    code, _, errors = run_here("resume", disk / "run")
    assert len(errors.splitlines()) == 1
    assert code == 2
    assert "Read-only file system" in errors
    code, output, errors = run_here("front", disk / "run")
    assert (code, errors) == (0, "")
    assert "architecture_id" in output
