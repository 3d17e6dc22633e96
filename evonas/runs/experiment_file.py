"""An experiment: a question as a TOML file, and the runs that answer it.

The file has a question, the figures that a paper reports, settings that all runs share, variants that differ in some of
them, and sizes; each size makes one run of each variant and seed. Later settings win: the preset of the data set,
`[settings]`, `[sizes.SIZE.settings]`, `[variants.NAME]`, the command line. A variant ``of`` another experiment is that
experiment's, its runs are those of its folder; one with a table ``ranking`` searches nothing, but ranks proxies against
a table of trained networks. What is measured beside, and which networks are compared in what, stands
in `measures` and `[[comparisons]]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from evonas.errors import ConfigError
from evonas.runs import comparison
from evonas.runs.comparison import Comparison
from evonas.runs.config import Config, assignment, flat, layered, read_toml
from evonas.runs.experiment import FROM_VARIANT, REPORTABLE, Experiment, Member, Plan, Ranking, taken_over
from evonas.runs.settings import shown
from genomes.registry import nearest

ONLY_VARIANT = "main"
"""The variant of an experiment that names none."""

FOLDERS = (Path("experiments"), Path(__file__).resolve().parents[2] / "experiments")
"""Where experiments are looked up by name: from the present folder, and in the checkout that this file is in."""


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
    given = {name: value for name, value in flags.items() if value is not None}
    assigned = _without_seed(dict(assignment(text) for text in assignments), where="--set")
    asked = _planned(path, size=size, flags=given, assigned=assigned)
    names = dict.fromkeys(member.of for member in asked.experiment.members if member.of)
    lenders = {
        name: _planned(_beside(path, name), size=size, flags=given, assigned=assigned).experiment
        for name in names
    }
    return replace(asked, lenders=lenders)


def _planned(path: Path, *, size: str, flags: Mapping[str, object], assigned: Mapping[str, object]) -> Plan:
    """The plan of one experiment without those of its lenders, which may share its variants in turn."""
    file = _read(path, size=size)
    top, chosen, variants, where = file.top, file.chosen, file.variants, file.where
    members = tuple(
        Member(variant, seed, of=variants[variant].of)
        for variant in _chosen(chosen.get("variants", list(variants)), variants, where=where)
        for seed in _seeds(chosen.get("seeds"), where=where)
    )
    lenders = {
        name: _read(_beside(path, name), size=size) for name in dict.fromkeys(m.of for m in members if m.of)
    }
    configs = {
        member: (lenders[member.of] if member.of else file).config(member, flags=flags, assigned=assigned)
        for member in members
    }
    _check_sources(configs, where=str(path))
    comparisons = _comparisons(top.get("comparisons", []), where=str(path))
    _check_arms(comparisons, [*variants, *_initial_names(configs.values())], where=str(path))
    left_out = set(variants) - {member.variant for member in members}
    experiment = Experiment(
        name=path.stem,
        size=size,
        question=_text(top, "question", where=path),
        source=_text(top, "source", where=path),
        reported={member.variant: file.reported(member.variant) for member in members},
        members=members,
        published=file.figures if "variants" in top else {},
        cost=_text(chosen, "cost", where=where) if "cost" in chosen else "",
        measures=_names(top.get("measures", []), where=f"{path}: measures"),
        comparisons=tuple(c for c in comparisons if left_out.isdisjoint(map(_variant_of, c.arms))),
    )
    rankings = {
        member: replace(ranking, limit=chosen.get("limit"))
        for member in members
        if (ranking := variants[member.variant].ranking) is not None
    }
    return Plan(experiment, configs, rankings=rankings, file=path)


@dataclass(frozen=True)
class _Variant:
    settings: Mapping[str, object]
    reported: Mapping[str, str]
    of: str = ""
    ranking: Ranking | None = None


@dataclass(frozen=True)
class _File:
    """The file of an experiment as far as one of its sizes is concerned."""

    top: Mapping[str, Any]
    chosen: Mapping[str, Any]
    variants: Mapping[str, _Variant]
    where: str
    source: str

    @property
    def figures(self) -> dict[str, str]:
        """The figures of one model that are in the paper."""
        return _figures(self.top.get("reported", {}), where=f"{self.source} [reported]")

    def reported(self, variant: str) -> dict[str, str]:
        """The figures of the paper on a variant."""
        return {**({} if "variants" in self.top else self.figures), **self.variants[variant].reported}

    def config(
        self, member: Member, *, flags: Mapping[str, object], assigned: Mapping[str, object]
    ) -> Config:
        """The settings of one run."""
        if member.variant not in self.variants or self.variants[member.variant].of:
            own = [name for name, variant in self.variants.items() if not variant.of]
            raise ConfigError(
                f"{self.source} has no variant '{member.variant}' of its own; {nearest(member.variant, own)}"
            )
        if member.of and self.variants[member.variant].ranking:
            raise ConfigError(
                f"{self.source} [variants.{member.variant}] is a ranking, which is not shared; repeat it"
            )
        shared = [
            _settings(self.top.get("settings", {}), where=f"{self.source} [settings]"),
            _settings(self.chosen.get("settings", {}), where=f"{self.where} settings"),
        ]
        seed = {"evolution.seed": member.seed}
        return layered([*shared, self.variants[member.variant].settings, flags, assigned, seed])


def _read(path: Path, *, size: str) -> _File:
    content = read_toml(path)
    if "sizes" not in content:
        raise ConfigError(
            f"{path} is no experiment: it has no [sizes]; 'evonas evolve {path}' makes a run of settings"
        )
    known = ("question", "source", "reported", "measures", "comparisons", "settings", "variants", "sizes")
    top = _table(content, where=str(path), known=known)
    sizes = _table(top["sizes"], where=f"{path} [sizes]")
    if size not in sizes:
        raise ConfigError(f"{path} has no size '{size}'; {nearest(size, list(sizes))}")
    where = f"{path} [sizes.{size}]"
    chosen = _table(sizes[size], where=where, known=("seeds", "variants", "cost", "limit", "settings"))
    limit = chosen.get("limit")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ConfigError(f"{where}: limit must be a whole number, at least 1; got {shown(limit)}")
    variants = _variants(top.get("variants", {ONLY_VARIANT: {}}), where=f"{path} [variants")
    return _File(top, chosen, variants, where=where, source=str(path))


def _beside(path: Path, name: str) -> Path:
    """The file of the experiment `name`: in the folder of the one at `path`, else wherever it is found."""
    sibling = path.with_name(f"{name}.toml")
    return sibling if sibling.is_file() else find(name)


def _check_sources(configs: Mapping[Member, Config], *, where: str) -> None:
    """Refuse initial genomes of a variant that has not been run by then."""
    before: list[tuple[str, int]] = []
    for member, config in configs.items():
        for text in taken_over(config):
            variant = text.removeprefix(FROM_VARIANT)
            if (variant, member.seed) not in before:
                names = list(dict.fromkeys(name for name, seed in before if seed == member.seed))
                raise ConfigError(
                    f"{where} [variants.{member.variant}]: evolution.initial: '{text}' is none of the variants above;"
                    f" {nearest(variant, names)}"
                )
        before.append((member.variant, member.seed))


def _variants(content: object, *, where: str) -> dict[str, _Variant]:
    variants = {}
    for name, table in _table(content, where=f"{where}]").items():
        if not re.fullmatch(r"[\w.-]+", name):
            raise ConfigError(
                f"{where}]: a variant's name must be letters, digits, '_', '.', '-'; got '{name}'"
            )
        place = f"{where}.{name}]"
        sections = _table(table, where=place)
        of = _text(sections, "of", where=place) if "of" in sections else ""
        if of and len(sections) > 1:
            raise ConfigError(f"{place}: a variant of '{of}' is set there; leave everything but 'of' out")
        figures = _figures(sections.pop("reported", {}), where=f"{place} reported")
        ranking = (
            _ranking(sections.pop("ranking"), where=f"{place} ranking") if "ranking" in sections else None
        )
        settings = {} if of else _settings(sections, where=place)
        variants[name] = _Variant(settings, figures, of, ranking)
    if not variants:
        raise ConfigError(
            f"{where}]: at least one variant expected; leave the table out where nothing differs"
        )
    return variants


def _comparisons(content: object, *, where: str) -> tuple[Comparison, ...]:
    if not isinstance(content, list):
        raise ConfigError(f"{where}: comparisons must be tables [[comparisons]]; got {shown(content)}")
    return tuple(
        comparison.from_table(table, where=f"{where} [[comparisons]] {i}")
        for i, table in enumerate(content, start=1)
    )


def _check_arms(comparisons: Sequence[Comparison], known: Sequence[str], *, where: str) -> None:
    """Refuse a comparison of what is neither a variant nor a network that is named."""
    for arm in (arm for asked in comparisons for arm in asked.arms):
        if _variant_of(arm) not in known:
            raise ConfigError(
                f"{where}: comparisons: unknown '{arm}'; {nearest(_variant_of(arm), list(known))}"
            )


def _variant_of(arm: str) -> str:
    """The part of the name of a network that may be a variant."""
    return arm.split("/")[0]


def _initial_names(configs: Iterable[Config]) -> list[str]:
    """What the initial genomes are called in tables."""
    return [Path(text).stem for config in configs for text in config.evolution.initial]


def _names(content: object, *, where: str) -> tuple[str, ...]:
    if not isinstance(content, list) or not all(isinstance(name, str) and name for name in content):
        raise ConfigError(f"{where} must be a list of names; got {shown(content)}")
    return tuple(content)


def _ranking(content: object, *, where: str) -> Ranking:
    known = [field.name for field in fields(Ranking) if field.name != "limit"]
    values = _table(content, where=where, known=known)
    texts = {name: _text(values, name, where=where) for name in ("table", "distinct") if name in values}
    if "table" not in texts:
        raise ConfigError(f"{where}: the table to rank against is missing; name it as table")
    lists = {
        name: _names(values.get(name, []), where=f"{where}: {name}")
        for name in ("proxies", "columns", "only")
    }
    return Ranking(**texts, **lists)  # type: ignore[arg-type]  # keys are checked above


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


def _text(top: Mapping[str, Any], key: str, *, where: Path | str) -> str:
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
