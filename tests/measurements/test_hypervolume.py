from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from evonas.data import Dataset
from evonas.evolution.fitness import ObjectiveSpec
from evonas.measurements.hypervolume import front_hypervolume
from evonas.proxies import MARGIN
from evonas.rng import generator
from evonas.runs.results import Run
from genomes.genome import Genome
from genomes.serial import build_space

MakeRun = Callable[..., Run]
MakeGenome = Callable[..., Genome]

N_SAMPLED = 20


@pytest.fixture(autouse=True)
def _few_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.measurements.hypervolume.N_SAMPLED", N_SAMPLED)


@pytest.fixture
def genomes(make_genome: MakeGenome) -> list[Genome]:
    """Two genomes of different architecture."""
    return [make_genome("feedforward_excitation"), make_genome("mutual_inhibition")]


def box(run: Run) -> dict[str, tuple[float, float]]:
    """The range of each objective over genomes of the default space, with the margin that every objective allows."""
    space = build_space("evonas", input_spec=run.space().input, options={})
    drawn = [space.decode(space.sample(rng=generator(0, "bounds", i))) for i in range(N_SAMPLED)]
    values = {
        "parameters": [float(architecture.n_parameters) for architecture in drawn],
        "memory_mb": [architecture.memory_bytes / 1e6 for architecture in drawn],
    }
    return {name: (min(found) / MARGIN, max(found) * MARGIN) for name, found in values.items()}


def gain(value: float, bounds: tuple[float, float]) -> float:
    """How far, as a share of the box, a value is below the worst on the logarithmic scale."""
    low, high = (math.log10(bound) for bound in bounds)
    return (high - math.log10(value)) / (high - low)


def test_with_one_objective_it_is_how_far_the_best_lies_from_the_worst_of_the_box(
    make_run: MakeRun, genomes: list[Genome], digits: Dataset
) -> None:
    run = make_run(genomes, objectives=(60_000.0, 40_000.0))
    bounds = box(run)["parameters"]
    assert bounds[0] < 40_000 < bounds[1]
    found = front_hypervolume(run, run.rows[0].architecture_id, digits)
    assert found == {"hypervolume": pytest.approx(gain(40_000.0, bounds))}


def test_with_two_objectives_it_is_the_area_below_both_points(
    make_run: MakeRun, genomes: list[Genome], digits: Dataset
) -> None:
    run = make_run(genomes)
    bounds = box(run)
    parameters, memory = bounds["parameters"], bounds["memory_mb"]
    first = {"parameters": parameters[0] * 2, "memory_mb": memory[1] / 2}
    second = {"parameters": parameters[1] / 2, "memory_mb": memory[0] * 2}
    memory_spec = ObjectiveSpec("memory_mb", "min", "MB", "log10", (1e-3, 1.0))
    rows = tuple(replace(row, objectives=v) for row, v in zip(run.rows, (first, second), strict=True))
    run = replace(run, rows=rows, record=replace(run.record, objectives=(*run.specs, memory_spec)))
    wide, high = gain(first["parameters"], parameters), gain(second["memory_mb"], memory)
    narrow, low = gain(second["parameters"], parameters), gain(first["memory_mb"], memory)
    found = front_hypervolume(run, run.rows[0].architecture_id, digits)
    assert found["hypervolume"] == pytest.approx(wide * low + narrow * high - narrow * low)


def test_runs_of_narrower_spaces_and_other_bounds_are_measured_in_the_same_box(
    make_run: MakeRun, genomes: list[Genome], digits: Dataset
) -> None:
    wide = make_run(genomes, objectives=(60_000.0, 40_000.0))
    narrow = make_run(
        genomes, objectives=(60_000.0, 40_000.0), settings=["space.base_width=8", "space.max_slots=2"]
    )
    specs = tuple(replace(spec, bounds=(39_000.0, 61_000.0)) for spec in narrow.specs)
    narrow = replace(narrow, record=replace(narrow.record, objectives=specs))
    found = [front_hypervolume(run, run.rows[0].architecture_id, digits) for run in (wide, narrow)]
    assert found[0] == found[1]
    assert 0 < found[0]["hypervolume"] < 1


def test_it_is_of_the_run_whichever_network_is_asked_for(
    make_run: MakeRun, genomes: list[Genome], digits: Dataset
) -> None:
    run = make_run(genomes, objectives=(60_000.0, 40_000.0))
    first, second = (front_hypervolume(run, row.architecture_id, digits) for row in run.rows)
    assert first == second


def test_a_point_outside_the_box_dominates_no_more_than_all_of_it(
    make_run: MakeRun, genomes: list[Genome], digits: Dataset
) -> None:
    for value, share in ((1.0, 1.0), (1e12, 0.0)):
        run = make_run(genomes, objectives=(value, value))
        assert front_hypervolume(run, run.rows[0].architecture_id, digits) == {"hypervolume": share}
