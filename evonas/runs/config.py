"""The settings of a run: frozen, checked, resolved from defaults, preset, experiment file and command line.

Later sources win: the defaults below, the preset of the data set (`presets/<name>.toml`), the experiment's TOML, the
flags of the command line, ``--set section.key=value``. Names of data sets, spaces, strategies and objectives are looked
up in their registries by the pipeline; everything else is checked here, before anything is touched.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evonas.errors import ConfigError
from evonas.runs.settings import Limits, checked, checked_option, limits_of, shown, typed
from genomes.registry import nearest

MOST_WORKERS_BY_DEFAULT = 8  # each worker is a process with its own torch, about 0.4 GB


FITNESS = "rdm_geometry"
"""The engine's fitness: the proxy that leads a search whose settings name none."""


def usable_cores() -> int:
    """The processor cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default_workers() -> int:
    return min(usable_cores(), MOST_WORKERS_BY_DEFAULT)


def _setting(default: object, **limits: Any) -> Any:
    """A dataclass field with a default and `Limits(**limits)`."""
    return field(default=default, metadata={"limits": Limits(**limits)})


@dataclass(frozen=True)
class Data:
    """What the networks see: a data set by name, or the path of an `.npz` file; `root` is the folder it lies in.

    The frames of recorded events last equally long or hold equally many, as `framing` says; `n_train`, `n_validation`
    and `n_test` are the numbers of examples, all of them if None.
    """

    name: str = "digits"
    root: str | None = None
    framing: str = _setting("time", choices=("time", "count"))
    n_train: int | None = _setting(None, least=2)
    n_validation: int | None = _setting(None, least=1)
    n_test: int | None = _setting(None, least=1)


@dataclass(frozen=True)
class Space:
    """Which genomes exist: a search space by name, and the options it takes."""

    name: str = "evonas"
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Evolution:
    """How genomes are proposed and compared; each `max_<objective>` is a hard constraint on that objective.

    `initial` are saved genomes that come first in generation 0: names in the library, or files. `lag` is how many
    proposals the strategy steady_state keeps under way, `population` if None; others take none.

    Raises:
        ConfigError: more initial genomes than the population has places.
    """

    strategy: str = "nsga2"
    lag: int | None = _setting(None, least=1)
    population: int = _setting(24, least=2)
    generations: int = _setting(10, least=0)
    seed: int = _setting(0, least=0)
    objectives: tuple[str, ...] = _setting((FITNESS, "parameters", "energy_nj"), least=1)
    initial: tuple[str, ...] = ()
    max_parameters: int | None = _setting(None, least=1)
    max_energy_nj: float | None = _setting(None, above=0)
    max_memory_mb: float | None = _setting(None, above=0)

    @property
    def limits(self) -> dict[str, float]:
        """The largest legal value by name of the objective that it holds for; those without limit are left out."""
        settings = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            name.removeprefix("max_"): float(value)
            for name, value in settings.items()
            if name.startswith("max_") and value is not None
        }

    def __post_init__(self) -> None:
        if len(self.initial) > self.population:
            raise ConfigError(
                f"evolution.initial names {len(self.initial)} genomes for the {self.population} places of"
                " evolution.population; name fewer or give more places"
            )


@dataclass(frozen=True)
class Evaluation:
    """How a genome is measured, and on what; `timeout_s` is per evaluation, `address` a running Ray cluster."""

    executor: str = _setting("ray", choices=("ray", "serial"))
    workers: int = field(default_factory=_default_workers, metadata={"limits": Limits(least=1)})
    batch: int = _setting(64, least=2)
    time_steps: int = _setting(4, least=2)
    timeout_s: float = _setting(300.0, above=0)
    address: str | None = None


@dataclass(frozen=True)
class Training:
    """How elites are trained: `elites` of them at the end of a run, the first of them the `choice`: the knee of the
    front, or the one best in the first objective; `surrogate` is the gradient that stands in for a
    spike's; `amp` is mixed precision, on CUDA and on processors that compute in bfloat16; `threads` are those of torch,
    all cores if None."""

    elites: int = _setting(1, least=0)
    choice: str = _setting("knee", choices=("knee", "best"))
    epochs: int = _setting(30, least=1)
    batch: int = _setting(128, least=2)
    optimizer: str = _setting("adamw", choices=("adamw", "sgd"))
    learning_rate: float = _setting(2e-3, above=0)
    weight_decay: float = _setting(0.01, least=0)
    label_smoothing: float = _setting(0.1, least=0, below=1)
    surrogate: str = _setting("arctan", choices=("arctan", "rectangle", "sigmoid", "triangle"))
    device: str = _setting("cpu", choices=("cpu", "cuda"))
    amp: bool = True
    threads: int | None = _setting(None, least=1)


@dataclass(frozen=True)
class Config:
    """All settings of a run, complete and checked."""

    data: Data = field(default_factory=Data)
    space: Space = field(default_factory=Space)
    evolution: Evolution = field(default_factory=Evolution)
    evaluation: Evaluation = field(default_factory=Evaluation)
    training: Training = field(default_factory=Training)


SECTIONS: dict[str, type] = {
    "data": Data,
    "space": Space,
    "evolution": Evolution,
    "evaluation": Evaluation,
    "training": Training,
}

# What a resumed run may change: how long it goes on, where and how fast it is computed, and how elites are trained.
FREE_ON_RESUME = frozenset(
    {
        "data.root",
        "evolution.initial",  # the names; what they stand for is recorded, and may not change
        "evolution.generations",
        "evaluation.executor",
        "evaluation.workers",
        "evaluation.timeout_s",
        "evaluation.address",
    }
)


def resolve(
    *,
    experiment: Path | None = None,
    flags: Mapping[str, object] | None = None,
    assignments: Sequence[str] = (),
) -> Config:
    """The settings of a run from all sources, later ones winning.

    Args:
        experiment: a TOML file with the sections data, space, evolution, evaluation, training.
        flags: values from the command line by full name, e.g. ``{"evolution.seed": 3}``; `None` means not given.
        assignments: texts ``section.key=value``, as typed after ``--set``.

    >>> resolve(flags={"evolution.seed": 3}, assignments=["evolution.population=8"]).evolution.population
    8

    Raises:
        ConfigError: a setting that is unknown, of the wrong type or out of range; a file that is not TOML.
    """
    layers: list[Mapping[str, object]] = []
    if experiment is not None:
        content = read_toml(experiment)
        if "sizes" in content:
            raise ConfigError(
                f"{experiment} is an experiment, several runs and their table; type 'evonas experiment {experiment}'"
            )
        layers.append(flat(content, source=str(experiment)))
    layers.append({name: value for name, value in (flags or {}).items() if value is not None})
    layers.append(dict(assignment(text) for text in assignments))
    return layered(layers)


def layered(layers: Sequence[Mapping[str, object]]) -> Config:
    """The settings from layers of values by full name, later ones winning, on top of the preset of their data set.

    Options of the space in the preset are for the space of the preset alone.

    Raises:
        ConfigError: as in `resolve`.
    """
    data_name, space_name = (
        next((layer[name] for layer in reversed(layers) if name in layer), default)
        for name, default in (("data.name", Data.name), ("space.name", None))
    )
    preset = _preset(data_name)
    if space_name not in (None, preset.get("space.name", Space.name)):
        preset = {name: value for name, value in preset.items() if not name.startswith("space.")}
    return _build([preset, *layers])


def to_dict(config: Config) -> dict[str, dict[str, object]]:
    """`config` as JSON-able data, by section; the options of the space stand beside its name."""
    sections: dict[str, dict[str, object]] = {}
    for section in SECTIONS:
        part = getattr(config, section)
        values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.name != "options"}
        values.update(getattr(part, "options", {}))
        sections[section] = {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
    return sections


def from_dict(sections: Mapping[str, object]) -> Config:
    """The inverse of `to_dict`, with the checks of `resolve`.

    Raises:
        ConfigError: as in `resolve`.
    """
    return _build([flat(sections, source="config.json")])


def override(config: Config, flags: Mapping[str, object]) -> Config:
    """`config` with the settings in `flags` replaced; `None` means not given.

    >>> override(Config(), {"evaluation.workers": 3, "evolution.seed": None}).evaluation.workers
    3

    Raises:
        ConfigError: as in `resolve`.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    return _build([flat(to_dict(config), source="config.json"), given])


def by_name(config: Config) -> dict[str, object]:
    """All settings by full name, as JSON-able data."""
    return {
        f"{section}.{key}": value
        for section, values in to_dict(config).items()
        for key, value in values.items()
    }


def matters(config: Config) -> dict[str, object]:
    """The settings that decide what a run finds, by full name; a resumed run must have them unchanged."""
    return {
        name: value
        for name, value in by_name(config).items()
        if not name.startswith("training.") and name not in FREE_ON_RESUME
    }


def difference(was: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """One line for each setting that two results of `matters` disagree about.

    >>> difference({"evolution.seed": 0}, {"evolution.seed": 1})
    ['evolution.seed: was 0, is 1']
    """
    names = list(was) + [name for name in now if name not in was]
    return [
        f"{name}: was {shown(was.get(name))}, is {shown(now.get(name))}"
        for name in names
        if was.get(name) != now.get(name)
    ]


def _build(layers: Sequence[Mapping[str, object]]) -> Config:
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    options: dict[str, object] = {}
    for layer in layers:
        for name, value in layer.items():
            section, key = _split(name)
            if section == "space" and key != "name":
                options[key] = checked_option(name, value)
            else:
                values[section][key] = checked(
                    name,
                    value,
                    annotation=_annotations(section)[key],
                    limits=limits_of(_fields(section)[key]),
                )
    if options:
        values["space"]["options"] = MappingProxyType(options)
    return Config(**{section: kind(**values[section]) for section, kind in SECTIONS.items()})


def _fields(section: str) -> dict[str, dataclasses.Field[Any]]:
    return {f.name: f for f in dataclasses.fields(SECTIONS[section]) if f.name != "options"}


def _annotations(section: str) -> dict[str, object]:
    return typing.get_type_hints(SECTIONS[section])


def _split(name: str) -> tuple[str, str]:
    """Section and key of a full name; the space takes options of its own, so any key is let through there."""
    section, _, key = name.partition(".")
    if section not in SECTIONS:
        raise ConfigError(
            f"unknown section '{section}' of setting '{name}'; {nearest(section, list(SECTIONS))}"
        )
    if not key or (section != "space" and key not in _fields(section)):
        known = [f"{section}.{k}" for k in _fields(section)]
        raise ConfigError(f"unknown setting '{name}'; {nearest(name, known)}")
    return section, key


def assignment(text: str) -> tuple[str, object]:
    """Full name and value of a setting, from a text ``section.key=value``.

    >>> assignment("evolution.population=20")
    ('evolution.population', 20)

    Raises:
        ConfigError: another form, or an unknown setting.
    """
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or "." not in name or not value:
        raise ConfigError(f"--set must be section.key=value, e.g. evolution.population=20; got '{text}'")
    section, key = _split(name)
    return name, typed(value, annotation=_annotations(section).get(key))


def flat(sections: Mapping[str, object], *, source: str) -> dict[str, object]:
    """The values of `sections` by full name; `source` is named in errors.

    Raises:
        ConfigError: an unknown section, or something else than a section.
    """
    values_by_name: dict[str, object] = {}
    for section, values in sections.items():
        if section not in SECTIONS:
            raise ConfigError(f"unknown section [{section}] in {source}; {nearest(section, list(SECTIONS))}")
        if not isinstance(values, Mapping):
            raise ConfigError(f"[{section}] in {source} must be a section with settings; got {shown(values)}")
        values_by_name.update({f"{section}.{key}": value for key, value in values.items()})
    return values_by_name


def read_toml(path: Path) -> dict[str, object]:
    """The content of an experiment file.

    Raises:
        ConfigError: it does not exist, cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"experiment file {path} does not exist") from None
    except OSError as error:
        raise ConfigError(f"experiment file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"experiment file {path} is not TOML: {reason}") from None


def _preset(data_name: object) -> dict[str, object]:
    """The preset of a data set, empty where there is none (a user's own file)."""
    presets = resources.files("evonas.runs") / "presets"
    names = [entry.name for entry in presets.iterdir()]
    if f"{data_name}.toml" not in names:
        return {}
    text = (presets / f"{data_name}.toml").read_text(encoding="utf-8")
    return flat(tomllib.loads(text), source=f"the preset of {data_name}")
