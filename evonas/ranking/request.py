"""What is asked of a ranking."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evonas.errors import ConfigError
from evonas.ranking.table import ID


@dataclass(frozen=True)
class Request:
    """Which rows of a table are ranked by what, and where the answer goes.

    Attributes:
        table: a CSV file, or a folder in SpikeNAS-Bench's layout.
        proxies: names of objectives, several with + between them for their merger by rank; none at all ranks the
            baselines alone.
        columns: columns of the table that are ranked beside.
        only: conditions ``column=value`` on its rows.
        distinct: the column that says which rows are of one network.
        limit: how many of the architectures are scored, all if None.
        noise: how many are scored again with other first weights.
        predict: whether the predictor is tried.
        csv, report, figure: files to write, None for none.

    Raises:
        ConfigError: a number out of range, or a file in a folder that does not exist.
    """

    table: Path
    proxies: tuple[str, ...]
    columns: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    distinct: str = ID
    limit: int | None = None
    noise: int = 50
    predict: bool = False
    csv: Path | None = None
    report: Path | None = None
    figure: Path | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"--limit must be at least 1; got {self.limit}")
        if self.noise < 0:
            raise ConfigError(f"--noise must be at least 0; got {self.noise}")
        for option in ("csv", "report", "figure"):
            path = getattr(self, option)
            if path is not None and not path.parent.is_dir():
                raise ConfigError(f"--{option}: the folder {path.parent} does not exist; make it first")
            if path is not None and path.is_dir():
                raise ConfigError(f"--{option}: {path} is a folder; name a file")
