"""A network in words, from a file or from a run."""

from __future__ import annotations

from pathlib import Path

from evonas.errors import ConfigError
from evonas.runs.results import Run, load_run
from genomes import library
from genomes.describing import describe as describe_genome
from genomes.registry import nearest
from genomes.serial import load_genome


def describe(target: str) -> str:
    """A network in words: `target` is the file of a saved genome, a name in the library, or ``RUN_DIR:ID``.

    Of the id of an architecture its first characters will do.

    Raises:
        EvonasError, GenomeError: there is no such network, or its file cannot be read.
    """
    path = Path(target)
    if path.is_file():
        genome, space = load_genome(path)
        return describe_genome(genome, space)
    if target in library.names():
        return describe_genome(*library.load(target))
    run_dir, colon, prefix = target.rpartition(":")
    if not colon:
        raise ConfigError(
            "describe: expected the file of a saved genome, RUN_DIR:ARCHITECTURE_ID, or a name in the library, got"
            f" '{target}'; of the library, {nearest(target, library.names())}"
        )
    run = load_run(run_dir)
    space = run.space()
    return describe_genome(space.from_dict(run.genome(_completed(prefix, run))), space)


def _completed(prefix: str, run: Run) -> str:
    """The one architecture id of `run` that begins with `prefix`; `prefix` itself where none does."""
    ids = list(dict.fromkeys(row.architecture_id for row in run.rows))
    found = [prefix] if prefix in ids else [known for known in ids if known.startswith(prefix)]
    if len(found) > 1:
        raise ConfigError(
            f"describe: {len(found)} architectures of {run.folder.path} begin with '{prefix}', give more of the id:"
            f" {', '.join(found[:5])}"
        )
    return found[0] if found else prefix
