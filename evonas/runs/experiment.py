"""An experiment: a question as a TOML file, and the runs that answer it.

The file has a question, the figures that a paper reports, settings that all runs share, variants that differ in some of
them, and sizes; each size makes one run of each variant and seed. Later settings win: the preset of the data set,
`[settings]`, `[sizes.SIZE.settings]`, `[variants.NAME]`, the command line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evonas.errors import ConfigError, RunError
from evonas.runs.config import Config, assignment, flat, layered, read_toml
from evonas.runs.settings import shown
from genomes.registry import nearest

SCHEMA = 1
RECORD = "experiment.json"
ONLY_VARIANT = "main"
"""The variant of an experiment that names none."""

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

FOLDERS = (Path("experiments"), Path(__file__).resolve().parents[2] / "experiments")
"""Where experiments are looked up by name: from the present folder, and in the checkout that this file is in."""


@dataclass(frozen=True)
class Member:
    """One run of an experiment."""

    variant: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.variant}-seed{self.seed}"


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

    def to_json(self) -> bytes:
        """As `from_json` reads it."""
        return (json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n").encode()


@dataclass(frozen=True)
class Plan:
    """An experiment with the settings of each of its runs."""

    experiment: Experiment
    configs: Mapping[Member, Config]


def find(name: str) -> Path:
    """The file of an experiment: `name` is a path that ends in ``.toml``, or a name in `experiments/`.

    Raises:
        ConfigError: there is none of that name.
    """
    if name.endswith(".toml"):
        return Path(name).expanduser()
    known = {path.stem: path for folder in reversed(FOLDERS) for path in sorted(folder.rglob("*.toml"))}
    if name not in known:
        raise ConfigError(f"unknown experiment '{name}'; {nearest(name, sorted(known))}")
    return known[name]


def plan(path: Path, *, size: str, flags: Mapping[str, object], assignments: Sequence[str] = ()) -> Plan:
    """The runs of the experiment in the file `path`, in the order of its variants and then seeds.

    `flags` are settings from the command line by full name, `None` means not given; `assignments` are texts
    ``section.key=value``, as typed after ``--set``, and win.

    Raises:
        ConfigError: the file cannot be read or has no such size, or something in it is unknown or not legal.
    """
    content = read_toml(path)
    if "sizes" not in content:
        raise ConfigError(
            f"{path} is no experiment: it has no [sizes]; 'evonas evolve {path}' makes a run of settings"
        )
    top = _table(
        content, where=str(path), known=("question", "source", "reported", "settings", "variants", "sizes")
    )
    sizes = _table(top["sizes"], where=f"{path} [sizes]")
    if size not in sizes:
        raise ConfigError(f"{path} has no size '{size}'; {nearest(size, list(sizes))}")
    where = f"{path} [sizes.{size}]"
    chosen = _table(sizes[size], where=where, known=("seeds", "variants", "settings"))
    variants = _variants(top.get("variants", {ONLY_VARIANT: {}}), where=f"{path} [variants")
    members = tuple(
        Member(variant, seed)
        for variant in _chosen(chosen.get("variants", list(variants)), variants, where=where)
        for seed in _seeds(chosen.get("seeds"), where=where)
    )
    figures = _figures(top.get("reported", {}), where=f"{path} [reported]")
    of_the_only = {} if "variants" in top else figures
    experiment = Experiment(
        name=path.stem,
        size=size,
        question=_text(top, "question", where=path),
        source=_text(top, "source", where=path),
        reported={member.variant: {**of_the_only, **variants[member.variant].reported} for member in members},
        members=members,
        published=figures if "variants" in top else {},
    )
    shared = [
        _settings(top.get("settings", {}), where=f"{path} [settings]"),
        _settings(chosen.get("settings", {}), where=f"{where} settings"),
    ]
    given = {name: value for name, value in flags.items() if value is not None}
    assigned = _without_seed(dict(assignment(text) for text in assignments), where="--set")
    configs = {
        member: layered(
            [*shared, variants[member.variant].settings, given, assigned, {"evolution.seed": member.seed}]
        )
        for member in members
    }
    return Plan(experiment, configs)


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
        return Experiment(members=members, **content)
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


@dataclass(frozen=True)
class _Variant:
    settings: Mapping[str, object]
    reported: Mapping[str, str]


def _variants(content: object, *, where: str) -> dict[str, _Variant]:
    variants = {}
    for name, table in _table(content, where=f"{where}]").items():
        if not re.fullmatch(r"[\w.-]+", name):
            raise ConfigError(
                f"{where}]: a variant's name must be letters, digits, '_', '.', '-'; got '{name}'"
            )
        place = f"{where}.{name}]"
        sections = _table(table, where=place)
        figures = _figures(sections.pop("reported", {}), where=f"{place} reported")
        variants[name] = _Variant(_settings(sections, where=place), figures)
    if not variants:
        raise ConfigError(
            f"{where}]: at least one variant expected; leave the table out where nothing differs"
        )
    return variants


def _settings(content: object, *, where: str) -> dict[str, object]:
    return _without_seed(flat(_table(content, where=where), source=where), where=where)


def _without_seed(settings: dict[str, object], *, where: str) -> dict[str, object]:
    if "evolution.seed" in settings:
        raise ConfigError(f"{where}: evolution.seed is set by the seeds of each size; leave it out")
    return settings


def _figures(content: object, *, where: str) -> dict[str, str]:
    figures = _table(content, where=where, known=REPORTABLE)
    for name, value in figures.items():
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where}: {name} must be a text, as the paper has it; got {shown(value)}")
    return figures


def _chosen(names: object, variants: Mapping[str, _Variant], *, where: str) -> list[str]:
    if not isinstance(names, list) or not names or len({*map(str, names)}) < len(names):
        raise ConfigError(f"{where}: variants must be a list of names, each once; got {shown(names)}")
    for name in names:
        if name not in variants:
            raise ConfigError(f"{where}: unknown variant '{name}'; {nearest(str(name), list(variants))}")
    return names


def _seeds(seeds: object, *, where: str) -> Sequence[int]:
    legal = isinstance(seeds, list) and all(type(seed) is int and seed >= 0 for seed in seeds)
    if not isinstance(seeds, list) or not legal or not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"{where}: seeds must be a list of whole numbers, at least 0, each once; got {shown(seeds)}"
        )
    return seeds


def _text(top: Mapping[str, Any], key: str, *, where: Path) -> str:
    text = top.get(key)
    if not isinstance(text, str) or not text:
        raise ConfigError(f"{where}: '{key}' must be a text; got {shown(text)}")
    return text


def _table(content: object, *, where: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """`content` as a table with the keys `known`, or with any where none are given."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} must be a table; got {shown(content)}")
    for key in content:
        if known and key not in known:
            raise ConfigError(f"{where}: unknown key '{key}'; {nearest(str(key), list(known))}")
    return dict(content)
