from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.data import FRAMINGS
from evonas.errors import ConfigError
from evonas.runs import config as run_config
from evonas.runs.config import (
    FITNESS,
    Config,
    by_name,
    difference,
    from_dict,
    matters,
    override,
    resolve,
    to_dict,
)
from evonas.snn.surrogates import SURROGATES


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    experiment = write(tmp_path / "e.toml", "[evolution]\npopulation = 8\ngenerations = 3\nseed = 1\n")
    config = resolve(
        experiment=experiment,
        flags={"evolution.generations": 4, "evolution.seed": 2, "space.name": None},
        assignments=["evolution.seed=3"],
    )
    assert (config.evolution.population, config.evolution.generations, config.evolution.seed) == (8, 4, 3)
    assert config.evaluation.batch == 64
    assert config.space.name == "evonas"


@pytest.mark.parametrize("source", ["experiment", "flags", "assignments"])
def test_the_preset_is_that_of_the_data_set_named_by_any_source(source: str, tmp_path: Path) -> None:
    if source == "experiment":
        config = resolve(experiment=write(tmp_path / "e.toml", '[data]\nname = "cifar10"\n'))
    elif source == "flags":
        config = resolve(flags={"data.name": "cifar10"})
    else:
        config = resolve(assignments=["data.name=cifar10"])
    assert config.training.elites == 0
    assert resolve().training.elites == 1


def test_a_data_file_of_ones_own_gets_the_defaults() -> None:
    assert resolve(flags={"data.name": "my/../digits.npz"}).evolution == Config().evolution


@pytest.mark.parametrize("name", ["digits", "cifar10", "fashion_mnist", "nmnist", "dvs128_objects"])
def test_every_preset_is_legal_and_meets_the_floor_of_the_protocol(name: str) -> None:
    config = resolve(flags={"data.name": name})
    assert config.evaluation.batch >= 64
    assert config.evaluation.time_steps >= 4


def test_options_of_the_space_are_let_through_with_lists_as_tuples() -> None:
    config = resolve(assignments=["space.base_width=8", "space.models=['if', 'lif']", "space.style=plain"])
    assert dict(config.space.options) == {"base_width": 8, "models": ("if", "lif"), "style": "plain"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[]", ()),
        ("a", ("a",)),
        ("[a,b]", ("a", "b")),
        ('["a"]', ("a",)),
        ("[~/g-1.json, b]", ("~/g-1.json", "b")),
    ],
)
def test_initial_genomes_are_a_list_of_names_and_files_that_may_be_empty(
    text: str, names: tuple[str, ...]
) -> None:
    config = resolve(assignments=[f"evolution.initial={text}"])
    assert config.evolution.initial == names
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_more_initial_genomes_than_the_population_has_places_are_refused() -> None:
    given = ["evolution.population=2", "evolution.initial=a,b,c"]
    with pytest.raises(ConfigError, match=r"evolution\.initial names 3 genomes for the 2 places"):
        resolve(assignments=given)


def test_the_preset_has_options_for_its_own_space_alone() -> None:
    assert resolve(flags={"data.name": "cifar10", "space.name": "evonas"}).space.options["min_stages"] == 3
    other = resolve(flags={"data.name": "cifar10", "space.name": "other"}, assignments=["space.depth=2"])
    assert (other.space.name, dict(other.space.options)) == ("other", {"depth": 2})
    assert other.training.epochs == resolve(flags={"data.name": "cifar10"}).training.epochs


@pytest.mark.parametrize(
    ("assignment", "parts"),
    [
        ("evolution.population=1", ("evolution.population", "at least 2", "got 1")),
        ("evolution.lag=0", ("evolution.lag", "at least 1", "'none'", "got 0")),
        ("evolution.lag=2.5", ("evolution.lag", "whole number", "2.5")),
        ("evolution.population=many", ("evolution.population", "whole number", "'many'")),
        ("evolution.population=2.0", ("whole number", "2.0")),
        ("evolution.population=true", ("whole number", "true")),
        ("evolution.generations=-1", ("evolution.generations", "at least 0", "-1")),
        ("evaluation.workers=0", ("evaluation.workers", "at least 1", "0")),
        ("evaluation.time_steps=1", ("evaluation.time_steps", "at least 2")),
        ("evaluation.timeout_s=0", ("above 0",)),
        ("evaluation.timeout_s=nan", ("a number", "nan")),
        ("evaluation.timeout_s=inf", ("a number", "inf")),
        ("evaluation.executor=rays", ("one of ray, serial", "'rays'")),
        ("evolution.max_energy_nj=0", ("above 0", "or 'none'")),
        ("evolution.objectives=", ("section.key=value",)),
        ("evolution.objectives=[]", ("list of names", "[]")),
        ("evolution.objectives=rdm,rdm", ("each once",)),
        ("evolution.objectives=[1]", ("list of names",)),
        ("evolution.initial=[3]", ("evolution.initial must be a list of names",)),
        ("evolution.initial=a,a", ("each once",)),
        ("training.label_smoothing=1", ("below 1",)),
        ("training.device=cuda:0", ("cpu, cuda",)),
        ("training.surrogate=arctangent", ("one of arctan, rectangle, sigmoid, triangle", "'arctangent'")),
        ("data.framing=space", ("data.framing", "one of time, count", "'space'")),
        ("data.n_train=1", ("data.n_train", "at least 2", "or 'none'")),
        ("training.amp=1", ("true or false",)),
        ("training.learning_rate=1" + "0" * 400, ("training.learning_rate", "a number")),
        ("evolution.poplation=3", ("unknown setting", "did you mean 'evolution.population'")),
        ("evoluton.population=3", ("unknown section", "did you mean 'evolution'")),
        ("population=3", ("section.key=value", "'population=3'")),
        ("evolution.population", ("section.key=value",)),
        ("space.when=2026-01-01", ("space.when", "a number, a word")),
    ],
)
def test_a_bad_setting_is_one_line_with_name_expectation_and_value(
    assignment: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(assignments=[assignment])
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[evolution\n", "is not TOML"),
        ("seed = 3\n", "unknown section [seed]"),
        ("evolution = 3\n", "must be a section"),
        ("[evolution.deep]\nseed = 1\n", "unknown setting 'evolution.deep'"),
    ],
)
def test_a_bad_experiment_file_is_one_line(text: str, part: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(experiment=write(tmp_path / "e.toml", text))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_experiment_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml does not exist"):
        resolve(experiment=tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve(experiment=tmp_path)


def test_an_optional_setting_can_be_unset_by_the_word_none() -> None:
    config = resolve(flags={"evolution.max_parameters": 10}, assignments=["evolution.max_parameters=none"])
    assert config.evolution.max_parameters is None


def test_scientific_notation_is_a_number_and_a_whole_one_becomes_a_float() -> None:
    config = resolve(assignments=["training.learning_rate=1e-3", "evaluation.timeout_s=5"])
    assert config.training.learning_rate == 0.001
    assert isinstance(config.evaluation.timeout_s, float)


@given(
    seed=st.integers(0, 2**63),
    rate=st.floats(1e-12, 1e3),
    limit=st.none() | st.integers(1, 10**12),
    width=st.integers(),
    words=st.lists(st.text(min_size=1)),
)
def test_the_resolved_settings_survive_json(
    seed: int, rate: float, limit: int | None, width: int, words: list[str]
) -> None:
    flags = {"evolution.seed": seed, "training.learning_rate": rate, "evolution.max_parameters": limit}
    config = resolve(flags={**flags, "space.base_width": width, "space.words": words})
    assert from_dict(json.loads(json.dumps(to_dict(config)))) == config


def test_override_replaces_what_is_given_and_checks_it() -> None:
    config = resolve(assignments=["space.base_width=8"])
    changed = override(config, {"evolution.generations": 99, "evaluation.workers": None})
    assert changed == dataclasses.replace(
        config, evolution=dataclasses.replace(config.evolution, generations=99)
    )
    with pytest.raises(ConfigError, match=r"evaluation\.workers"):
        override(config, {"evaluation.workers": 0})


@pytest.mark.parametrize(
    "assignment",
    [
        "data.root=elsewhere",
        "evolution.generations=99",
        "evaluation.executor=serial",
        "evaluation.workers=7",
        "evaluation.timeout_s=9",
        "evaluation.address=auto",
        "training.epochs=3",
    ],
)
def test_where_and_how_long_a_run_goes_on_does_not_matter_on_resume(assignment: str) -> None:
    assert difference(matters(resolve()), matters(resolve(assignments=[assignment]))) == []


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        ("data.name=other.npz", "data.name: was 'digits', is 'other.npz'"),
        ("data.framing=count", "data.framing: was 'time', is 'count'"),
        ("data.n_train=100", "data.n_train: was none, is 100"),
        ("space.base_width=8", "space.base_width: was none, is 8"),
        ("evolution.strategy=random", "evolution.strategy: was 'nsga2', is 'random'"),
        ("evolution.population=4", "evolution.population: was 24, is 4"),
        ("evolution.lag=4", "evolution.lag: was none, is 4"),
        ("evolution.seed=5", "evolution.seed: was 0, is 5"),
        ("evolution.max_energy_nj=2", "evolution.max_energy_nj: was none, is 2.0"),
        (
            "evolution.objectives=rdm",
            f"evolution.objectives: was ['{FITNESS}', 'parameters', 'energy_nj'], is ['rdm']",
        ),
        ("evaluation.batch=32", "evaluation.batch: was 64, is 32"),
        ("evaluation.time_steps=6", "evaluation.time_steps: was 4, is 6"),
    ],
)
def test_what_decides_the_result_matters_on_resume(assignment: str, line: str) -> None:
    now = json.loads(json.dumps(matters(resolve(assignments=[assignment]))))
    assert difference(matters(resolve()), now) == [line]


@pytest.mark.parametrize(
    ("setting", "names"), [("data.framing", FRAMINGS.names()), ("training.surrogate", SURROGATES.names())]
)
def test_the_names_that_may_be_set_are_those_that_there_are(setting: str, names: list[str]) -> None:
    for name in names:
        assert by_name(resolve(assignments=[f"{setting}={name}"]))[setting] == name
    with pytest.raises(ConfigError) as caught:
        resolve(assignments=[f"{setting}=other"])
    listed = str(caught.value).partition("one of ")[2].partition(";")[0].split(", ")
    assert sorted(listed) == names


def test_a_run_from_before_surrogates_could_be_chosen_has_arctan() -> None:
    recorded = to_dict(resolve())
    del recorded["training"]["surrogate"]
    assert from_dict(recorded).training.surrogate == "arctan"


def test_the_workers_by_default_are_as_many_as_cores_up_to_a_limit() -> None:
    expected = min(run_config.usable_cores(), run_config.MOST_WORKERS_BY_DEFAULT)
    assert Config().evaluation.workers == expected
