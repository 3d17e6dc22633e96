"""Experiments through the real command: all their runs, their table, and going on after anything."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import evonas
from evonas.cli import main
from evonas.rng import generator
from genomes.architecture import InputSpec
from genomes.serial import build_space, save_genome

TEXT = """
question = "Which width?"
source = "Somebody, arXiv 0000.00000"
[reported]
test_accuracy = "93.1 %"
[settings.evolution]
population = 2
generations = 1
[settings.evaluation]
executor = "serial"
batch = 16
[settings.training]
epochs = 1
batch = 256
amp = false
[variants.narrow.space]
base_width = 4
[variants.wide.space]
base_width = 8
[variants.wide.reported]
memory_mb = "12"
[sizes.smoke]
seeds = [0, 1]
[sizes.untrained]
seeds = [0]
[sizes.untrained.settings.training]
elites = 0
[sizes.slow]
seeds = [0, 1]
variants = ["narrow"]
[sizes.slow.settings.training]
epochs = 2
"""

COMPARED = """
question = "Which of these?"
source = "nobody"
[settings.evolution]
population = 2
generations = 0
initial = ["b.json", "a.json"]
[settings.evaluation]
executor = "serial"
batch = 16
[settings.training]
elites = 2
epochs = 1
batch = 256
amp = false
[sizes.smoke]
seeds = [0, 1]
"""

MAY_DIFFER = ["search_seconds"]
"""The columns in which two tables of one experiment may differ."""

pytestmark = pytest.mark.timeout(300)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with the experiment `width.toml` in it."""
    monkeypatch.chdir(tmp_path)
    Path("width.toml").write_text(TEXT)
    return tmp_path


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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke size of the experiment, finished; read it, or copy it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "width.toml").write_text(TEXT)
    assert main(["experiment", str(folder / "width.toml"), "--run-dir", str(folder / "runs")]) == 0
    return folder / "runs"


def content(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file of the runs in `folder`, with the time it was written."""
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.parent != folder
    }


def table(folder: Path) -> pd.DataFrame:
    return evonas.load_experiment(folder).table().drop(columns=MAY_DIFFER)


def assert_refused(done: tuple[int, str, str], *parts: str) -> None:
    code, _, errors = done
    assert (code, len(errors.splitlines())) == (2, 1), errors
    assert errors.startswith("evonas: error: ")
    for part in parts:
        assert part in errors


def save(path: Path, *, seed: int) -> str:
    """Save a random genome for digits; returns the id of its architecture."""
    space = build_space("evonas", input_spec=InputSpec((1, 8, 8), 10), options={})
    genome = space.sample(rng=generator(seed, "given"))
    save_genome(path, genome, space=space, provenance="a random draw")
    return space.architecture_id(genome)


# The table ----------------------------------------------------------------------------------------


def test_there_is_a_row_for_each_variant_over_its_seeds(finished: Path) -> None:
    result = evonas.load_experiment(finished)
    shown = result.table().set_index("variant")
    assert shown.index.tolist() == ["narrow", "wide"]
    assert set(shown["network"]) == {"knee"}
    assert shown["n"].tolist() == [2, 2]
    assert shown["evaluations"].tolist() == [4.0, 4.0]
    assert (shown["search_seconds"] > 0).all()
    assert set(shown["device"]) == {"cpu"}
    for variant in shown.index:
        runs = [run for member, run in result.runs() if member.variant == variant]
        knees = [run.knee.architecture_id for run in runs]
        folders = [run.folder.elite(knee) for run, knee in zip(runs, knees, strict=True)]
        results = [json.loads((folder / "result.json").read_text()) for folder in folders]
        costs = [json.loads((folder / "inference.json").read_text()) for folder in folders]
        accuracies = pd.Series([found["test_accuracy"] for found in results])
        row = shown.loc[variant]
        assert row["test_accuracy"] == pytest.approx(accuracies.mean())
        assert row["test_accuracy_sd"] == pytest.approx(accuracies.std())
        assert row["architecture_ids"].split() == knees
        for name in ("parameters", "energy_nj", "firing_rate"):
            assert row[name] == pytest.approx(sum(cost[name] for cost in costs) / 2)
        assert row["memory_mb"] > 4e-6 * row["parameters"]


def test_the_figures_of_a_variant_stand_beside_it_and_those_of_one_model_above_the_table(
    run_here: Run, here: Path, finished: Path
) -> None:
    shutil.copytree(finished, here / "runs")
    result = evonas.load_experiment(finished)
    shown = result.table()
    assert "reported_test_accuracy" not in shown
    assert shown["reported_memory_mb"].tolist() == ["not known", "12"]
    assert result.experiment.published == {"test_accuracy": "93.1 %"}
    _, output, _ = run_here("experiment", "width.toml", "--run-dir", "runs")
    assert output.count("93.1 %") == 1
    assert "\nreported: test accuracy 93.1 %\n" in output


def test_below_the_table_stand_the_size_and_the_file(run_here: Run, here: Path, finished: Path) -> None:
    shutil.copytree(finished, here / "runs")
    lines = run_here("experiment", "width.toml", "--run-dir", "runs")[1].splitlines()
    assert lines[-2:] == [
        "size smoke: 4 genomes a run, 1 epoch, all training examples; no comparison with the paper",
        "table: runs/table.csv",
    ]


def test_the_runs_of_an_experiment_do_not_say_what_to_type_next(run_here: Run, here: Path) -> None:
    code, output, errors = run_here("experiment", "width.toml", "--size", "untrained")
    assert (code, errors) == (0, "")
    assert "generation 1/1" in output
    assert "next:" not in output


def test_a_record_from_before_the_figures_of_one_model_were_apart_is_read(here: Path, finished: Path) -> None:
    shutil.copytree(finished, here / "runs")
    record = json.loads((here / "runs" / "experiment.json").read_text())
    del record["published"]
    record["reported"]["narrow"] = {"test_accuracy": "93.1 %"}
    (here / "runs" / "experiment.json").write_text(json.dumps(record))
    assert evonas.load_experiment("runs").table()["reported_test_accuracy"].tolist() == [
        "93.1 %",
        "not known",
    ]


def test_any_setting_is_given_on_the_command_line_and_wins(run_here: Run, here: Path) -> None:
    options = ("--size", "untrained", "--set", "space.base_width=4", "--set", "evaluation.batch=8")
    assert run_here("experiment", "width.toml", *options)[0] == 0
    for _, run in evonas.load_experiment("runs/width-untrained").runs():
        assert dict(run.record.config.space.options) == {"base_width": 4}
        assert run.record.config.evaluation.batch == 8
    again = ("--size", "untrained", "--set", "space.base_width=4")
    assert_refused(run_here("experiment", "width.toml", *again), "evaluation.batch: was 8, is 16")


@pytest.mark.parametrize("verb", ["front", "resume", "train"])
def test_the_folder_of_an_experiment_is_told_from_a_run(run_here: Run, finished: Path, verb: str) -> None:
    parts = ("is an experiment", "narrow-seed0, narrow-seed1, wide-seed0", "evonas.load_experiment(")
    assert_refused(run_here(verb, finished), *parts)


def test_an_experiment_is_told_from_the_settings_of_one_run(run_here: Run, here: Path) -> None:
    assert_refused(
        run_here("evolve", "width.toml"), "width.toml is an experiment", "'evonas experiment width.toml'"
    )


def test_the_chosen_network_is_the_one_of_the_highest_accuracy(finished: Path) -> None:
    shown = evonas.load_experiment(finished).table()
    assert shown["chosen"].sum() == 1
    assert shown.loc[shown["chosen"], "test_accuracy"].item() == shown["test_accuracy"].max()


def test_the_csv_holds_the_table(finished: Path) -> None:
    loaded = pd.read_csv(finished / "table.csv")
    assert_frame_equal(
        loaded, evonas.load_experiment(finished).table(), check_dtype=False, check_exact=False, rtol=1e-12
    )


def test_each_run_is_a_run_folder_like_any_other(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir()) == [
        *("experiment.json", "narrow-seed0", "narrow-seed1", "table.csv", "wide-seed0", "wide-seed1")
    ]
    run = evonas.load_run(finished / "wide-seed1")
    assert (run.is_complete, run.record.config.evolution.seed) == (True, 1)
    assert dict(run.record.config.space.options) == {"base_width": 8}


def test_without_elites_the_row_is_the_knee_with_its_objectives_and_no_accuracy(
    run_here: Run, here: Path
) -> None:
    code, output, errors = run_here("experiment", "width.toml", "--size", "untrained")
    assert (code, errors) == (0, "")
    result = evonas.load_experiment("runs/width-untrained")
    shown = result.table()
    assert shown["n"].tolist() == [1, 1]
    assert shown["test_accuracy"].isna().all()
    assert shown["test_accuracy_sd"].isna().all()
    assert not shown["chosen"].any()
    knees = [run.knee for _, run in result.runs()]
    assert shown["energy_nj"].tolist() == [knee.objectives["energy_nj"] for knee in knees]
    assert shown["parameters"].tolist() == [knee.objectives["parameters"] for knee in knees]
    assert shown["architecture_ids"].tolist() == [knee.architecture_id for knee in knees]
    assert "Which width? (Somebody, arXiv 0000.00000)" in output
    assert "not known" in output


# Again, and on ------------------------------------------------------------------------------------


def test_a_second_call_does_nothing_new_and_shows_the_table(
    run_here: Run, here: Path, finished: Path
) -> None:
    shutil.copytree(finished, here / "runs")
    before = content(here / "runs")
    code, output, errors = run_here("experiment", "width.toml", "--run-dir", "runs")
    assert (code, errors) == (0, "")
    assert content(here / "runs") == before
    assert "generation" not in output
    assert "93.1 %" in output


def test_runs_and_trainings_that_are_missing_are_made(
    run_here: Run, here: Path, finished: Path, cut: Any
) -> None:
    runs = Path(shutil.copytree(finished, here / "runs"))
    shutil.rmtree(runs / "narrow-seed1")
    cut(runs / "wide-seed0", n_rows=3)
    shutil.rmtree(runs / "wide-seed0" / "elites")
    (knee,) = (runs / "wide-seed1" / "elites").iterdir()
    shutil.rmtree(knee)
    partly = evonas.load_experiment(runs).table()
    assert (partly["variant"].tolist(), partly["n"].tolist()) == (["narrow"], [1])
    before = content(runs / "narrow-seed0")
    assert run_here("experiment", "width.toml", "--run-dir", "runs")[0] == 0
    assert content(runs / "narrow-seed0") == before
    assert_frame_equal(table(runs), table(finished))


def test_more_seeds_are_added_to_what_is_there(run_here: Run, here: Path, finished: Path) -> None:
    runs = Path(shutil.copytree(finished, here / "runs"))
    before = content(runs)
    Path("width.toml").write_text(TEXT.replace("seeds = [0, 1]", "seeds = [0, 1, 2]", 1))
    assert run_here("experiment", "width.toml", "--run-dir", "runs")[0] == 0
    assert table(runs)["n"].tolist() == [3, 3]
    assert before.items() <= content(runs).items()


@pytest.mark.slow
def test_a_command_killed_at_work_goes_on_where_it_was(start: Any, run_command: Any, tmp_path: Path) -> None:
    (tmp_path / "width.toml").write_text(TEXT)
    arguments = ("experiment", "width.toml", "--size", "slow", "--run-dir")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_command(*arguments, whole)[0] == 0
    moments = (
        ("narrow-seed0/evaluations.jsonl", "the first evaluation"),
        ("narrow-seed0/elites/*/checkpoint.pt", "the first epoch"),
        ("narrow-seed1/config.json", "the second run"),
    )
    for pattern, what in moments:
        command = start(*arguments, killed)
        command.wait_for(lambda pattern=pattern: any(killed.glob(pattern)), what=what)
        command.kill()
        assert not (killed / "table.csv").exists()
    code, _, errors = run_command(*arguments, killed)
    assert (code, errors) == (0, "")
    assert_frame_equal(table(killed), table(whole))


@pytest.mark.slow
def test_an_interrupted_command_says_how_to_go_on(start: Any, tmp_path: Path) -> None:
    (tmp_path / "width.toml").write_text(TEXT)
    command = start("experiment", "width.toml", "--run-dir", tmp_path / "runs", "--workers", 1)
    command.wait_for((tmp_path / "runs" / "narrow-seed0" / "config.json").exists, what="the first run")
    command.signal(signal.SIGINT)
    code, _, errors = command.finish()
    assert code == 130
    assert errors.endswith(f" experiment width.toml --size smoke --run-dir {tmp_path / 'runs'} --workers 1\n")


# Given genomes ------------------------------------------------------------------------------------


def test_given_genomes_are_trained_and_compared_by_name(run_here: Run, here: Path) -> None:
    ids = {name: save(Path(f"{name}.json"), seed=i) for i, name in enumerate("ab")}
    Path("these.toml").write_text(COMPARED)
    assert run_here("experiment", "these.toml")[0] == 0
    shown = evonas.load_experiment("runs/these-smoke").table()
    assert shown["variant"].tolist() == ["main", "main"]
    assert shown["network"].tolist() == ["b", "a"]
    assert shown["architecture_ids"].tolist() == [ids["b"], ids["a"]]
    assert shown["n"].tolist() == [2, 2]
    assert shown["test_accuracy"].notna().all()


def test_a_given_genome_that_has_changed_is_noticed(run_here: Run, here: Path) -> None:
    for i, name in enumerate("ab"):
        save(Path(f"{name}.json"), seed=i)
    Path("these.toml").write_text(COMPARED.replace("elites = 2", "elites = 0"))
    assert run_here("experiment", "these.toml")[0] == 0
    before = content(here / "runs")
    save(Path("a.json"), seed=9)
    assert_refused(
        run_here("experiment", "these.toml"), "main-seed0", "evolution.initial[1]: was 'a ", "delete it"
    )
    assert content(here / "runs") == before


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("batch = 16", "batch = 32", ("evaluation.batch: was 16, is 32",)),
        ("epochs = 1", "epochs = 2", ("training.epochs: was 1, is 2",)),
        ("base_width = 8", "base_width = 12", ("wide-seed0", "space.base_width: was 8, is 12")),
        ("generations = 1", "generations = 2", ("evolution.generations: was 1, is 2",)),
    ],
)
def test_settings_that_changed_since_a_run_are_refused_and_nothing_is_touched(
    run_here: Run, here: Path, finished: Path, old: str, new: str, parts: tuple[str, ...]
) -> None:
    shutil.copytree(finished, here / "runs")
    before = content(here / "runs")
    Path("width.toml").write_text(TEXT.replace(old, new))
    assert_refused(run_here("experiment", "width.toml", "--run-dir", "runs"), *parts)
    assert content(here / "runs") == before


@pytest.mark.parametrize(
    ("arguments", "change", "parts"),
    [
        (["--size", "small"], ("", ""), ("has no size 'small'", "known: smoke, untrained, slow")),
        ([], ("base_width = 8", "base_widht = 8"), ("space.base_widht", "did you mean 'base_width'")),
        ([], ("population = 2", 'population = 2\ninitial = ["rivels"]'), ("did you mean 'rivals'",)),
        ([], ("[reported]", "[reporte]"), ("width.toml", "did you mean 'reported'")),
        (["--device", "tpu"], ("", ""), ("training.device", "cpu, cuda")),
        (["--workers", "0"], ("", ""), ("evaluation.workers", "at least 1")),
        (["--set", "evolution.seed=3"], ("", ""), ("--set", "evolution.seed is set by the seeds")),
        (["--set", "training.epoch=3"], ("", ""), ("did you mean 'training.epochs'",)),
        ([], ("epochs = 1", 'surrogate = "atan"'), ("training.surrogate", "one of arctan, rectangle")),
        (["--device", "cuda"], ("", ""), ("training.device", "use 'cpu'")),
        (["--run-dir", "."], ("", ""), ("not empty and holds no experiment",)),
        (["--run-dir", "width.toml"], ("", ""), ("is a file",)),
    ],
    ids=str,
)
def test_a_wrong_experiment_is_one_line_before_anything_is_written(
    run_here: Run,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    change: tuple[str, str],
    parts: tuple[str, ...],
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    Path("width.toml").write_text(TEXT.replace(*change) if change[0] else TEXT)
    assert_refused(run_here("experiment", "width.toml", *arguments), *parts)
    assert [path.name for path in here.iterdir()] == ["width.toml"]


def test_an_unknown_name_is_refused(run_here: Run, here: Path) -> None:
    assert_refused(run_here("experiment", "no_such_experiment"), "unknown experiment 'no_such_experiment'")


def test_the_folder_of_another_experiment_is_refused(run_here: Run, here: Path, finished: Path) -> None:
    shutil.copytree(finished, here / "runs")
    Path("other.toml").write_text(TEXT)
    assert_refused(
        run_here("experiment", "other.toml", "--run-dir", "runs"), "holds the experiment width, not other"
    )


def test_a_result_that_is_damaged_is_named(run_here: Run, here: Path, finished: Path) -> None:
    shutil.copytree(finished, here / "runs")
    (damaged,) = (here / "runs" / "wide-seed0" / "elites").glob("*/result.json")
    damaged.write_text("{")
    assert_refused(
        run_here("experiment", "width.toml", "--run-dir", "runs"), damaged.parent.name, "cannot be read"
    )


def test_a_limit_that_nothing_meets_and_a_training_that_diverges_stop_no_other_run(
    run_here: Run, here: Path
) -> None:
    text = TEXT.replace(
        "[variants.wide.space]", "[variants.tiny.evolution]\nmax_parameters = 1\n[variants.wide.space]"
    )
    text = text.replace("base_width = 4", "base_width = 4\n[variants.narrow.training]\nlearning_rate = 1e30")
    Path("width.toml").write_text(text.replace("seeds = [0, 1]", "seeds = [0]"))
    code, output, errors = run_here("experiment", "width.toml")
    assert (code, errors) == (0, "")
    assert "narrow-seed0: training diverged" in output
    assert "tiny-seed0: no genome met evolution.max_parameters=1" in output
    assert evonas.load_experiment("runs/width-smoke").table()["variant"].tolist() == ["wide"]


def test_a_search_in_which_nothing_could_be_evaluated_leaves_a_gap(run_here: Run, here: Path) -> None:
    text = TEXT.replace("base_width = 4", "base_width = 4\n[variants.narrow.evaluation]\ntimeout_s = 1e-9")
    Path("width.toml").write_text(text.replace("seeds = [0, 1]", "seeds = [0]"))
    for _ in range(2):
        code, output, errors = run_here("experiment", "width.toml")
        assert (code, errors) == (0, "")
        assert "narrow-seed0: no genome could be evaluated: 4 timed out" in output
    assert evonas.load_experiment("runs/width-smoke").table()["variant"].tolist() == ["wide"]


@pytest.mark.parametrize("elites", [0, 2])
def test_given_genomes_that_could_not_be_evaluated_are_not_trained_and_have_no_row(
    run_here: Run, here: Path, elites: int
) -> None:
    for i, name in enumerate("ab"):
        save(Path(f"{name}.json"), seed=i)
    text = COMPARED.replace("batch = 16", "batch = 16\ntimeout_s = 1e-9")
    Path("these.toml").write_text(text.replace("elites = 2", f"elites = {elites}"))
    for _ in range(2):
        code, output, _ = run_here("experiment", "these.toml")
        assert code == 0
        assert output.count("no genome could be evaluated: 2 timed out") == 2
        assert "training" not in output.replace("training examples", "")
    assert len(evonas.load_experiment("runs/these-smoke").table()) == 0
