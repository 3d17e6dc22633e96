from __future__ import annotations

from pathlib import Path

import pytest

from evonas.errors import ConfigError, RunError
from evonas.runs import experiment
from evonas.runs.experiment import Member, Plan, find, from_json, plan

TEXT = """
question = "Which width?"
source = "Somebody, arXiv 0000.00000"
[reported]
test_accuracy = "93.1 %"
[settings.evolution]
population = 4
generations = 3
[settings.training]
epochs = 7
[variants.narrow.space]
base_width = 8
[variants.wide.space]
base_width = 16
[variants.wide.evolution]
population = 6
[variants.wide.reported]
test_accuracy = "94 %"
memory_mb = "12"
[sizes.smoke]
seeds = [0]
variants = ["wide"]
[sizes.smoke.settings.evolution]
population = 2
generations = 0
[sizes.paper]
seeds = [0, 3]
"""


def planned(folder: Path, *, text: str = TEXT, size: str = "paper", **flags: object) -> Plan:
    path = folder / "width.toml"
    path.write_text(text)
    return plan(path, size=size, flags={name.replace("__", "."): value for name, value in flags.items()})


def test_a_size_makes_one_run_of_each_variant_and_seed(tmp_path: Path) -> None:
    paper = planned(tmp_path)
    assert [member.name for member in paper.configs] == [
        *("narrow-seed0", "narrow-seed3", "wide-seed0", "wide-seed3")
    ]
    assert {member.seed: config.evolution.seed for member, config in paper.configs.items()} == {0: 0, 3: 3}
    assert paper.experiment.members == tuple(paper.configs)
    assert (paper.experiment.name, paper.experiment.size) == ("width", "paper")


def test_a_size_may_take_some_of_the_variants(tmp_path: Path) -> None:
    assert list(planned(tmp_path, size="smoke").configs) == [Member("wide", 0)]


def test_settings_of_size_variant_and_command_line_win_in_this_order(tmp_path: Path) -> None:
    (smoke,) = planned(tmp_path, size="smoke").configs.values()
    assert (smoke.evolution.population, smoke.evolution.generations, smoke.training.epochs) == (6, 0, 7)
    assert dict(smoke.space.options) == {"base_width": 16}
    (given,) = planned(
        tmp_path, size="smoke", evolution__population=9, evaluation__workers=3, training__device=None
    ).configs.values()
    assert (given.evolution.population, given.evaluation.workers, given.training.device) == (9, 3, "cpu")


def test_the_preset_of_the_data_set_is_below_everything(tmp_path: Path) -> None:
    text = TEXT + '[settings.data]\nname = "cifar10"\n'
    assert {config.training.batch for config in planned(tmp_path, text=text).configs.values()} == {64}
    assert {config.training.epochs for config in planned(tmp_path, text=text).configs.values()} == {7}


def test_without_variants_there_is_one(tmp_path: Path) -> None:
    text = 'question = "?"\nsource = "s"\n[sizes.small]\nseeds = [1]\n'
    assert list(planned(tmp_path, text=text, size="small").configs) == [Member("main", 1)]


def test_figures_stand_at_their_variant_and_those_of_no_variant_apart(tmp_path: Path) -> None:
    asked = planned(tmp_path).experiment
    assert asked.reported == {"narrow": {}, "wide": {"test_accuracy": "94 %", "memory_mb": "12"}}
    assert asked.published == {"test_accuracy": "93.1 %"}


def test_the_figures_of_an_experiment_without_variants_are_those_of_its_only_one(tmp_path: Path) -> None:
    text = 'question = "?"\nsource = "s"\n[reported]\nmemory_mb = "12"\n[sizes.small]\nseeds = [1]\n'
    asked = planned(tmp_path, text=text, size="small").experiment
    assert (asked.reported, asked.published) == ({"main": {"memory_mb": "12"}}, {})


def test_an_experiment_survives_its_record(tmp_path: Path) -> None:
    asked = planned(tmp_path).experiment
    (tmp_path / "experiment.json").write_bytes(asked.to_json())
    assert from_json(tmp_path / "experiment.json") == asked


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"schema": 1}', '{"schema": 9}', '{"schema": 1, "members": [3]}']
)
def test_a_damaged_record_is_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "experiment.json").write_text(content)
    with pytest.raises(RunError, match=r"experiment\.json"):
        from_json(tmp_path / "experiment.json")


def test_a_folder_without_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no experiment was started"):
        from_json(tmp_path / "experiment.json")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("[sizes.paper]", "[size.paper]", ("unknown key 'size'", "did you mean 'sizes'")),
        ("[settings.evolution]", "[settings.evolutoin]", ("[settings]", "did you mean 'evolution'")),
        ("epochs = 7", "epoch = 7", ("training.epoch", "did you mean 'training.epochs'")),
        ("epochs = 7", "epochs = 0", ("training.epochs", "at least 1")),
        ("population = 6", "populaton = 6", ("evolution.populaton", "did you mean 'evolution.population'")),
        (
            "[variants.wide.evolution]",
            "[variants.wide.reports]",
            ("[variants.wide]", "unknown section [reports]"),
        ),
        ('memory_mb = "12"', 'memory = "12"', ("[variants.wide] reported", "did you mean 'memory_mb'")),
        ('memory_mb = "12"', "memory_mb = 12", ("memory_mb must be a text", "12")),
        ("seeds = [0, 3]", "seed = [0, 3]", ("[sizes.paper]", "did you mean 'seeds'")),
        ("seeds = [0, 3]", "seeds = []", ("seeds must be a list of whole numbers", "[]")),
        ("seeds = [0, 3]", "seeds = [0, 0]", ("each once",)),
        ("seeds = [0, 3]", "seeds = [-1]", ("[-1]",)),
        ("seeds = [0, 3]", "seeds = 3", ("got 3",)),
        ("seeds = [0, 3]", "seeds = [true]", ("[True]",)),
        ("seeds = [0, 3]", 'variants = ["wide"]', ("seeds must be", "none")),
        (
            "seeds = [0, 3]",
            'seeds = [0]\nvariants = ["wid"]',
            ("unknown variant 'wid'", "did you mean 'wide'"),
        ),
        ("seeds = [0, 3]", "seeds = [0]\nvariants = []", ("variants must be a list of names",)),
        ("generations = 3", "seed = 3", ("evolution.seed is set by the seeds",)),
        ('question = "Which width?"', "question = 3", ("'question' must be a text", "3")),
        ('source = "Somebody, arXiv 0000.00000"', "", ("'source' must be a text",)),
        ("[variants.wide.", '[variants."a/b".', ("a variant's name", "a/b")),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_wrong_file_is_one_line_with_place_and_nearest(
    old: str, new: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new)
    with pytest.raises(ConfigError) as caught:
        planned(tmp_path, text=text)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_a_size_that_the_file_does_not_have_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no size 'smok'; did you mean 'smoke'\? known: smoke, paper"):
        planned(tmp_path, size="smok")


def test_a_file_of_settings_alone_is_told_from_an_experiment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'evonas evolve "):
        planned(tmp_path, text="[evolution]\nseed = 1\n")


def test_an_experiment_is_found_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "claims").mkdir()
    for name in ("one.toml", "claims/two.toml"):
        (tmp_path / name).touch()
    monkeypatch.setattr(experiment, "FOLDERS", (tmp_path,))
    assert [find(name) for name in ("one", "two", "x/three.toml")] == [
        *(tmp_path / "one.toml", tmp_path / "claims/two.toml", Path("x/three.toml"))
    ]
    with pytest.raises(ConfigError, match=r"unknown experiment 'oen'; did you mean 'one'\? known: one, two"):
        find("oen")
