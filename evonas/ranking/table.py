"""A table of trained networks: read from a CSV or from SpikeNAS-Bench's folders, its networks recognised."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evonas.errors import ConfigError, DataError, DataMissingError
from genomes.architecture import Architecture
from genomes.errors import DisconnectedError, GenomeError
from genomes.registry import nearest
from genomes.space import Space

ACCURACY, ID = "test_acc", "architecture_id"
NETWORKS = ("cell", "genome")
"""The columns that can say which network a row is of: in the published notation of its space, or as JSON."""

MIN_NETWORKS = 3
"""Below that many networks there is no ranking to speak of."""

PROCESS = "train_process.txt"
"""What SpikeNAS-Bench calls the file of one network, in a folder that is named by the network's number."""

CODE_BASE, CODE_LENGTH = 5, 6
EPOCHS = (1, 5, 10, 20, 50)
"""After how many epochs the validation accuracy gets a column of its own, ``val_acc_10`` for instance."""

BASELINES: Mapping[str, Callable[[Architecture], int]] = {
    "parameters": lambda architecture: architecture.n_parameters,
    "macs": lambda architecture: architecture.macs_per_step,
    "chain_length": lambda architecture: architecture.chain_length,
    "live_convolutions": lambda architecture: architecture.n_convolutions,
}
"""What stands beside every proxy: counts of the architecture, for which no network is built."""


def load_table(path: Path) -> pd.DataFrame:
    """The rows of a CSV file or of a folder in SpikeNAS-Bench's layout: `cell` or `genome`, `test_acc`, and what else.

    `cell` and `genome` are text, `test_acc` is finite, other columns are numbers where all their entries are.

    Raises:
        DataMissingError: nothing is there.
        DataError: it cannot be read, a column is missing, or an accuracy is no number.
    """
    if path.is_dir():
        return _read_folder(path)
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise DataMissingError(f"table {path} does not exist") from None
    except OSError as error:
        raise DataError(f"table {path} cannot be read: {error.strerror}") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"table {path} is not a CSV: {' '.join(str(error).split())}") from None
    columns = list(text.columns)
    for needed in (NETWORKS, (ACCURACY,)):
        if not set(needed) & set(columns):
            raise DataError(
                f"table {path}: no column {' or '.join(map(repr, needed))}; it has {', '.join(columns)}"
            )
    kept = {name: column if name in NETWORKS else _numbers_if_all(column) for name, column in text.items()}
    table = pd.DataFrame(kept)
    table[ACCURACY] = numbers(table, ACCURACY)
    bad = np.flatnonzero(~np.isfinite(table[ACCURACY]))
    if len(bad):
        shown = text[ACCURACY].iloc[bad[0]]
        raise DataError(
            f"table {path}: {ACCURACY} of row {bad[0] + 1} is '{shown}', expected a finite number"
        )
    return table


def _numbers_if_all(column: pd.Series[str]) -> pd.Series[Any]:
    """The column as numbers, empty entries as NaN; as it is where an entry is no number, or a code like ``020000``."""
    found = pd.to_numeric(column, errors="coerce")
    is_text = (column != "") & (found.isna() | column.str.match(r"\s*0\d"))
    return column if is_text.any() else found


def numbers(table: pd.DataFrame, column: str) -> pd.Series[float]:
    """A column of `table` as numbers, NaN where it is empty.

    Raises:
        ConfigError: no such column, or it holds something else.
    """
    if column not in table.columns:
        raise ConfigError(f"table: unknown column '{column}'; {nearest(column, list(table.columns))}")
    entries = table[column]
    found = pd.to_numeric(entries, errors="coerce").astype(float)
    wrong = found.isna() & entries.notna() & (entries.astype(str) != "")
    if wrong.any():
        raise ConfigError(f"table: column '{column}' holds '{entries[wrong].iloc[0]}', expected numbers")
    return found


def only(table: pd.DataFrame, condition: str) -> pd.DataFrame:
    """The rows that meet a condition ``column=value``; numbers are compared as numbers.

    Raises:
        ConfigError: another form, an unknown column, or no row meets it.
    """
    column, equals, value = condition.partition("=")
    if not equals:
        raise ConfigError(f"--only must be COLUMN=VALUE, e.g. epochs=100; got '{condition}'")
    if column not in table.columns:
        raise ConfigError(f"--only: unknown column '{column}'; {nearest(column, list(table.columns))}")
    entries = table[column]
    try:
        wanted: object = float(value) if pd.api.types.is_numeric_dtype(entries) else value
    except ValueError:
        wanted = value
    kept = table[entries == wanted]
    if kept.empty:
        raise ConfigError(f"--only {condition}: no row of the table has that")
    return kept


def _read_folder(path: Path) -> pd.DataFrame:
    """The table of every network below `path`, by number."""
    files = [file for file in path.rglob(PROCESS) if file.parent.name.isdecimal()]
    if not files:
        raise DataError(f"table {path}: a folder without any <number>/{PROCESS}, as SpikeNAS-Bench has them")
    homes = {file.parent.parent for file in files}
    if len(homes) > 1:
        some = ", ".join(sorted(map(str, homes))[:4])
        raise DataError(f"table {path}: networks of several data sets; give the folder of one: {some}")
    return pd.DataFrame([_read_process(file) for file in sorted(files, key=lambda f: int(f.parent.name))])


def _read_process(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        number, parameters, accuracy, rates = (
            _entry(text, name)
            for name in ("architecture id", "model parameters", "test accuracy", "firing rate of layers")
        )
        header, *log = re.findall(r"^(?:epoch|\d[\d.]*),.*$", text, flags=re.MULTILINE) or [""]
        names = [name.strip() for name in header.split(",")]
        if "val_acc" not in names or not log:
            raise ValueError("no epoch with 'val_acc'")
        column = names.index("val_acc")
        validation = [float(line.split(",")[column]) for line in log]
        if int(number) != int(path.parent.name):
            raise ValueError(f"it is of architecture {number}")
        after = {f"val_acc_{n}": validation[n - 1] for n in EPOCHS if n <= len(validation)}
        return {
            "id": int(number),
            "cell": cell_code(int(number)),
            "params": int(parameters),
            "epochs": len(validation),
            **after,
            "val_acc_last": validation[-1],
            "val_acc_best": max(validation),
            ACCURACY: float(accuracy),
            "firing_rates": ";".join(rate.strip() for rate in rates.split(",")),
        }
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is not the log of a trained network ({reason}); fetch it anew") from None


def _entry(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.+?)\s*$", text, flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"no line '{name}'")
    return found[1]


def cell_code(number: int) -> str:
    """The cell that SpikeNAS-Bench calls `number`: its digits in base 5, the lowest first.

    >>> cell_code(10)
    '020000'

    Raises:
        ValueError: there is no such cell.
    """
    if not 0 <= number < CODE_BASE**CODE_LENGTH:
        raise ValueError(f"architecture {number} of {CODE_BASE**CODE_LENGTH}")
    return "".join(str(number // CODE_BASE**place % CODE_BASE) for place in range(CODE_LENGTH))


@dataclass(frozen=True)
class Networks:
    """The rows of a table with their `architecture_id`, empty where no path leads to the output, and baselines.

    Each architecture, and a genome of it, is there by its id.
    """

    rows: pd.DataFrame
    genomes: Mapping[str, Any]
    architectures: Mapping[str, Architecture]

    @property
    def n_disconnected(self) -> int:
        """Rows without a network."""
        return int((self.rows[ID] == "").sum())


def recognised(table: pd.DataFrame, space: Space[Any]) -> Networks:
    """The networks of `table` in `space`, with the baselines as columns.

    Raises:
        DataError: a cell or genome that is not of the space, or no row has a path to the output.
    """
    column = next(name for name in NETWORKS if name in table.columns)
    genomes: dict[str, Any] = {}
    architectures: dict[str, Architecture] = {}
    ids: dict[str, str] = {}
    for number, text in enumerate(table[column], start=1):
        if text in ids:
            continue
        try:
            genome = _genome(text, column, space)
            architecture = space.decode(genome)
        except DisconnectedError:
            ids[text] = ""
            continue
        except (GenomeError, ValueError) as error:
            raise DataError(
                f"row {number} of the table is not of space '{space.name}': {' '.join(str(error).split())}"
            ) from None
        ids[text] = architecture.id
        genomes.setdefault(architecture.id, genome)
        architectures[architecture.id] = architecture
    if not genomes:
        raise DataError("no network of the table has a path from input to output; there is nothing to rank")
    rows = table.assign(**{ID: table[column].map(ids)})
    counts = {
        name: {i: float(count(architecture)) for i, architecture in architectures.items()}
        for name, count in BASELINES.items()
    }
    return Networks(with_scores(rows, counts), genomes, architectures)


def _genome(text: str, column: str, space: Space[Any]) -> Any:
    if column == "cell":
        return space.from_text(text)
    # Not checked against the options of the space: those of a data set's preset narrow a search, not a table.
    try:
        record = json.loads(text)
    except ValueError:
        raise ValueError("its genome is not JSON") from None
    return space.from_dict(record)


def with_scores(rows: pd.DataFrame, scores: Mapping[str, Mapping[str, float | None]]) -> pd.DataFrame:
    """The rows with a column for each of `scores`, which are by architecture; NaN where there is none."""
    return rows.assign(**{name: rows[ID].map(by_id).astype(float) for name, by_id in scores.items()})


def answers(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """What is handed back for each row: its `cell` or `genome`, architecture, accuracy, and the columns `names`."""
    network = next(name for name in NETWORKS if name in rows.columns)
    return rows[[network, ID, ACCURACY, *names]]


def distinct(
    rows: pd.DataFrame, *, by: str = ID, scores: Sequence[str] = (), columns: Sequence[str] = ()
) -> pd.DataFrame:
    """One row for each network, named by its `by`: `n_trained` rows, accuracies and `columns` averaged.

    `scores` and the baselines are the same in all rows of a network and taken from the first. Rows without an
    architecture, or with an empty `by`, are left out.

    Raises:
        ConfigError: no such column.
    """
    if by not in rows.columns:
        raise ConfigError(f"--distinct: unknown column '{by}'; {nearest(by, list(rows.columns))}")
    known = rows[(rows[ID] != "") & rows[by].notna() & (rows[by].astype(str) != "")]
    groups = known.groupby(by, sort=False)
    # A mean of equal numbers can differ from them in the last place, which would break ties.
    found = groups[[*dict.fromkeys([*BASELINES, *scores])]].first()
    found[ID] = groups[ID].first()
    for name in (ACCURACY, *columns):
        found[name] = known.assign(**{name: numbers(known, name)}).groupby(by, sort=False)[name].mean()
    return found.assign(n_trained=groups.size())
