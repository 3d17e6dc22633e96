"""A table of trained networks of our own space: random genomes, each trained with one small budget on the same data.

    python experiments/fitness/train_table.py --data-dir data

writes `evonas_table.csv`, one row per training, and `evonas_table.json`, which says what it was made with; the budget
stands in `evonas_table.toml`. The first genomes are trained once more with another seed, after all others, so that the
noise of the table is known. Every row is on disk when its training ends; stopped and called again, the program goes on
with the same rows, `train_seconds` apart.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import evonas.runs.config as run_config
from evonas.atomic import atomic_write
from evonas.data import Dataset, Split, load
from evonas.errors import EvonasError, RunError
from evonas.pipeline.elites import inference, train_as_configured
from evonas.pipeline.provenance import commit, environment
from evonas.rng import generator
from evonas.runs.config import Config
from evonas.snn.network import SpikingNetwork
from evonas.training.loop import DivergedError
from genomes.architecture import InputSpec
from genomes.codec import to_plain
from genomes.errors import GenomeError
from genomes.serial import build_space
from genomes.space import Space

SETTINGS = Path(__file__).with_name("evonas_table.toml")
N_VALIDATION = 1_000
"""Validation examples that `val_acc` is of, the first ones: to look at all 5,000 would take long."""

COLUMNS = (
    "architecture_id",
    "seed",
    "test_acc",
    "val_acc",
    "parameters",
    "macs",
    "energy_nj",
    "firing_rate",
    "firing_rates",
    "train_seconds",
    "genome",
)
Row = dict[str, str]


def train_table(
    config: Config, *, out: Path, n_genomes: int, n_repeated: int, report: Callable[[str], None]
) -> None:
    """Train `n_genomes` genomes with the seed of the config and the first `n_repeated` with the next; rows go to `out`.

    Rows that are there stay. A training that diverges is told and has no row.

    Raises:
        EvonasError, GenomeError: bad input, or `out` was begun with other settings.
    """
    if not 0 <= n_repeated <= n_genomes:
        raise RunError(f"--repeated: 0 to {n_genomes}, the number of genomes, expected, {n_repeated} given")
    root = Path(config.data.root) if config.data.root else None
    dataset = as_trained_on(load(config.data.name, root=root, n_train=config.data.n_train, report=report))
    spec = dataset.spec
    space = build_space(
        config.space.name, input_spec=InputSpec(spec.shape, spec.n_classes), options=config.space.options
    )
    seed = config.evolution.seed
    genomes = sample(space, n=n_genomes, seed=seed)
    jobs = [(genome, seed) for genome in genomes] + [(genome, seed + 1) for genome in genomes[:n_repeated]]
    with _held(out.with_suffix(".json"), _begun_with(config, space, dataset)):
        rows = read_rows(out)
        there = {(row["architecture_id"], int(row["seed"])) for row in rows}
        for number, (genome, its_seed) in enumerate(jobs, start=1):
            if (space.architecture_id(genome), its_seed) in there:
                continue
            try:
                row = trained(genome, space=space, dataset=dataset, config=config, seed=its_seed)
            except DivergedError as error:
                report(f"{number} of {len(jobs)}: {space.architecture_id(genome)}, seed {its_seed}: {error}")
                continue
            rows.append(row)
            atomic_write(out, _text(rows))
            report(
                f"{number} of {len(jobs)}: {row['architecture_id']}, seed {its_seed}:"
                f" test accuracy {row['test_acc']} %, {row['train_seconds']} s"
            )


def sample(space: Space[Any], *, n: int, seed: int) -> list[Any]:
    """The first `n` random genomes with distinct architectures; fewer of them are the beginning of more."""
    found: dict[str, Any] = {}
    draw = 0
    while len(found) < n:
        genome = space.sample(rng=generator(seed, "table", draw))
        found.setdefault(space.architecture_id(genome), genome)
        draw += 1
    return list(found.values())


def trained(genome: Any, *, space: Space[Any], dataset: Dataset, config: Config, seed: int) -> Row:
    """The row of one genome, trained from the weights of `seed` with the examples in the order of `seed`.

    Raises:
        DivergedError: loss or weights became infinite or NaN.
    """
    architecture = space.decode(genome)
    network = SpikingNetwork(architecture, seed=seed, surrogate=config.training.surrogate)
    with tempfile.TemporaryDirectory() as folder:
        result = train_as_configured(
            network,
            dataset,
            config,
            seed=seed,
            threads=1,
            folder=Path(folder),
            report=lambda epoch: None,
        )
    cost = inference(network, dataset, time_steps=config.evaluation.time_steps)
    values = {
        "architecture_id": architecture.id,
        "seed": str(seed),
        "test_acc": f"{100 * result.test_accuracy:.2f}",
        "val_acc": f"{100 * result.validation_accuracy:.1f}",
        "parameters": str(cost["parameters"]),
        "macs": str(cost["macs_per_step"]),
        "energy_nj": f"{cost['energy_nj']:.1f}",
        "firing_rate": f"{cost['firing_rate']:.5f}",
        "firing_rates": " ".join(f"{node}:{rate:.5f}" for node, rate in cost["firing_rates"].items()),
        "train_seconds": f"{result.seconds:.1f}",
        "genome": json.dumps(space.to_dict(genome), separators=(",", ":")),
    }
    return values


def read_rows(path: Path) -> list[Row]:
    """The rows of a table, none if it is not there.

    Raises:
        RunError: it has other columns.
    """
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise RunError(
                f"{path}: columns {', '.join(COLUMNS)} expected, got {reader.fieldnames}; choose another --out"
            )
    return rows


def _text(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_trained_on(dataset: Dataset) -> Dataset:
    """The data set without augmentation, which little training cannot use, and with part of its validation examples."""
    held = dataset.validation
    return replace(
        dataset,
        spec=replace(dataset.spec, augment=False),
        validation=Split(held.inputs[:N_VALIDATION], held.labels[:N_VALIDATION]),
    )


def _begun_with(config: Config, space: Space[Any], dataset: Dataset) -> dict[str, Any]:
    """What decides the rows, every option of the space included, and what they are computed with."""
    free = {"training.elites", "training.choice", "training.device", "training.threads"}
    settings = {
        "data.name": dataset.spec.name,
        "data.digest": dataset.digest,
        "data.n_train": len(dataset.train),
        "data.augment": dataset.spec.augment,
        "space.name": space.name,
        **{f"space.{option}": value for option, value in to_plain(space).items()},
        "evolution.seed": config.evolution.seed,
        "evaluation.time_steps": config.evaluation.time_steps,
    }
    settings |= {
        name: value
        for name, value in run_config.by_name(config).items()
        if name.startswith("training.") and name not in free
    }
    return {"settings": settings, "commit": commit(), **environment()}


@contextmanager
def _held(path: Path, begun_with: dict[str, Any]) -> Iterator[None]:
    """Hold the table for this process; `path` is its record, written when the table is begun.

    Raises:
        RunError: the table was begun with other settings or versions, has no record, or another process is at work on
            it.
    """
    if not path.is_file():
        if path.with_suffix(".csv").exists():
            raise RunError(
                f"{path} is not there, which says what the table was made with; choose another --out"
            )
        atomic_write(path, (json.dumps(begun_with, indent=1) + "\n").encode())
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another process is at work on the table of {path}; wait for it or stop it first"
            ) from None
        if changed := run_config.difference(_decisive(json.load(file)), _decisive(begun_with)):
            raise RunError(
                f"{path}: the table was begun with other settings: {'; '.join(changed)}; change them back or choose"
                " another --out"
            )
        yield


def _decisive(record: dict[str, Any]) -> dict[str, Any]:
    """What of a record must be as it was for rows to belong together, by name."""
    versions = {name: value for name, value in record.items() if name not in ("settings", "commit")}
    return {**record["settings"], **versions}


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, make the table; 2 after bad input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="TOML of a run; default: %(default)s")
    parser.add_argument("--out", type=Path, help="the table; default: a CSV beside the settings")
    parser.add_argument("--data-dir", help="folder that the data lie in; default: data")
    parser.add_argument("--genomes", type=int, default=150)
    parser.add_argument("--repeated", type=int, default=15, help="how many are trained twice")
    options = parser.parse_args(arguments)
    try:
        config = run_config.resolve(experiment=options.settings, flags={"data.root": options.data_dir})
        train_table(
            config,
            out=options.out or options.settings.with_suffix(".csv"),
            n_genomes=options.genomes,
            n_repeated=options.repeated,
            report=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except (EvonasError, GenomeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
