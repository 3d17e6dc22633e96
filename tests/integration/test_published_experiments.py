"""The smoke size of every published experiment, on the real data, with what its row promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import evonas
from evonas.runs.experiment_table import ExperimentResult
from evonas.runs.results import Run

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"

Smoke = Callable[..., tuple[ExperimentResult, dict[str, Run]]]


@pytest.fixture
def smoke(tmp_path: Path) -> Smoke:
    """Runs the smoke size of an experiment; returns it and its runs by variant."""

    def run(name: str, *, data: Path) -> tuple[ExperimentResult, dict[str, Run]]:
        command = [sys.executable, "-m", "evonas", "experiment", str(EXPERIMENTS / f"{name}.toml")]
        options = [
            "--size",
            "smoke",
            "--data-dir",
            str(data),
            "--workers",
            "2",
            "--run-dir",
            str(tmp_path / name),
        ]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        result = evonas.load_experiment(tmp_path / name)
        assert result.csv.is_file()
        assert result.experiment.question in done.stdout
        runs = {member.variant: run for member, run in result.runs()}
        for run in runs.values():
            assert set(run.evaluations()["status"]) <= {"ok", "cached", "infeasible"}
        return result, runs

    return run


@pytest.mark.slow
def test_mse_nas_goes_from_search_by_the_summed_manhattan_rdm_to_a_trained_network(
    smoke: Smoke, cifar10_root: Path
) -> None:
    result, runs = smoke("mse_nas_cifar10", data=cifar10_root)
    (row,) = result.table().to_dict("records")
    run = runs["main"]
    assert run.record.config.evolution.objectives == ("rdm_manhattan_summed",)
    assert row["rdm_manhattan_summed"] == run.evaluations()["rdm_manhattan_summed"].max() > 0
    assert row["reported_test_accuracy"] == "not known"
    assert 0 < row["test_accuracy"] < 1
    network = run.network(row["architecture_ids"])
    assert sum(p.numel() for p in network.parameters()) == row["parameters"]


@pytest.mark.slow
def test_snasnet_searches_forward_and_backward_cells_and_stands_beside_the_published_accuracies(
    smoke: Smoke, cifar10_root: Path
) -> None:
    result, runs = smoke("snasnet_cifar10", data=cifar10_root)
    table = result.table().set_index("variant")
    assert table["reported_test_accuracy"].to_dict() == {
        "forward": "0.9312 +- 0.0042",
        "backward": "0.9373 +- 0.0032",
    }
    has_feedback = {
        variant: [run.architecture(id).has_feedback for id in run.evaluations()["architecture_id"]]
        for variant, run in runs.items()
    }
    assert not any(has_feedback["forward"])
    assert any(has_feedback["backward"])
    for variant, run in runs.items():
        assert table.loc[variant, "sahd_until_2022_07"] == run.evaluations()["sahd_until_2022_07"].max()
        assert run.record.config.evolution.strategy == "random"


@pytest.mark.slow
def test_every_spikernel_model_keeps_its_budget_and_its_kernels_and_one_is_chosen(
    smoke: Smoke, cifar10_root: Path
) -> None:
    result, runs = smoke("spikernel_cifar10", data=cifar10_root)
    table = result.table()
    budget = 0.5
    for variant, sizes in (("k3", {3}), ("unrestricted", {1, 3, 5, 7})):
        run = runs[variant]
        assert run.record.config.evolution.max_memory_mb == budget
        evaluations = run.evaluations()
        found = evaluations[evaluations["status"] == "ok"]
        assert len(found)
        assert (found["memory_mb"] <= budget).all()
        assert (evaluations.loc[evaluations["status"] == "infeasible", "memory_mb"] > budget).all()
        edges = [edge for text in found["genome"] for edge in json.loads(text)["cell"]["edges"]]
        assert {edge["operation"] for edge in edges} <= {"identity", *(f"conv{size}" for size in sizes)}
    assert (table["memory_mb"] <= budget).all()
    assert (table["search_seconds"] > 0).all()
    assert table["chosen"].sum() == 1
    assert table["test_accuracy"][table["chosen"]].item() == table["test_accuracy"].max()


@pytest.mark.slow
def test_the_gradient_vanishes_in_plain_stacks_and_not_in_densely_additive_ones(
    smoke: Smoke, cifar10_root: Path
) -> None:
    result, _ = smoke("danet_depth", data=cifar10_root)
    table = result.table().set_index("variant")
    # 0 is a gradient as large at the first unit as at the last, -1 one decade of difference.
    assert table.loc["dense_add_20", "gradient_flow"] > -0.5
    assert table.loc["plain_20", "gradient_flow"] < -1.5
    assert table["parameters"].nunique() == 1


@pytest.mark.slow
def test_attention_lowers_the_firing_rate_on_recorded_events(smoke: Smoke, event_root: Path) -> None:
    result, _ = smoke("asa_events", data=event_root)
    rates = result.table().set_index(["variant", "network"])["firing_rate"]
    assert len(rates) == 10
    for variant, suffix in (("nmnist", ""), ("dvs128_objects", "_dvs128")):
        rate = rates[variant]
        assert rate[f"asa_full{suffix}"] < rate[f"asa_none{suffix}"]
        assert rate[f"asa_half{suffix}"] < rate[f"asa_none{suffix}"]


@pytest.mark.slow
def test_one_search_combines_motifs_attention_additive_merges_and_kernel_sets(
    smoke: Smoke, cifar10_root: Path
) -> None:
    _, runs = smoke("combined_cifar10", data=cifar10_root)
    evaluations = runs["main"].evaluations()
    genomes = [json.loads(text) for text in evaluations["genome"]]
    slots = [slot for genome in genomes for stage in genome["stages"] for slot in stage["slots"]]
    assert {slot.get("attention") for slot in slots} == {None, "asa"}
    assert {slot["merge"]["rule"] for slot in slots if slot["merge"]} >= {"dense_add"}
    assert len({slot["motif"] for slot in slots}) == 5
    assert {kernel["size"] for slot in slots for kernel in slot["kernels"]} == {3, 5, 7}
    assert set(evaluations["status"]) == {"ok"}
