"""Small runs of every kind, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import evonas
from evonas.errors import ConfigError, DataError, RunError
from evonas.pipeline.elites import train_with
from evonas.runs.config import FITNESS
from evonas.runs.progress import PlainReporter

Same = Callable[[Path, Path], None]


def write_npz(path: Path, shape: tuple[int, ...], *, n: int = 80, n_classes: int = 4) -> None:
    """Data of one's own: `n` examples of `shape`, three quarters of them for training."""
    inputs = np.random.default_rng(0).random((n, *shape)).astype(np.float32)
    labels = np.arange(n) % n_classes
    inputs += labels.reshape(-1, *[1] * len(shape)).astype(np.float32)
    cut = 3 * n // 4
    np.savez(path, x_train=inputs[:cut], y_train=labels[:cut], x_test=inputs[cut:], y_test=labels[cut:])


def test_a_run_has_a_row_for_each_genome_and_a_front_with_one_knee(whole: Path) -> None:
    run = evonas.load_run(whole)
    table, front, generations = run.evaluations(), run.pareto_front(), run.generations()
    assert table["index"].tolist() == list(range(18))
    assert table["generation"].tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert set(table["status"]) <= {"ok", "cached"}
    assert table["parents"].map(len).tolist()[:6] == [0] * 6
    assert (table["parents"].map(len)[6:] > 0).all()
    assert front["knee"].sum() == 1
    assert set(front["architecture_id"]) <= set(table["architecture_id"])
    assert generations["generation"].tolist() == [0, 1, 2]
    assert generations["hypervolume"].is_monotonic_increasing
    assert (generations["n_evaluated"] + generations["n_cached"] == 6).all()


def test_parents_are_of_an_earlier_generation(whole: Path) -> None:
    rows = evonas.load_run(whole).rows
    for row in rows:
        earlier = {other.architecture_id for other in rows if other.generation < row.generation}
        assert set(row.parents) <= earlier


def test_the_record_is_complete_and_holds_no_path_of_the_run(whole: Path) -> None:
    record = json.loads((whole / "config.json").read_text())
    assert record["config"]["evolution"]["population"] == 6
    assert set(record["environment"]) >= {"evonas", "torch", "python", "machine"}
    assert record["digests"]["data"]
    assert str(whole) not in (whole / "config.json").read_text()


def test_no_file_of_a_run_is_left_half_written_and_three_checkpoints_stay(whole: Path) -> None:
    files = sorted(path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file())
    assert files == [
        ".lock",
        "checkpoints/begun.json",
        *(f"checkpoints/generation-0000{i}.json" for i in range(3)),
        "config.json",
        "evaluations.jsonl",
    ]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(
    engine: Any, whole: Path, tmp_path: Path, assert_same: Same
) -> None:
    engine.evolve(tmp_path / "same")
    engine.evolve(tmp_path / "other", "evolution.seed=1")
    assert_same(tmp_path / "same", whole)
    ids = [
        set(evonas.load_run(path).evaluations()["architecture_id"]) for path in (whole, tmp_path / "other")
    ]
    assert ids[0] != ids[1]


def test_generation_zero_alone_is_the_random_first_population(
    engine: Any, whole: Path, tmp_path: Path
) -> None:
    engine.evolve(tmp_path / "run", "evolution.generations=0")
    run = evonas.load_run(tmp_path / "run")
    assert run.is_complete
    first = evonas.load_run(whole).evaluations().head(6)
    assert run.evaluations()["architecture_id"].tolist() == first["architecture_id"].tolist()
    assert run.generations()["generation"].tolist() == [0]


def test_random_search_shares_the_first_population_and_has_no_parents(
    engine: Any, whole: Path, tmp_path: Path
) -> None:
    engine.evolve(tmp_path / "run", "evolution.strategy=random")
    table = evonas.load_run(tmp_path / "run").evaluations()
    ids = table["architecture_id"].tolist()
    assert ids[:6] == evonas.load_run(whole).evaluations()["architecture_id"].tolist()[:6]
    assert len(table) == 18
    assert (table["parents"].map(len) == 0).all()


@pytest.mark.parametrize(("name", "best"), [("rdm", max), ("parameters", min), ("energy_nj", min)])
def test_one_objective_alone_has_a_front_of_its_best_value(
    engine: Any, tmp_path: Path, name: str, best: Callable[[Any], float]
) -> None:
    engine.evolve(tmp_path / "run", f"evolution.objectives={name}")
    run = evonas.load_run(tmp_path / "run")
    front = run.pareto_front()
    assert front[name].nunique() == 1
    assert front[name].iloc[0] == best(run.evaluations()[name])
    assert front["knee"].sum() == 1


def test_parameters_alone_build_no_network(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import evonas.proxies.candidate as candidate

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(candidate, "SpikingNetwork", refuse)
    engine.evolve(tmp_path / "run", "evolution.objectives=parameters")
    assert set(evonas.load_run(tmp_path / "run").evaluations()["status"]) <= {"ok", "cached"}


@pytest.mark.parametrize(
    ("key", "objective"), [("max_parameters", "parameters"), ("max_energy_nj", "energy_nj")]
)
def test_nothing_above_a_hard_constraint_is_on_the_front(
    engine: Any, whole: Path, tmp_path: Path, key: str, objective: str
) -> None:
    limit = int(evonas.load_run(whole).evaluations().head(6)[objective].median())
    engine.evolve(tmp_path / "run", f"evolution.{key}={limit}")
    run = evonas.load_run(tmp_path / "run")
    table = run.evaluations()
    assert {"ok", "infeasible"} <= set(table["status"])
    assert run.pareto_front()[objective].max() <= limit
    broken = table[table["status"] == "infeasible"]
    assert (broken["violation"] > 0).all()
    assert broken["reason"].str.contains(objective).all()
    assert (broken[objective] > limit).all()


def test_a_constraint_holds_for_what_is_no_objective_too(engine: Any, tmp_path: Path) -> None:
    engine.evolve(tmp_path / "run", "evolution.objectives=rdm", "evolution.max_parameters=100000")
    table = evonas.load_run(tmp_path / "run").evaluations()
    sizes = table["diagnostics"].map(lambda values: values["parameters"])
    assert ((sizes > 100_000) == (table["status"] == "infeasible")).all()
    assert (table["status"] == "infeasible").any()


def test_a_run_in_which_nothing_is_feasible_ends_with_an_empty_front(engine: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no genome met evolution\.max_parameters=10"):
        engine.evolve(tmp_path / "run", "evolution.max_parameters=10", "training.elites=1")
    run = evonas.load_run(tmp_path / "run")
    assert set(run.evaluations()["status"]) <= {"infeasible", "cached"}
    assert len(run.pareto_front()) == 0
    assert run.generations()["hypervolume"].tolist() == [0.0, 0.0, 0.0]


def test_elites_are_trained_with_the_surrogate_of_the_settings_and_go_on_with_no_other(
    engine: Any, tmp_path: Path
) -> None:
    training = ("training.elites=1", "training.epochs=1", "training.amp=false", "data.n_train=64")
    for name in ("arctan", "triangle"):
        engine.evolve(tmp_path / name, *training, "evolution.generations=0", f"training.surrogate={name}")
    arctan, triangle = (evonas.load_run(tmp_path / name) for name in ("arctan", "triangle"))
    knee = arctan.knee.architecture_id
    assert triangle.knee.architecture_id == knee
    pairs = zip(arctan.network(knee).parameters(), triangle.network(knee).parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)
    with pytest.raises(RunError, match="another surrogate: 'triangle' there, 'arctan' asked"):
        train_with(
            tmp_path / "triangle", {"training.surrogate": "arctan"}, elite=None, reporter=PlainReporter()
        )


def test_images_of_ones_own_in_an_npz_file_are_evolved_on(engine: Any, tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz", (3, 12, 10))
    engine.evolve(tmp_path / "run", f"data.name={tmp_path / 'mine.npz'}", "evolution.generations=1")
    run = evonas.load_run(tmp_path / "run")
    assert (run.record.input_shape, run.record.n_classes) == ((3, 12, 10), 4)
    assert set(run.evaluations()["status"]) <= {"ok", "cached"}
    assert len(run.pareto_front()) > 0


def test_event_frames_of_ones_own_set_the_time_steps(engine: Any, tmp_path: Path) -> None:
    write_npz(tmp_path / "events.npz", (5, 2, 8, 8))
    engine.evolve(tmp_path / "run", f"data.name={tmp_path / 'events.npz'}", "evolution.generations=1")
    run = evonas.load_run(tmp_path / "run")
    assert run.record.input_shape == (2, 8, 8)
    assert run.record.config.evaluation.time_steps == 5
    assert set(run.evaluations()["status"]) <= {"ok", "cached"}


def test_the_frames_of_an_event_are_seen_in_their_order(engine: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = (rng.random((80, 4, 2, 8, 8)) < 0.2).astype(np.float32)
    frames[:, 0] = 0.0  # so that reversing is not a symmetry
    labels = np.arange(80) % 4
    for name, inputs in (("forward", frames), ("backward", frames[:, ::-1])):
        np.savez(
            tmp_path / f"{name}.npz",
            x_train=inputs[:60],
            y_train=labels[:60],
            x_test=inputs[60:],
            y_test=labels[60:],
        )
        engine.evolve(tmp_path / name, f"data.name={tmp_path / name}.npz", "evolution.generations=0")
    values = [
        evonas.load_run(tmp_path / name).evaluations()[FITNESS].tolist() for name in ("forward", "backward")
    ]
    assert values[0] != values[1]


def test_a_cut_run_on_event_frames_is_resumed(
    engine: Any, cut: Any, tmp_path: Path, assert_same: Same
) -> None:
    write_npz(tmp_path / "events.npz", (3, 2, 8, 8))
    for name in ("whole", "cut"):
        engine.evolve(tmp_path / name, f"data.name={tmp_path / 'events.npz'}", "evolution.generations=1")
    cut(tmp_path / "cut", n_rows=8)
    engine.resume(tmp_path / "cut")
    assert_same(tmp_path / "cut", tmp_path / "whole")


def test_a_batch_larger_than_the_data_is_refused_before_anything_is_made(engine: Any, tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz", (1, 8, 8))
    with pytest.raises(ConfigError, match=r"evaluation\.batch"):
        engine.evolve(tmp_path / "run", f"data.name={tmp_path / 'mine.npz'}", "evaluation.batch=500")
    assert not (tmp_path / "run").exists()


def test_inputs_too_small_for_the_space_are_refused_before_anything_is_made(
    engine: Any, tmp_path: Path
) -> None:
    write_npz(tmp_path / "mine.npz", (1, 2, 2))
    with pytest.raises(Exception, match="2 x 2") as refusal:
        engine.evolve(tmp_path / "run", f"data.name={tmp_path / 'mine.npz'}")
    assert "space.max_stages" in str(refusal.value)
    assert not (tmp_path / "run").exists()


def test_a_damaged_npz_file_is_refused_before_anything_is_made(engine: Any, tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz", (1, 8, 8))
    content = (tmp_path / "mine.npz").read_bytes()
    (tmp_path / "mine.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"mine\.npz"):
        engine.evolve(tmp_path / "run", f"data.name={tmp_path / 'mine.npz'}")
    assert not (tmp_path / "run").exists()


def test_a_second_run_does_not_go_into_the_folder_of_the_first(engine: Any, copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="is a run already"):
        engine.evolve(copy, "evolution.seed=3")
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_runs_without_a_folder_of_their_own_are_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    engine.evolve(None, "evolution.generations=0", "evolution.objectives=parameters")
    engine.evolve(None, "evolution.generations=0", "evolution.objectives=parameters")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits", "digits-2"]
