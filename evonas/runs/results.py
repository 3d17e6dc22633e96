"""A run read back: its evaluations, front and generations as DataFrames, its networks as torch modules.

Everything is derived from `config.json` and `evaluations.jsonl`; nothing is stored twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import evonas.runs.folder as run_folder
import evonas.runs.log as run_log
from evonas.errors import RunError
from evonas.evolution import archive
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.individual import Individual, individuals
from evonas.evolution.loop import summary
from evonas.evolution.state import EvolutionState
from genomes.architecture import Architecture, InputSpec
from genomes.registry import nearest
from genomes.serial import build_space

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from genomes.space import Space

MAY_DIFFER = ("seconds", "worker", "attempts")
"""The columns of `Run.evaluations` in which two runs of one seed may differ."""


@dataclass(frozen=True)
class Run:
    """A run as far as it has come, read once when it was loaded."""

    def __repr__(self) -> str:
        state = "complete" if self.is_complete else "not complete"
        return f"Run({self.folder.path}: {len(self.rows)} genomes, front of {len(self.front)}, {state})"

    folder: run_folder.RunFolder
    record: run_folder.RunRecord
    rows: Sequence[run_log.Row]

    @cached_property
    def front(self) -> tuple[Individual, ...]:
        """The non-dominated feasible individuals, best in the first objective first; genomes as JSON data."""
        return archive.update((), _individuals(self.rows, specs=self.specs), self.specs)

    @property
    def knee(self) -> Individual:
        """The member of the front farthest from the plane through the extremes.

        Raises:
            RunError: the front is empty.
        """
        if not self.front:
            raise RunError(
                f"{self.folder.path} has no front yet: no evaluation succeeded within the constraints"
            )
        return self.front[archive.knee([member.values(self.specs) for member in self.front], self.specs)]

    @property
    def compares_initial(self) -> bool:
        """Whether the run is there to compare the genomes it was given, for it has no generation but the first."""
        return bool(self.record.initial) and self.record.config.evolution.generations == 0

    @property
    def candidates(self) -> dict[str, str]:
        """The architectures that are worth training, best first, by what they are called in this run.

        Where initial genomes are compared: they in their order, by name. Else "knee" or "best", as `training.choice`
        says, and the rest of the front in order of rank as "elite 2" and so on.
        """
        if self.compares_initial:
            return dict(zip(self.record.initial, (row.architecture_id for row in self.rows), strict=False))
        if not self.front:
            return {}
        choice = self.record.config.training.choice
        first = self.knee if choice == "knee" else self.front[0]
        ranked = dict.fromkeys([first.architecture_id, *(member.architecture_id for member in self.front)])
        return {f"elite {i}" if i > 1 else choice: found for i, found in enumerate(ranked, start=1)}

    @property
    def elites(self) -> dict[str, str]:
        """The first of `candidates`, as many as `training.elites` asks for."""
        return dict(islice(self.candidates.items(), self.record.config.training.elites))

    @property
    def is_complete(self) -> bool:
        """Whether every generation that the settings ask for is there in full."""
        evolution = self.record.config.evolution
        return len(self.rows) >= evolution.population * (evolution.generations + 1)

    @property
    def specs(self) -> tuple[ObjectiveSpec, ...]:
        """The objectives with direction, unit and bounds."""
        return self.record.objectives

    def evaluations(self) -> pd.DataFrame:
        """One row per proposed genome, in order.

        Columns: index, generation, architecture_id, status, one per objective (NaN where it was not reached),
        violation, diagnostics (dict), reason, genome (JSON text), parents (tuple of ids), seconds, worker,
        attempts.
        """
        columns: dict[str, str] = {
            "index": "int64",
            "generation": "int64",
            "architecture_id": "str",
            "status": "str",
        }
        columns |= {spec.name: "float64" for spec in self.specs}
        columns |= {"violation": "float64", "diagnostics": "object", "reason": "str", "genome": "str"}
        columns |= {"parents": "object", "seconds": "float64", "worker": "str", "attempts": "int64"}
        return _frame([self._evaluation_row(row) for row in self.rows], columns)

    def pareto_front(self) -> pd.DataFrame:
        """The front, best in the first objective first.

        Columns: architecture_id, one per objective (natural sign and unit), knee (one row is True), generation, genome
        (JSON text).
        """
        columns: dict[str, str] = {"architecture_id": "str"}
        columns |= {spec.name: "float64" for spec in self.specs}
        columns |= {"knee": "bool", "generation": "int64", "genome": "str"}
        knee = self.knee.architecture_id if self.front else ""
        rows = [
            {
                "architecture_id": member.architecture_id,
                **dict(zip((spec.name for spec in self.specs), member.values(self.specs), strict=True)),
                "knee": member.architecture_id == knee,
                "generation": member.generation,
                "genome": json.dumps(member.genome),
            }
            for member in self.front
        ]
        return _frame(rows, columns)

    def generations(self) -> pd.DataFrame:
        """One row per generation; hypervolume and best values are those of the archive so far.

        Columns: generation, hypervolume (in [0, 1]), best_<objective> (NaN while the archive is empty),
        n_evaluated (all but the cached), n_cached, n_failed, seconds (evaluation time, summed over the workers).
        """
        columns: dict[str, str] = {"generation": "int64", "hypervolume": "float64"}
        columns |= {f"best_{spec.name}": "float64" for spec in self.specs}
        columns |= {"n_evaluated": "int64", "n_cached": "int64", "n_failed": "int64", "seconds": "float64"}
        rows = []
        front: tuple[Individual, ...] = ()
        for generation, group in groupby(self.rows, key=lambda row: row.generation):
            members = list(group)
            front = archive.update(front, _individuals(members, specs=self.specs), self.specs)
            state = EvolutionState(generation=generation, archive=front)
            record = summary(state, [row.evaluation() for row in members], specs=self.specs)
            record["seconds"] = sum(row.seconds for row in members)
            rows.append({name: record[name] for name in columns})
        return _frame(rows, columns)

    def genome(self, architecture_id: str) -> Any:
        """The genome that was first proposed for `architecture_id`, as JSON data.

        Raises:
            RunError: the run has no such architecture.
        """
        genomes = {row.architecture_id: row.genome for row in reversed(self.rows)}
        if architecture_id not in genomes:
            known = [member.architecture_id for member in self.front]
            hint = nearest(architecture_id, known[:5])
            raise RunError(
                f"{self.folder.path} has no architecture '{architecture_id}'; of its front, best first, {hint}"
            )
        return genomes[architecture_id]

    def space(self) -> Space[Any]:
        """The search space of the run."""

        config = self.record.config
        inputs = InputSpec(shape=self.record.input_shape, n_classes=self.record.n_classes)
        return build_space(config.space.name, input_spec=inputs, options=config.space.options)

    def architecture(self, architecture_id: str) -> Architecture:
        """The decoded blueprint of an architecture.

        Raises:
            RunError: the run has no such architecture.
        """
        space = self.space()
        return space.decode(space.from_dict(self.genome(architecture_id)))

    def is_trained(self, architecture_id: str) -> bool:
        """Whether the training of an architecture is over; what an inference costs is measured last."""
        return (self.folder.elite(architecture_id) / "inference.json").is_file()

    def network(self, architecture_id: str) -> torch.nn.Module:
        """The network of an architecture, with its trained weights where there are some, in evaluation mode.

        Untrained it has the initial weights under which it was evaluated. It lives on the CPU.

        Raises:
            RunError: the run has no such architecture, or its weights cannot be read.
        """
        import torch

        from evonas.snn.network import SpikingNetwork

        network: torch.nn.Module = SpikingNetwork(
            self.architecture(architecture_id), seed=self.record.config.evolution.seed
        )
        weights = self.folder.elite(architecture_id) / "weights.pt"
        if weights.is_file():
            try:
                network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
            except Exception as error:  # torch raises many types for a damaged file, some of them private
                reason = " ".join(str(error).split())[:120]
                raise RunError(
                    f"{weights} does not hold the weights of {architecture_id}: {reason}"
                ) from error
        return network.eval()

    def _evaluation_row(self, row: run_log.Row) -> dict[str, Any]:
        return {
            "index": row.index,
            "generation": row.generation,
            "architecture_id": row.architecture_id,
            "status": row.status,
            **{spec.name: row.objectives.get(spec.name, float("nan")) for spec in self.specs},
            "violation": row.violation,
            "diagnostics": dict(row.diagnostics),
            "reason": row.reason,
            "genome": json.dumps(row.genome),
            "parents": row.parents,
            "seconds": row.seconds,
            "worker": row.worker,
            "attempts": row.attempts,
        }


def load_run(path: str | Path) -> Run:
    """The run in the folder `path`, finished or not.

    Raises:
        RunError: no run there, or a record or log that is damaged.
    """
    folder = run_folder.open_run(Path(path))
    return Run(
        folder=folder, record=run_folder.read_record(folder), rows=tuple(run_log.read(folder.evaluations))
    )


def _individuals(rows: Sequence[run_log.Row], *, specs: Sequence[ObjectiveSpec]) -> list[Individual]:
    return individuals([row.proposal() for row in rows], [row.evaluation() for row in rows], specs=specs)


def _frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """`rows` as a DataFrame with exactly `columns` and their types, also when there are none."""
    import pandas as pd

    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in columns.items()}
    )
