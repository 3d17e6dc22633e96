from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

import evonas
from evonas.errors import RunError
from evonas.rng import generator
from evonas.runs.config import override
from evonas.runs.experiment import RECORD, Experiment, Member
from evonas.runs.experiment_table import ExperimentResult, load_experiment
from evonas.runs.folder import RunRecord, create, write_record
from evonas.runs.log import LogWriter, Row
from genomes.architecture import InputSpec
from genomes.serial import build_space

SPACE = build_space("evonas", input_spec=InputSpec((1, 8, 8), 10), options={"base_width": 8})
GENOMES = sorted(
    (SPACE.sample(rng=generator(0, "table", i)) for i in range(2)),
    key=lambda genome: SPACE.decode(genome).memory_bytes,
)
SMALL, LARGE = (SPACE.architecture_id(genome) for genome in GENOMES)


def make(
    folder: Path,
    record: RunRecord,
    *,
    accuracies: dict[str, dict[str, float]],
    reported: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    size: str = "s",
) -> ExperimentResult:
    """An experiment on disk that compares two genomes, by run: test accuracy by architecture.

    The runs of a variant called nmnist are on that data set, the others on digits.
    """
    members = tuple(Member(name.rpartition("-seed")[0], int(name[-1])) for name in accuracies)
    asked = Experiment(name="e", size=size, question="?", source="", reported=dict(reported), members=members)
    (folder / RECORD).write_bytes(asked.to_json())
    changes = {"evolution.population": 2, "evolution.generations": 0, "training.elites": 2}
    initial = dict(zip(("large", "small"), map(SPACE.to_dict, reversed(GENOMES)), strict=True))
    record = dataclasses.replace(record, config=override(record.config, changes), initial=initial)
    for name, trained in accuracies.items():
        run = create(folder / name)
        data = "nmnist" if name.startswith("nmnist") else "digits"
        write_record(run, dataclasses.replace(record, config=override(record.config, {"data.name": data})))
        with LogWriter(run.evaluations) as log:
            for i, (genome, found) in enumerate(zip(initial.values(), (LARGE, SMALL), strict=True)):
                scores = {"rdm": 0.5, "parameters": 9.0}
                log.append([Row(i, 0, found, "ok", scores, 0.0, {}, "", genome, (), 0.25, "serial", 1)])
        for found, accuracy in trained.items():
            run.elite(found).mkdir(parents=True)
            (run.elite(found) / "result.json").write_text(
                json.dumps({"test_accuracy": accuracy, "seconds": 60.0})
            )
            cost = {"energy_nj": 5.0, "firing_rate": 0.1, "device": "a GPU"}
            (run.elite(found) / "inference.json").write_text(json.dumps(cost))
    return load_experiment(folder)


def test_among_equal_accuracies_the_network_of_least_memory_is_chosen(
    tmp_path: Path, record: RunRecord
) -> None:
    table = make(tmp_path, record, accuracies={"a-seed0": {LARGE: 0.9, SMALL: 0.9}}).table()
    assert table["network"].tolist() == ["large", "small"]
    assert table["memory_mb"].is_monotonic_decreasing
    assert table["chosen"].tolist() == [False, True]


def test_a_higher_accuracy_is_chosen_whatever_its_memory(tmp_path: Path, record: RunRecord) -> None:
    table = make(tmp_path, record, accuracies={"a-seed0": {LARGE: 0.91, SMALL: 0.9}}).table()
    assert table["chosen"].tolist() == [True, False]


def test_one_is_chosen_for_each_data_set(tmp_path: Path, record: RunRecord) -> None:
    accuracies = {
        "a-seed0": {LARGE: 0.6, SMALL: 0.5},
        "b-seed0": {LARGE: 0.7, SMALL: 0.5},
        "nmnist-seed0": {LARGE: 0.8, SMALL: 0.9},
    }
    table = make(tmp_path, record, accuracies=accuracies).table()
    assert table["chosen"].tolist() == [False, False, True, False, False, True]


def test_a_size_that_is_not_the_paper_s_is_no_comparison_with_its_figures(
    tmp_path: Path, record: RunRecord
) -> None:
    epochs = record.config.training.epochs
    extents = {}
    for size, figures in (("s", {}), ("small", {"memory_mb": "12"}), ("paper", {"memory_mb": "12"})):
        (folder := tmp_path / size).mkdir()
        result = make(folder, record, accuracies={"a-seed0": {}}, reported={"a": figures}, size=size)
        extents[size] = result.extent()
    extent = f"2 genomes a run, {epochs} epochs, all training examples"
    assert list(extents.values()) == [
        f"size s: {extent}",
        f"size small: {extent}; no comparison with the paper",
        f"size paper: {extent}",
    ]


def test_a_row_is_over_the_seeds_that_are_over(tmp_path: Path, record: RunRecord) -> None:
    accuracies = {"a-seed0": {LARGE: 0.5, SMALL: 0.6}, "a-seed1": {SMALL: 0.8}, "b-seed0": {}}
    result = make(tmp_path, record, accuracies=accuracies)
    table = result.table()
    assert table[["variant", "network", "n"]].to_numpy().tolist() == [["a", "large", 1], ["a", "small", 2]]
    assert table["test_accuracy"].tolist() == pytest.approx([0.5, 0.7])
    assert table["test_accuracy_sd"].isna().tolist() == [True, False]
    assert table["test_accuracy_sd"][1] == pytest.approx(0.02**0.5)
    assert table["search_seconds"].tolist() == [0.5, 0.5]
    assert set(table["device"]) == {"a GPU"}
    assert "3 of 3 runs begun" in repr(result)
    header, large, small = result.cells()
    assert len(header) == len(large) == len(small)
    assert large[header.index("test accuracy")] == "0.5"
    assert small[header.index("test accuracy")] == "0.7 +- 0.1414"
    assert [large[-1], small[-1]] == ["", "*"]


def test_an_experiment_without_results_has_a_header(tmp_path: Path, record: RunRecord) -> None:
    result = make(tmp_path, record, accuracies={"a-seed0": {}})
    assert len(result.table()) == 0
    assert len(result.cells()) == 1


def test_a_folder_that_holds_no_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no experiment was started"):
        evonas.load_experiment(tmp_path)
