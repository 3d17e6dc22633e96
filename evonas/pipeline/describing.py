"""A network in words, from a file or from a run."""

from __future__ import annotations

from pathlib import Path

from evonas.errors import ConfigError
from evonas.runs.results import load_run
from genomes.describing import describe as describe_genome
from genomes.serial import load_genome


def describe(target: str) -> str:
    """A network in words: `target` is the file of a saved genome, or ``RUN_DIR:ARCHITECTURE_ID``."""
    path = Path(target)
    if path.is_file():
        genome, space = load_genome(path)
        return describe_genome(genome, space)
    run_dir, colon, architecture_id = target.rpartition(":")
    if not colon:
        raise ConfigError(
            f"describe: expected the file of a saved genome or RUN_DIR:ARCHITECTURE_ID, got '{target}'"
        )
    run = load_run(run_dir)
    space = run.space()
    return describe_genome(space.from_dict(run.genome(architecture_id)), space)
