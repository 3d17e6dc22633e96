"""What a result depends on beside its settings, recorded when a run begins and compared when it goes on."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

import evonas.runs.checkpoint as checkpoint
import evonas.runs.config as run_config
from evonas.data import Dataset
from evonas.errors import RunError
from evonas.evolution.fitness import ObjectiveSpec
from evonas.runs.folder import RunFolder, RunRecord


def environment() -> dict[str, str]:
    """What results depend on beside settings and data: the versions of what computes, and the kind of machine."""
    packages = {name: version(name) for name in ("evonas", "torch", "numpy", "deap", "moocore")}
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {**packages, "python": platform.python_version(), "machine": machine}


def commit() -> str:
    """The commit of the checkout that this file is in, empty where it is none."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip()


def refuse_changed_settings(folder: RunFolder, record: RunRecord) -> None:
    """Refuse a `config.json` that is not the one that the run began with, in anything that decides its results."""
    content, _ = checkpoint.load_newest(folder.checkpoints)
    now = json.loads(json.dumps(record.matters()))
    changed = run_config.difference(content["settings"], now) if content else []
    if changed:
        raise RunError(
            f"{folder.record} was changed since the run began: {'; '.join(changed)}; change it back"
        )


def refuse_changed_surroundings(
    folder: RunFolder, record: RunRecord, dataset: Dataset, specs: tuple[ObjectiveSpec, ...]
) -> None:
    """Refuse to go on where the results could not be those of an uninterrupted run."""
    was: dict[str, object] = {"data": record.digests["data"], **record.environment}
    now: dict[str, object] = {"data": dataset.digest, **environment()}
    was |= {f"objectives.{spec.name}": str(spec) for spec in record.objectives}
    now |= {f"objectives.{spec.name}": str(spec) for spec in specs}
    changed = run_config.difference(was, now)
    if changed:
        raise RunError(
            f"{folder.path} cannot be continued here: {'; '.join(changed)}; restore what it was begun with"
        )
