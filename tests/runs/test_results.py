from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import evonas
from evonas.errors import RunError
from evonas.evolution.archive import hypervolume
from evonas.evolution.fitness import ObjectiveSpec
from evonas.rng import generator
from evonas.runs.config import override
from evonas.runs.folder import RunRecord, create, write_record
from evonas.runs.log import Row
from evonas.runs.results import MAY_DIFFER, Run, load_run

MakeRow = Callable[..., Row]
MakeRun = Callable[[Sequence[Row]], Run]

EVALUATIONS = {
    "index": "int64",
    "generation": "int64",
    "architecture_id": "str",
    "status": "str",
    "rdm": "float64",
    "parameters": "float64",
    "violation": "float64",
    "diagnostics": "object",
    "reason": "str",
    "genome": "str",
    "parents": "object",
    "seconds": "float64",
    "worker": "str",
    "attempts": "int64",
}
FRONT = {
    "architecture_id": "str",
    "rdm": "float64",
    "parameters": "float64",
    "knee": "bool",
    "generation": "int64",
    "genome": "str",
}
GENERATIONS = {
    "generation": "int64",
    "hypervolume": "float64",
    "best_rdm": "float64",
    "best_parameters": "float64",
    "n_evaluated": "int64",
    "n_cached": "int64",
    "n_failed": "int64",
    "seconds": "float64",
}


def point(rdm: float, parameters: float) -> dict[str, float]:
    return {"rdm": rdm, "parameters": parameters}


@pytest.fixture
def rows(make_row: MakeRow) -> list[Row]:
    """Two generations: front a0, a1, a4 with the knee a4; one of every other status."""
    first = [
        make_row(0, objectives=point(0.9, 10_000.0)),
        make_row(1, objectives=point(0.2, 100.0)),
        make_row(2, objectives=point(0.1, 1000.0)),
        make_row(3, status="failed", objectives={}, reason="out of memory"),
    ]
    second = [
        make_row(4, objectives=point(0.8, 1000.0), parents=("a0", "a1")),
        make_row(5, status="cached", objectives=point(0.9, 10_000.0), architecture_id="a0", parents=("a0",)),
        make_row(6, status="infeasible", objectives=point(0.95, 50.0), violation=0.5),
        make_row(7, status="timeout", objectives={}, seconds=2.0, worker="w", attempts=2),
    ]
    return first + [Row(**{**vars(row), "generation": 1}) for row in second]


@pytest.mark.parametrize("kept", [0, 4, 8])
def test_columns_and_types_are_fixed_whatever_the_run_holds(
    make_run: MakeRun, rows: list[Row], kept: int
) -> None:
    run = make_run(rows[:kept])
    frames = [(run.evaluations(), EVALUATIONS), (run.pareto_front(), FRONT), (run.generations(), GENERATIONS)]
    for frame, columns in frames:
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == columns
        assert list(frame.columns) == list(columns)


def test_every_proposal_has_its_row_in_order(make_run: MakeRun, rows: list[Row]) -> None:
    table = make_run(rows).evaluations()
    assert table["index"].tolist() == list(range(8))
    assert table["status"].tolist() == ["ok"] * 3 + ["failed", "ok", "cached", "infeasible", "timeout"]
    assert table["rdm"].tolist()[4:7] == [0.8, 0.9, 0.95]
    assert math.isnan(table["rdm"][3])
    assert table["parents"][4] == ("a0", "a1")
    assert json.loads(table["genome"][2]) == {"gene": 2}
    assert table["diagnostics"][0] == {"dead_fraction": 1 / 3}


def test_two_runs_of_a_seed_are_equal_but_for_the_columns_that_may_differ(
    make_run: MakeRun, rows: list[Row], tmp_path: Path
) -> None:
    first = make_run(rows)
    (tmp_path / "run").rename(tmp_path / "first")
    second = make_run(
        [Row(**{**vars(row), "seconds": 9.0, "worker": "other", "attempts": 2}) for row in rows]
    )
    left, right = (run.evaluations().drop(columns=list(MAY_DIFFER)) for run in (first, second))
    pd.testing.assert_frame_equal(left, right)
    pd.testing.assert_frame_equal(first.pareto_front(), second.pareto_front())


def test_the_front_is_feasible_non_dominated_and_has_one_knee(make_run: MakeRun, rows: list[Row]) -> None:
    front = make_run(rows).pareto_front()
    assert front["architecture_id"].tolist() == ["a0", "a4", "a1"]
    assert front["knee"].tolist() == [False, True, False]
    assert front["generation"].tolist() == [0, 1, 0]
    assert front["parameters"].tolist() == [10_000.0, 1000.0, 100.0]


@pytest.mark.parametrize(
    ("choice", "candidates"),
    [
        ("knee", {"knee": "a4", "elite 2": "a0", "elite 3": "a1"}),
        ("best", {"best": "a0", "elite 2": "a4", "elite 3": "a1"}),
    ],
)
def test_the_choice_comes_first_and_then_the_rest_of_the_front_by_rank(
    choice: str, candidates: dict[str, str], make_run: MakeRun, rows: list[Row]
) -> None:
    run = make_run(rows)
    settings = {"training.choice": choice, "training.elites": 2}
    run = replace(run, record=replace(run.record, config=override(run.record.config, settings)))
    assert list(run.candidates.items()) == list(candidates.items())
    assert list(run.elites.items()) == list(candidates.items())[:2]
    assert run.knee.architecture_id == "a4"


@pytest.mark.parametrize("choice", ["knee", "best"])
def test_given_genomes_that_are_compared_keep_their_order_whatever_the_choice(
    choice: str, make_run: MakeRun, rows: list[Row]
) -> None:
    run = make_run(rows)
    settings = {"training.choice": choice, "evolution.generations": 0}
    config = override(run.record.config, settings)
    run = replace(run, record=replace(run.record, config=config, initial={"worse": {}, "better": {}}))
    assert list(run.candidates.items()) == [("worse", "a0"), ("better", "a1")]


def test_generations_carry_the_archive_so_far(
    make_run: MakeRun, rows: list[Row], specs: tuple[ObjectiveSpec, ...]
) -> None:
    table = make_run(rows).generations()
    first, second = [(0.9, 10_000.0), (0.2, 100.0)], [(0.9, 10_000.0), (0.8, 1000.0), (0.2, 100.0)]
    assert table["hypervolume"].tolist() == [hypervolume(first, specs), hypervolume(second, specs)]
    assert table["best_rdm"].tolist() == [0.9, 0.9]
    assert table["best_parameters"].tolist() == [100.0, 100.0]
    assert table["n_evaluated"].tolist() == [4, 3]
    assert table["n_cached"].tolist() == [0, 1]
    assert table["n_failed"].tolist() == [1, 1]
    assert table["seconds"].tolist() == [2.0, 3.5]


def test_a_run_in_which_nothing_succeeded_has_no_front_and_says_so(
    make_run: MakeRun, make_row: MakeRow
) -> None:
    run = make_run([make_row(0, status="failed", objectives={}, reason="no")])
    assert len(run.pareto_front()) == 0
    assert run.generations()["hypervolume"].tolist() == [0.0]
    assert math.isnan(run.generations()["best_rdm"][0])
    with pytest.raises(RunError, match="no front yet"):
        _ = run.knee


def test_a_run_killed_before_its_first_evaluation_can_be_read(tmp_path: Path, record: RunRecord) -> None:
    write_record(create(tmp_path / "run"), record)
    assert len(load_run(str(tmp_path / "run")).evaluations()) == 0


def test_load_run_is_offered_by_the_package(make_run: MakeRun, rows: list[Row]) -> None:
    run = evonas.load_run(make_run(rows).folder.path)
    assert isinstance(run, evonas.Run)
    assert "load_run" in dir(evonas)


def test_an_unknown_architecture_is_refused_with_the_nearest(make_run: MakeRun, rows: list[Row]) -> None:
    with pytest.raises(RunError, match=r"no architecture 'a44'.*did you mean 'a4'"):
        make_run(rows).network("a44")


@pytest.fixture
def run_with_network(tmp_path: Path, record: RunRecord, make_row: MakeRow) -> Run:
    """A run of one genome of the default space."""
    folder = create(tmp_path / "run")
    write_record(folder, record)
    space = load_run(folder.path).space()
    genome = json.loads(json.dumps(space.to_dict(space.sample(rng=generator(0, "test")))))
    return Run(folder=folder, record=record, rows=(make_row(0, genome=genome),))


def logits(network: torch.nn.Module) -> np.ndarray:
    images = torch.from_numpy(generator(0, "images").random((1, 4, 1, 8, 8), dtype=np.float32))
    with torch.no_grad():
        result: np.ndarray = network(images, time_steps=2).numpy()
    return result


def test_a_network_has_the_weights_of_the_run_until_it_is_trained(run_with_network: Run) -> None:
    first, second = run_with_network.network("a0"), run_with_network.network("a0")
    assert logits(first).shape == (4, 10)
    assert (logits(first) == logits(second)).all()
    assert not first.training

    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1.0)
    folder = run_with_network.folder.elite("a0")
    folder.mkdir(parents=True)
    torch.save(first.state_dict(), folder / "weights.pt")
    trained = run_with_network.network("a0").state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"not a zip", b"cut"])
def test_damaged_weights_are_one_line(run_with_network: Run, content: bytes) -> None:
    folder = run_with_network.folder.elite("a0")
    folder.mkdir(parents=True)
    weights = folder / "weights.pt"
    if content == b"cut":
        torch.save({"other": torch.zeros(1000)}, weights)
        content = weights.read_bytes()[:2000]
    weights.write_bytes(content)
    with pytest.raises(RunError, match="does not hold the weights of a0") as caught:
        run_with_network.network("a0")
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(run_with_network: Run) -> None:
    folder = run_with_network.folder.elite("a0")
    folder.mkdir(parents=True)
    torch.save({"other": torch.zeros(3)}, folder / "weights.pt")
    with pytest.raises(RunError, match="does not hold the weights of a0"):
        run_with_network.network("a0")


def test_weights_that_would_run_code_on_loading_are_refused(run_with_network: Run, tmp_path: Path) -> None:
    folder = run_with_network.folder.elite("a0")
    folder.mkdir(parents=True)
    torch.save({"code": _TouchOnLoading(tmp_path / "ran")}, folder / "weights.pt")
    with pytest.raises(RunError):
        run_with_network.network("a0")
    assert not (tmp_path / "ran").exists()


class _TouchOnLoading:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))
