from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from evonas.evolution.fitness import ObjectiveSpec
from evonas.rng import generator
from evonas.runs.comparison import Comparison
from evonas.runs.config import override, resolve
from evonas.runs.experiment import RECORD, Experiment, Member
from evonas.runs.experiment_table import ExperimentResult, load_experiment
from evonas.runs.folder import RunRecord, create, write_record
from evonas.runs.log import LogWriter, Row
from evonas.runs.results import Run, load_run
from genomes.architecture import InputSpec
from genomes.serial import build_space

SPECS = (
    ObjectiveSpec(name="rdm", direction="max", unit="", scale="linear", bounds=(0.0, 1.0)),
    ObjectiveSpec(name="parameters", direction="min", unit="", scale="log10", bounds=(10.0, 1e5)),
)

MakeRow = Callable[..., Row]
MakeRun = Callable[[Sequence[Row]], Run]


@pytest.fixture
def specs() -> tuple[ObjectiveSpec, ...]:
    return SPECS


@pytest.fixture
def make_row() -> MakeRow:
    """A row that succeeded; whatever matters to a test is given by name."""

    def build(index: int, **changes: object) -> Row:
        values: dict[str, object] = {
            "index": index,
            "generation": 0,
            "architecture_id": f"a{index}",
            "status": "ok",
            "objectives": {"rdm": 0.1 + 0.2, "parameters": 1000.0},
            "violation": 0.0,
            "diagnostics": {"dead_fraction": 1 / 3},
            "reason": "",
            "genome": {"gene": index},
            "parents": (),
            "seconds": 0.5,
            "worker": "serial",
            "attempts": 1,
        }
        assert set(changes) <= set(values)
        return Row(**{**values, **changes})  # type: ignore[arg-type]

    return build


@pytest.fixture
def record() -> RunRecord:
    return RunRecord(
        config=resolve(assignments=["space.base_width=8", "evolution.objectives=rdm,parameters"]),
        input_shape=(1, 8, 8),
        n_classes=10,
        objectives=SPECS,
        digests={"data": "d", "space": "s"},
        environment={"python": "3.11"},
        commit="abc",
    )


@pytest.fixture
def make_run(tmp_path: Path, record: RunRecord) -> MakeRun:
    """A run on disk with the given log, loaded."""

    def build(rows: Sequence[Row]) -> Run:
        folder = create(tmp_path / "run")
        write_record(folder, record)
        with LogWriter(folder.evaluations) as log:
            log.append(rows)
        return load_run(folder.path)

    return build


SPACE = build_space("evonas", input_spec=InputSpec((1, 8, 8), 10), options={"base_width": 8})
SMALL, LARGE = sorted(
    (SPACE.sample(rng=generator(0, "table", i)) for i in range(2)),
    key=lambda genome: SPACE.decode(genome).memory_bytes,
)
GIVEN = {"large": LARGE, "small": SMALL}
"""The genomes that the runs of an experiment compare, in this order."""


@pytest.fixture
def make_experiment(tmp_path: Path, record: RunRecord) -> Callable[..., ExperimentResult]:
    """An experiment on disk that compares the networks large and small, by run: test accuracy by network.

    The runs of a variant called nmnist are on that data set, the others on digits. `of` are the experiments that
    variants are borrowed from.
    """

    def build(
        accuracies: Mapping[str, Mapping[str, float]],
        *,
        folder: Path = tmp_path,
        size: str = "s",
        reported: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        comparisons: Sequence[Comparison] = (),
        of: Mapping[str, str] = MappingProxyType({}),
    ) -> ExperimentResult:
        variants = {name: name.rpartition("-seed")[0] for name in accuracies}
        members = tuple(
            Member(variant, int(name[-1]), of.get(variant, "")) for name, variant in variants.items()
        )
        asked = Experiment(
            name="e",
            size=size,
            question="Which one?",
            source="Nobody",
            reported=dict(reported),
            members=members,
            comparisons=tuple(comparisons),
        )
        (folder / RECORD).write_bytes(asked.to_json())
        changes = {"evolution.population": 2, "evolution.generations": 0, "training.elites": 2}
        initial = {name: SPACE.to_dict(genome) for name, genome in GIVEN.items()}
        config = override(record.config, changes)
        for member, trained in zip(members, accuracies.values(), strict=True):
            run = create(asked.folder(member, path=folder))
            data = "nmnist" if member.variant == "nmnist" else "digits"
            its = override(config, {"data.name": data})
            write_record(run, dataclasses.replace(record, config=its, initial=initial))
            with LogWriter(run.evaluations) as log:
                for i, (network, genome) in enumerate(initial.items()):
                    found = SPACE.architecture_id(GIVEN[network])
                    scores = {"rdm": 0.5, "parameters": 9.0}
                    log.append([Row(i, 0, found, "ok", scores, 0.0, {}, "", genome, (), 0.25, "serial", 1)])
            for network, accuracy in trained.items():
                elite = run.elite(SPACE.architecture_id(GIVEN[network]))
                elite.mkdir(parents=True)
                result = {"test_accuracy": accuracy, "seconds": 60.0}
                (elite / "result.json").write_text(json.dumps(result))
                cost = {"energy_nj": 5.0, "firing_rate": 0.1, "device": "a GPU"}
                (elite / "inference.json").write_text(json.dumps(cost))
        return load_experiment(folder)

    return build
