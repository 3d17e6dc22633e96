"""An experiment as a value: a question, the runs that answer it, and what is compared; and its record in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evonas.errors import RunError
from evonas.runs import comparison
from evonas.runs.comparison import Comparison
from evonas.runs.config import Config

SCHEMA = 1
RECORD = "experiment.json"
RANKED = "ranking.json"
"""How the report of a ranking ends, beside the folder of its scores."""

REPORTABLE = (
    "test_accuracy",
    "parameters",
    "memory_mb",
    "energy_nj",
    "firing_rate",
    "search_seconds",
    "evaluations",
)
"""The columns of the table that a paper may have a figure for."""

FROM_VARIANT = "@"
"""What stands before the name of a variant in `evolution.initial`: the first network it found with the same seed."""

FOUND = "found"
"""The folder of an experiment that keeps the genomes which one variant takes over from another."""


@dataclass(frozen=True)
class Member:
    """One run of an experiment; `of` names the experiment that it belongs to, where that is another one."""

    variant: str
    seed: int
    of: str = ""

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.variant}-seed{self.seed}"


@dataclass(frozen=True)
class Ranking:
    """Proxies against a table of trained networks, as `evonas rank` has it.

    `table` is relative to the file of the experiment, or to the folder of the data sets.
    """

    table: str
    proxies: tuple[str, ...]
    columns: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    distinct: str = "architecture_id"
    limit: int | None = None


@dataclass(frozen=True)
class Experiment:
    """What is asked, and which runs answer it.

    The figures of a paper are texts by column: `reported` by variant, `published` those of one model that is none of
    the variants.
    """

    name: str
    size: str
    question: str
    source: str
    reported: Mapping[str, Mapping[str, str]]
    members: tuple[Member, ...]
    published: Mapping[str, str] = field(default_factory=dict)
    cost: str = ""
    """What a size costs that was not run, in words."""
    measures: tuple[str, ...] = ()
    """What is measured of every trained network beside; names of `evonas.measurements`."""
    comparisons: tuple[Comparison, ...] = ()
    """The first gives the verdict on the claim."""

    def folder(self, member: Member, *, path: Path) -> Path:
        """The folder of a run of this experiment, whose own folder is `path`."""
        home = path.absolute().parent / f"{member.of}-{self.size}" if member.of else path
        return home / member.name

    def to_json(self) -> bytes:
        """As `from_json` reads it."""
        return (json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n").encode()


@dataclass(frozen=True)
class Plan:
    """An experiment with the settings of each of its runs."""

    experiment: Experiment
    configs: Mapping[Member, Config]
    lenders: Mapping[str, Experiment] = field(default_factory=dict)
    """The experiments whose variants this one shares, by name."""
    rankings: Mapping[Member, Ranking] = field(default_factory=dict)
    """The runs that rank instead of searching."""
    file: Path = Path()
    """The file that all this stands in."""


def from_json(path: Path) -> Experiment:
    """The experiment whose record is in the file `path`.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        if content.pop("schema") != SCHEMA:
            raise RunError(f"{path} has another schema than {SCHEMA}, which is the one this version reads")
        members = tuple(Member(**member) for member in content.pop("members"))
        comparisons = tuple(comparison.from_dict(values) for values in content.pop("comparisons", ()))
        measures = tuple(content.pop("measures", ()))
        return Experiment(members=members, comparisons=comparisons, measures=measures, **content)
    except OSError:
        raise RunError(
            f"nothing to read in {path.parent}: it has no {path.name}, so no experiment was started in it"
        ) from None
    except RunError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RunError(
            f"{path} is not the record of an experiment; run the experiment again to renew it"
        ) from None


def taken_over(config: Config) -> list[str]:
    """The initial genomes that are those of another variant."""
    return [text for text in config.evolution.initial if text.startswith(FROM_VARIANT)]
