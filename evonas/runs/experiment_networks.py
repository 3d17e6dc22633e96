"""What the runs of an experiment found of each network: the rows of its table, read from their folders."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from evonas.errors import RunError
from evonas.runs.log import Row
from evonas.runs.results import Run

MEASUREMENTS = "measurements"
"""The folder of a run that keeps what was measured of its networks."""


def networks(run: Run, *, measures: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The networks of a run that is over, by what they are called, with what was found of them, `measures` included.

    Nothing where no network was feasible.
    """
    from evonas.objectives.memory import memory_mb  # imports torch

    if not run.is_complete or not run.front:
        return
    n_untrained = len(run.record.initial) if run.compares_initial else 1
    shown = run.elites or dict(islice(run.candidates.items(), n_untrained))
    search = {
        "search_seconds": sum(row.seconds for row in run.rows),
        "evaluations": sum(row.status not in ("cached", "infeasible") for row in run.rows),
    }
    for network, architecture_id in shown.items():
        trained = _trained(run, architecture_id) if run.elites else _untrained(run, architecture_id)
        if trained is not None:
            architecture = run.architecture(architecture_id)
            yield (
                network,
                {
                    "architecture_id": architecture_id,
                    "data": run.record.config.data.name,
                    "parameters": architecture.n_parameters,
                    "memory_mb": memory_mb(architecture),
                    "scores": {
                        **_scored(run, architecture_id).objectives,
                        **measured(run, architecture_id, measures=measures),
                    },
                    **search,
                    **trained,
                },
            )


def measured_file(run: Run, architecture_id: str, *, measure: str) -> Path:
    """Where it is kept what `measure` found of a network."""
    return run.folder.path / MEASUREMENTS / f"{measure}-{architecture_id}.json"


def measured(run: Run, architecture_id: str, *, measures: Sequence[str]) -> dict[str, float]:
    """What was measured of a network beside, by column; those of `measures` that were not taken are left out.

    Raises:
        RunError: a file that is damaged.
    """
    found: dict[str, float] = {}
    for path in (measured_file(run, architecture_id, measure=measure) for measure in measures):
        if not path.is_file():
            continue
        try:
            values: dict[str, float | None] = json.loads(path.read_bytes())
            found |= {name: math.nan if value is None else float(value) for name, value in values.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            raise RunError(f"{path} is damaged; delete it to have it measured anew") from None
    return found


def ranked(path: Path) -> dict[str, dict[str, float]]:
    """The rank correlations in the report of a ranking, by score; none where it is not over."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
        facts = content["facts"]
        seconds = (facts["core_seconds_per_network"] or 0.0) * facts["n_architectures"]
        found: dict[str, dict[str, float]] = {}
        for row in content["correlations"]:
            subset = "" if row["subset"] == "all" else f"_{row['subset'].replace(' ', '_')}"
            start = {"search_seconds": seconds, "n_networks": float(row["n"])}
            of = found.setdefault(row["score"], start)
            for end in ("", "_low", "_high"):
                value = row[f"tau{end}"]
                of[f"tau{subset}{end}"] = math.nan if value is None else float(value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path} is damaged; delete it to have it ranked anew") from None
    return found


def _trained(run: Run, architecture_id: str) -> dict[str, Any] | None:
    """What the training of an elite found, None where it is not over."""
    if not run.is_trained(architecture_id):
        return None
    folder = run.folder.elite(architecture_id)
    try:
        result = json.loads((folder / "result.json").read_bytes())
        cost = json.loads((folder / "inference.json").read_bytes())
        return {
            "test_accuracy": float(result["test_accuracy"]),
            "train_seconds": float(result["seconds"]),
            "energy_nj": float(cost["energy_nj"]),
            "firing_rate": float(cost["firing_rate"]),
            "device": str(cost.get("device", run.record.config.training.device)),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"the results in {folder} cannot be read ({type(error).__name__}); delete the folder to train anew"
        ) from None


def _untrained(run: Run, architecture_id: str) -> dict[str, Any]:
    """What the search measured of an architecture."""
    row = _scored(run, architecture_id)
    measured = {**row.diagnostics, **row.objectives}
    numbers = {name: measured.get(name, math.nan) for name in ("energy_nj", "firing_rate")}
    return {"test_accuracy": math.nan, "train_seconds": math.nan, **numbers, "device": "cpu"}


def _scored(run: Run, architecture_id: str) -> Row:
    """What the search logged of an architecture first."""
    return next(row for row in run.rows if row.architecture_id == architecture_id)
