"""Experiments through the real command: all their runs, their table, and going on after anything."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import evonas
from evonas.cli import main
from evonas.rng import generator
from genomes.architecture import InputSpec
from genomes.cells import Cell, cleaned
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


def test_the_files_beside_the_table_hold_every_seed_and_the_answer_as_a_page(finished: Path) -> None:
    result = evonas.load_experiment(finished)
    assert_frame_equal(
        pd.read_csv(finished / "observations.csv"),
        result.observations(),
        check_dtype=False,
        check_exact=False,
        rtol=1e-12,
    )
    assert result.observations()[["variant", "seed"]].to_numpy().tolist() == [
        *(["narrow", 0], ["narrow", 1], ["wide", 0], ["wide", 1])
    ]
    page = (finished / "report.md").read_text()
    assert page.startswith("# width, size smoke\n\nWhich width? (Somebody, arXiv 0000.00000)\n")
    assert "runs that are over: 4 of 4" in page


def test_each_run_is_a_run_folder_like_any_other(finished: Path) -> None:
    assert sorted(path.name for path in finished.iterdir()) == [
        *("experiment.json", "narrow-seed0", "narrow-seed1", "observations.csv", "report.md", "table.csv"),
        *("wide-seed0", "wide-seed1"),
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


# Between variants and experiments -----------------------------------------------------------------

SETTINGS = """
[settings.space]
channels = [4]
hidden = [16]
[settings.evolution]
strategy = "random"
objectives = ["parameters"]
population = 2
generations = 0
[settings.evaluation]
executor = "serial"
batch = 16
time_steps = 2
[settings.training]
epochs = 1
batch = 256
amp = false
[sizes.smoke]
seeds = [0, 1]
"""

LENDER = f"""
question = "Does feedback help?"
source = "nobody"
{SETTINGS}
[variants.backward.space]
name = "snasnet_backward"
[variants.backward.evolution]
objectives = ["rdm"]
population = 3
generations = 1
[variants.cut.space]
name = "snasnet_forward"
[variants.cut.evolution]
initial = ["@backward"]
[[comparisons]]
of = "backward"
against = "cut"
measure = "test_accuracy"
expect = "above"
"""

BORROWER = f"""
question = "Does it do as well on stripes?"
source = "nobody"
measures = ["noise"]
{SETTINGS}
[variants.backward]
of = "lender"
[variants.moved.data]
name = "stripes.npz"
[variants.moved.space]
name = "snasnet_backward"
[variants.moved.evolution]
initial = ["@backward"]
[[comparisons]]
of = "moved"
against = "backward"
measure = "noise_loss"
[[comparisons]]
of = "moved"
measure = "test_accuracy"
expect = "above"
"""


RANKED = """
question = "Does it rank?"
source = "nobody"
[settings.space]
name = "spikenas_bench"
channels = [4]
hidden = [8]
[settings.evaluation]
executor = "serial"
batch = 8
time_steps = 2
[variants.own]
ranking = { table = "table.csv", proxies = ["rdm", "synflow"], distinct = "cell" }
[variants.gone]
ranking = { table = "gone.csv", proxies = ["rdm"] }
[sizes.smoke]
seeds = [0]
limit = 6
[[comparisons]]
of = "own/rdm"
measure = "tau"
expect = "above"
[[comparisons]]
of = "gone/rdm"
measure = "tau"
expect = "above"
"""

CELLS = ("003000", "020003", "230004", "120012", "312003", "404343", "204000", "231002")


def save_stripes(path: Path) -> None:
    """Noise of two classes, three channels and 12 x 10 pixels; of one class every second row is brighter."""
    rng = generator(0, "stripes")
    arrays = {}
    for which, n in (("train", 80), ("test", 40)):
        labels = np.arange(n) % 2
        images = rng.integers(0, 100, (n, 3, 12, 10), dtype=np.uint8)
        images[labels == 1, :, ::2] += 100
        arrays |= {f"x_{which}": images, f"y_{which}": labels}
    np.savez(path, **arrays)


@pytest.fixture(scope="module")
def borrowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the experiment `borrower` has run, and the one that it borrows from has not."""
    folder = tmp_path_factory.mktemp("borrowed")
    (folder / "lender.toml").write_text(LENDER)
    # By its full path, which copies of the folder have in common.
    (folder / "borrower.toml").write_text(BORROWER.replace("stripes.npz", str(folder / "stripes.npz")))
    save_stripes(folder / "stripes.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["experiment", "borrower.toml"]) == 0
    return folder


@pytest.fixture
def borrowed_here(borrowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that is the present folder; returns its runs."""
    monkeypatch.chdir(shutil.copytree(borrowed, tmp_path / "here"))
    return Path("runs")


def test_borrowed_runs_are_made_in_the_folder_of_their_experiment(borrowed: Path) -> None:
    runs = borrowed / "runs"
    assert sorted(path.name for path in (runs / "lender-smoke").iterdir()) == [
        *("backward-seed0", "backward-seed1", "experiment.json")
    ]
    assert not any((runs / "borrower-smoke").glob("backward-seed*"))
    lender = evonas.load_experiment(runs / "lender-smoke").experiment
    assert (lender.name, lender.question) == ("lender", "Does feedback help?")
    found = evonas.load_experiment(runs / "borrower-smoke").observations()
    assert found[["variant", "network", "seed"]].to_numpy().tolist() == [
        *(
            ["backward", "knee", 0],
            ["backward", "knee", 1],
            ["moved", "backward", 0],
            ["moved", "backward", 1],
        )
    ]


def test_what_one_variant_found_is_trained_on_inputs_of_another_shape(borrowed: Path) -> None:
    result = evonas.load_experiment(borrowed / "runs" / "borrower-smoke")
    runs = {member.name: run for member, run in result.runs()}
    for seed in (0, 1):
        source, moved = runs[f"backward-seed{seed}"], runs[f"moved-seed{seed}"]
        assert moved.record.input_shape == (3, 12, 10)
        assert moved.record.initial == {"backward": source.genome(source.knee.architecture_id)}
        assert moved.is_trained(moved.elites["backward"])
    assert runs["moved-seed0"].record.initial != runs["moved-seed1"].record.initial


def test_a_run_is_not_kept_when_the_genome_that_it_took_over_is_another_now(
    borrowed_here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = borrowed_here / "borrower-smoke" / "moved-seed1" / "config.json"
    other = (borrowed_here / "borrower-smoke" / "moved-seed0" / "config.json").read_text()
    content = json.loads(record.read_text())
    content["initial"] = json.loads(other)["initial"]
    record.write_text(json.dumps(content))
    assert main(["experiment", "borrower.toml"]) == 2
    assert "moved-seed1 was begun with another genome 'backward'" in capsys.readouterr().err


def test_the_comparisons_are_in_the_page_over_both_seeds(borrowed: Path) -> None:
    result = evonas.load_experiment(borrowed / "runs" / "borrower-smoke")
    found = result.observations().set_index(["variant", "seed"])
    (_, noise), (_, accuracy) = result.effects()
    assert (noise.n, accuracy.n) == (2, 2)
    losses = found["noise_loss"]
    assert noise.value == pytest.approx(losses["moved"].mean() - losses["backward"].mean())
    assert accuracy.value == pytest.approx(found.loc["moved", "test_accuracy"].mean())
    assert accuracy.verdict in ("confirmed", "not seen")
    page = (borrowed / "runs" / "borrower-smoke" / "report.md").read_text()
    assert "| noise_loss of moved against backward | " in page
    assert f"| 2 | above | {accuracy.verdict} |" in page


def test_a_second_call_measures_and_trains_nothing_and_shows_the_answer(
    run_here: Run, borrowed_here: Path
) -> None:
    before = of_runs(borrowed_here)
    code, output, errors = run_here("experiment", "borrower.toml")
    assert (code, errors) == (0, "")
    assert of_runs(borrowed_here) == before
    assert "measured" not in output
    assert "generation" not in output
    assert "verdict:" not in output  # nothing is claimed of the first comparison
    assert "noise_loss of moved against backward" in output


def of_runs(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file of the runs of the experiments in `folder`, with the time it was written."""
    return {path: found for path, found in content(folder).items() if "-seed" in path.parts[1]}


def test_only_what_is_not_measured_yet_is_measured(run_here: Run, borrowed_here: Path) -> None:
    files = sorted(borrowed_here.glob("*/*/measurements/noise-*.json"))
    assert [path.parts[1:3] for path in files] == [
        *(("borrower-smoke", "moved-seed0"), ("borrower-smoke", "moved-seed1")),
        *(("lender-smoke", "backward-seed0"), ("lender-smoke", "backward-seed1")),
    ]
    kept, gone = files[0], files[-1]
    kept.write_text('{"noise_loss": 7.0}')
    before = gone.read_bytes()
    gone.unlink()
    code, output, _ = run_here("experiment", "borrower.toml")
    assert code == 0
    assert output.count("measured") == output.count("backward-seed1: measured noise") == 1
    assert gone.read_bytes() == before
    found = evonas.load_experiment(borrowed_here / "borrower-smoke").observations()
    assert found["noise_loss"].tolist()[2] == 7.0


def test_a_lender_takes_up_the_runs_that_its_borrower_has_made(run_here: Run, borrowed_here: Path) -> None:
    before = content(borrowed_here / "lender-smoke")
    code, output, errors = run_here("experiment", "lender.toml")
    assert (code, errors) == (0, "")
    assert before.items() <= content(borrowed_here / "lender-smoke").items()
    result = evonas.load_experiment(borrowed_here / "lender-smoke")
    assert result.table()["variant"].tolist() == ["backward", "cut"]
    assert [effect.n for _, effect in result.effects()] == [2]
    assert "verdict: " in output


def test_a_forward_space_takes_a_cell_over_without_its_feedback(run_here: Run, borrowed_here: Path) -> None:
    assert run_here("experiment", "lender.toml")[0] == 0
    runs = {member.name: run for member, run in evonas.load_experiment("runs/lender-smoke").runs()}
    assert any(run.architecture(run.knee.architecture_id).has_feedback for run in runs.values())
    for seed in (0, 1):
        source, cut = runs[f"backward-seed{seed}"], runs[f"cut-seed{seed}"]
        cell = source.space().from_dict(source.genome(source.knee.architecture_id)).cell
        forward = cleaned(Cell(tuple(edge for edge in cell.edges if not edge.is_feedback)))
        assert cut.space().from_dict(cut.record.initial["backward"]).cell == forward
        assert not cut.architecture(cut.elites["backward"]).has_feedback


def test_runs_cut_short_between_two_experiments_are_finished(
    run_here: Run, borrowed_here: Path, borrowed: Path, cut: Any
) -> None:
    cut(borrowed_here / "lender-smoke" / "backward-seed1", n_rows=4)
    for name in ("elites", "measurements"):
        shutil.rmtree(borrowed_here / "lender-smoke" / "backward-seed1" / name)
    shutil.rmtree(borrowed_here / "borrower-smoke" / "moved-seed1")
    assert run_here("experiment", "borrower.toml")[0] == 0
    whole, again = (
        evonas.load_experiment(path / "borrower-smoke").observations()
        for path in (borrowed / "runs", borrowed_here)
    )
    may_differ = ["search_seconds", "train_seconds"]
    assert_frame_equal(again.drop(columns=may_differ), whole.drop(columns=may_differ))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ('name = "snasnet_backward"\nchannels = [4]\nhidden = [32]', "hidden: got 16, this space offers 32"),
        ('name = "evonas"', "genome: unknown key"),
    ],
)
def test_what_the_space_of_a_variant_cannot_take_over_is_one_line(
    run_here: Run, borrowed_here: Path, space: str, message: str
) -> None:
    text = Path("borrower.toml").read_text().replace("[settings.space]\nchannels = [4]\nhidden = [16]", "")
    Path("borrower.toml").write_text(text.replace('name = "snasnet_backward"', space))
    shutil.rmtree(borrowed_here / "borrower-smoke")
    done = run_here("experiment", "borrower.toml")
    assert_refused(done, "moved-seed0: evolution.initial: '@backward': ", message)


def test_an_unknown_measure_is_one_line_before_anything_is_written(run_here: Run, here: Path) -> None:
    Path("width.toml").write_text(TEXT.replace("[reported]", 'measures = ["nois"]\n[reported]', 1))
    assert_refused(run_here("experiment", "width.toml"), "'nois'", "did you mean 'noise'")
    assert [path.name for path in here.iterdir()] == ["width.toml"]


def test_a_ranking_is_made_once_and_one_whose_table_is_missing_leaves_a_gap(
    run_here: Run, here: Path
) -> None:
    Path("table.csv").write_text("cell,test_acc\n" + "".join(f"{c},{80 + i}\n" for i, c in enumerate(CELLS)))
    Path("ranked.toml").write_text(RANKED)
    code, output, errors = run_here("experiment", "ranked.toml")
    assert (code, errors) == (0, "")
    assert "gone-seed0: left out, there is neither" in output
    result = evonas.load_experiment("runs/ranked-smoke")
    found = result.observations()
    assert set(found["variant"]) == {"own"}
    assert {"rdm", "synflow"} <= {*found["network"]}
    (_, own), (_, gone) = result.effects()
    assert (own.n, gone.n, gone.verdict) == (6, 0, "no interval")
    row = found.set_index("network").loc["rdm"]
    assert (own.value, own.low, own.high) == (row["tau"], row["tau_low"], row["tau_high"])
    assert -1 <= own.low <= own.value <= own.high <= 1
    assert "| own/rdm | 6 | " in Path("runs/ranked-smoke/report.md").read_text()
    again = run_here("experiment", "ranked.toml")[1]
    assert "all scores are there" in again
    assert_frame_equal(evonas.load_experiment("runs/ranked-smoke").observations(), found)


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
    for variant in ("narrow", "tiny"):
        text += f'[[comparisons]]\nof = "wide"\nagainst = "{variant}"\nmeasure = "test_accuracy"\nexpect = "above"\n'
    Path("width.toml").write_text(text.replace("seeds = [0, 1]", "seeds = [0]"))
    code, output, errors = run_here("experiment", "width.toml")
    assert (code, errors) == (0, "")
    assert "narrow-seed0: training diverged" in output
    assert "tiny-seed0: no genome met evolution.max_parameters=1" in output
    assert "verdict: no interval" in output
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
