"""The folder of a run: where each thing lies, and the record of what was asked for, written before anything is run."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evonas.atomic import TEMPORARY_PREFIX, atomic_write, sync_folder
from evonas.errors import ConfigError, RunError
from evonas.evolution.fitness import ObjectiveSpec
from evonas.runs import experiment
from evonas.runs.config import Config, from_dict, matters, to_dict

SCHEMA = 1
LOCK_NAME = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run; all are relative to `path`, so a run can be moved."""

    path: Path

    @property
    def record(self) -> Path:
        """What was asked for: `config.json`."""
        return self.path / "config.json"

    @property
    def evaluations(self) -> Path:
        """The evaluation log: `evaluations.jsonl`."""
        return self.path / "evaluations.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def elites(self) -> Path:
        """The folder of the trained elites."""
        return self.path / "elites"

    def elite(self, architecture_id: str) -> Path:
        """The folder of one elite: `genome.json`, `weights.pt`, its results and the checkpoint of its training."""
        return self.elites / architecture_id


@dataclass(frozen=True)
class RunRecord:
    """The content of `config.json`: everything that a resume or a reader needs to know and cannot derive.

    `input_shape` (C, H, W) and `n_classes` describe the data, so that a network can be built where the data are not.
    `digests` are SHA-256 by subject ("data", "space"); `objectives` carry the fixed bounds of the hypervolume.
    `initial` are the genomes that came first in generation 0, by name, in the space's JSON form.
    """

    config: Config
    input_shape: tuple[int, int, int]
    n_classes: int
    objectives: tuple[ObjectiveSpec, ...]
    digests: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    initial: Mapping[str, Any] = field(default_factory=dict)

    def matters(self) -> dict[str, object]:
        """What decides what the run finds, by name: settings, and the digests of the initial genomes."""
        return {
            **matters(self.config),
            **{
                f"evolution.initial[{i}]": f"{name} {_digest(genome)}"
                for i, (name, genome) in enumerate(self.initial.items())
            },
        }


def create(path: Path) -> RunFolder:
    """Make the folder of a new run; one that is empty, or was left before anything was recorded, is taken as it is.

    Raises:
        RunError: there is a run already, something else is in the way, or the folder cannot be made or written.
    """
    folder = RunFolder(path)
    if folder.record.exists():
        raise RunError(
            f"{path} is a run already; go on with 'evonas resume {path}' or choose another --run-dir"
        )
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; choose another --run-dir")
    try:
        foreign = (
            sorted(entry.name for entry in path.iterdir() if not _left_over(entry)) if path.exists() else []
        )
        if foreign:
            raise RunError(
                f"{path} is not empty (it holds {foreign[0]}) and not a run; choose another --run-dir"
            )
        path.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(
            f"the run folder {path} cannot be made: {error.strerror}; choose another --run-dir"
        ) from None
    return folder


def make_parts(folder: RunFolder) -> None:
    """Make the folders in a run that are not there, and remove what interrupted writes left; needs the lock."""
    for part in (folder.checkpoints, folder.elites):
        part.mkdir(exist_ok=True)
    for place in (folder.path, folder.checkpoints):
        for leftover in place.glob(f"{TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)
    sync_folder(folder.path)


def open_run(path: Path) -> RunFolder:
    """The folder of a run that exists.

    Raises:
        RunError: there is no such folder, nothing was recorded in it, or it is that of an experiment.
    """
    if not path.is_dir():
        raise RunError(
            f"nothing to resume or read in {path}: there is no such folder; 'evonas evolve --run-dir {path}' starts one"
        )
    if (path / experiment.RECORD).is_file():
        runs = sorted(record.parent.name for record in path.glob("*/config.json"))
        raise RunError(
            f"{path} is an experiment, not a run; its runs are in {', '.join(runs) or 'no folder yet'}, and"
            f" evonas.load_experiment('{path}') reads it as a whole"
        )
    if not RunFolder(path).record.is_file():
        raise RunError(
            f"nothing to resume or read in {path}: it has no config.json, so no run was started in it; "
            f"'evonas evolve --run-dir {path}' starts one"
        )
    return RunFolder(path)


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the run for this process while the block runs; the system lets go of it when the process dies in any way.

    Raises:
        RunError: another process is at work in the folder.
    """
    descriptor = os.open(folder.path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another process is at work in {folder.path}; wait for it or stop it first"
            ) from None
        yield
    finally:
        os.close(descriptor)


def write_record(folder: RunFolder, record: RunRecord) -> None:
    """Write `config.json` in one step.

    Raises:
        OSError: the disk is full or the folder is read-only.
    """
    content = {
        "schema": SCHEMA,
        "config": to_dict(record.config),
        "input_shape": list(record.input_shape),
        "n_classes": record.n_classes,
        "objectives": [dataclasses.asdict(spec) for spec in record.objectives],
        "digests": dict(record.digests),
        "environment": dict(record.environment),
        "commit": record.commit,
        "initial": dict(record.initial),
    }
    atomic_write(folder.record, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())


def read_record(folder: RunFolder) -> RunRecord:
    """The content of `config.json`.

    Raises:
        RunError: the file is not JSON, of another schema, or incomplete.
        ConfigError: a setting in it is not legal.
    """
    try:
        content: dict[str, Any] = json.loads(folder.record.read_bytes())
        if content["schema"] != SCHEMA:
            raise RunError(f"{folder.record} has schema {content['schema']!r}; this version reads {SCHEMA}")
        channels, height, width = (int(size) for size in content["input_shape"])
        return RunRecord(
            config=from_dict(content["config"]),
            input_shape=(channels, height, width),
            n_classes=int(content["n_classes"]),
            objectives=tuple(
                ObjectiveSpec(**{**spec, "bounds": tuple(spec["bounds"])}) for spec in content["objectives"]
            ),
            digests=dict(content["digests"]),
            environment=dict(content["environment"]),
            commit=str(content["commit"]),
            initial=dict(content.get("initial", {})),  # runs of the first release have none
        )
    except (ConfigError, RunError):
        raise
    except json.JSONDecodeError as error:
        raise RunError(f"{folder.record} is not JSON (line {error.lineno}); the run cannot be read") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunError(f"{folder.record} is not the record of a run ({reason})") from None


def _digest(genome: object) -> str:
    """The first 64 bits of the SHA-256 of a genome in JSON form."""
    return hashlib.sha256(json.dumps(genome, sort_keys=True).encode()).hexdigest()[:16]


def _left_over(entry: Path) -> bool:
    """Whether `entry` is what an interruption before the record leaves: the lock, temporary files, empty folders."""
    if entry.is_dir():
        return entry.name in {"checkpoints", "elites"} and not any(entry.glob("generation-*"))
    return entry.name == LOCK_NAME or entry.name.startswith(TEMPORARY_PREFIX)
