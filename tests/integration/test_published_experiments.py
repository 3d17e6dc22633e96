"""The smoke size of every published experiment, on the real data, with what its row promises."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import evonas
from evonas.data import load, scoring_batch
from evonas.runs.experiment_table import ExperimentResult
from evonas.runs.results import Run
from evonas.snn.network import SpikingNetwork
from genomes.mse_nas.motifs import CORRECTED
from genomes.mse_nas.released import ReleasedGenome
from genomes.operations import Convolution
from genomes.spaces.mse_nas import MseNasSpace

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"

pytestmark = pytest.mark.timeout(400)  # each is a whole experiment of about a minute on two cores

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
    smoke: Smoke, cifar10_root: Path, oracles: Path
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
    check_feedback(run)
    check_release(run, oracles)


def check_feedback(run: Run) -> None:
    """Every genome has the feedback of its motifs, one time step late and with the sign it has in the table."""
    n_late = 0
    for row in run.evaluations().to_dict("records"):
        genome = json.loads(row["genome"])
        motifs = [CORRECTED[layer["motif"], genome["predecessors"]] for layer in genome["layers"]]
        expected = [(edge.delay, edge.sign) for motif in motifs for edge in motif.edges if edge.delay]
        late = [s for s in run.architecture(row["architecture_id"]).synapses if s.delay]
        found = [(s.delay, s.operation.sign) for s in late if isinstance(s.operation, Convolution)]
        assert len(found) == len(late)
        assert sorted(found) == sorted(expected)
        assert {delay for delay, _ in found} <= {1}
        n_late += len(found)
    assert n_late > 0


def check_release(run: Run, oracles: Path) -> None:
    """The space of the run, as released and at the width of the reference, decodes to the parameters of the release."""
    rows = csv.DictReader((oracles / "mse_nas_parameters.csv").read_text().splitlines())
    reference = next(row for row in rows if row["stem"] == "static")
    space = run.space()
    assert isinstance(space, MseNasSpace)
    released = replace(space, channels=int(reference["C"]), as_released=True, mid=5)
    genome = ReleasedGenome(tuple(map(int, reference["genome"].split(","))))
    assert released.decode(genome).n_parameters == int(reference["n_parameters"])


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
        evaluations = run.evaluations()
        best = evaluations.loc[evaluations["sahd_until_2022_07"].idxmax()]
        assert table.loc[variant, "sahd_until_2022_07"] == best["sahd_until_2022_07"]
        assert run.record.config.evolution.strategy == "random"
        assert best["diagnostics"]["singular_directions"] == 0
        by_hand = sahd(run, best["architecture_id"], data=cifar10_root)
        assert best["sahd_until_2022_07"] == pytest.approx(by_hand, rel=1e-6)


def sahd(run: Run, architecture_id: str, *, data: Path) -> float:
    """The log-determinant of the first release, from the spikes of a run's network: pair by pair, step by step."""
    config = run.record.config
    dataset = load(config.data.name, root=data, n_train=config.data.n_train)
    inputs, _ = scoring_batch(dataset, size=config.evaluation.batch)
    architecture = run.architecture(architecture_id)
    network = SpikingNetwork(architecture, seed=config.evolution.seed).eval()
    layers: dict[int, np.ndarray] = {}
    with torch.no_grad():
        network(
            torch.from_numpy(inputs)[None],
            time_steps=config.evaluation.time_steps,
            calibrate=True,
            observe=lambda node, spikes: layers.update({node: spikes.flatten(2).numpy() != 0}),
        )
    steps = [step for node in architecture.spiking for step in layers[node]]
    assert len(steps) == len(architecture.spiking) * config.evaluation.time_steps
    kernel = np.zeros((len(inputs), len(inputs)))
    for step in steps:
        n, rates = step.shape[1], step.mean(1)
        for i, j in itertools.product(range(len(inputs)), repeat=2):
            differing = np.count_nonzero(step[i] != step[j])
            by_chance = rates[i] * (1 - rates[j]) + (1 - rates[i]) * rates[j]
            kernel[i, j] += n - 0.5 * differing / (by_chance + 0.001)
    return float(np.linalg.slogdet(kernel / len(steps)).logabsdet)


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
    result, runs = smoke("asa_events", data=event_root)
    assert {member.seed for member in result.experiment.members} == {0}
    assert {run.record.config.evolution.seed for run in runs.values()} == {0}
    table = result.table().set_index(["variant", "network"])
    assert len(table) == 10
    assert (table["n"] == 1).all()
    assert table["test_accuracy"].between(0, 1).all()
    for variant, suffix in (("nmnist", ""), ("dvs128_objects", "_dvs128")):
        names = ["asa_none", "asa_full", "asa_important", "asa_rest", "asa_half"]
        found = table.loc[[(variant, name + suffix) for name in names]].set_axis(names)
        rate, parameters = found["firing_rate"], found["parameters"]
        assert (rate > 0).all()
        assert rate.is_unique
        assert rate["asa_full"] < rate["asa_none"]
        assert rate["asa_half"] < rate["asa_none"]
        # Each part gates with weights of its own, beside those that tell the parts apart; a mere factor has none.
        for part in ("asa_important", "asa_rest"):
            assert parameters["asa_none"] < parameters[part] < parameters["asa_full"]
        assert parameters["asa_half"] == parameters["asa_none"]


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
