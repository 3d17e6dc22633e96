from __future__ import annotations

import json
from pathlib import Path

import pytest

from evonas.errors import ConfigError, RunError
from evonas.runs import experiment_file
from evonas.runs.comparison import Comparison
from evonas.runs.experiment import Experiment, Member, Plan, Ranking, from_json, taken_over
from evonas.runs.experiment_file import find, plan

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
    monkeypatch.setattr(experiment_file, "FOLDERS", (tmp_path,))
    assert [find(name) for name in ("one", "two", "x/three.toml")] == [
        *(tmp_path / "one.toml", tmp_path / "claims/two.toml", Path("x/three.toml"))
    ]
    with pytest.raises(ConfigError, match=r"unknown experiment 'oen'; did you mean 'one'\? known: one, two"):
        find("oen")


# Variants of other experiments --------------------------------------------------------------------

BORROWER = """
question = "Is wide as good under noise?"
source = "s"
measures = ["noise"]
[settings.training]
epochs = 2
[variants.wide]
of = "width"
[variants.deep.space]
base_width = 24
[sizes.smoke]
seeds = [0, 5]
[sizes.paper]
seeds = [0]
variants = ["deep", "wide"]
"""


def borrowed(folder: Path, *, text: str = BORROWER, size: str = "smoke", lender: str = TEXT) -> Plan:
    """The plan of an experiment that shares a variant with `width`."""
    (folder / "width.toml").write_text(lender)
    path = folder / "noise.toml"
    path.write_text(text)
    return plan(path, size=size, flags={"evaluation.workers": 3}, assignments=["evaluation.batch=8"])


def test_a_borrowed_variant_has_the_settings_that_it_has_in_its_own_experiment(tmp_path: Path) -> None:
    found = borrowed(tmp_path)
    assert [(member.name, member.of) for member in found.configs] == [
        *(("wide-seed0", "width"), ("wide-seed5", "width"), ("deep-seed0", ""), ("deep-seed5", ""))
    ]
    own = plan(
        tmp_path / "width.toml",
        size="smoke",
        flags={"evaluation.workers": 3},
        assignments=["evaluation.batch=8"],
    )
    assert found.configs[Member("wide", 0, of="width")] == own.configs[Member("wide", 0)]
    assert found.configs[Member("wide", 5, of="width")].evolution.seed == 5
    assert found.configs[Member("deep", 0)].training.epochs == 2
    assert found.lenders == {"width": own.experiment}
    assert own.lenders == {}


def test_the_runs_of_a_borrowed_variant_lie_in_the_folder_of_its_experiment(tmp_path: Path) -> None:
    asked = borrowed(tmp_path, size="paper").experiment
    here = tmp_path / "runs" / "anything"
    folders = {member.variant: asked.folder(member, path=here) for member in asked.members}
    assert folders == {"deep": here / "deep-seed0", "wide": tmp_path / "runs/width-paper/wide-seed0"}


def test_a_lender_is_looked_up_beside_its_borrower_and_then_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (elsewhere / "width.toml").write_text(TEXT.replace("epochs = 7", "epochs = 8"))
    monkeypatch.setattr(experiment_file, "FOLDERS", (elsewhere,))
    assert borrowed(tmp_path).configs[Member("wide", 0, of="width")].training.epochs == 7
    (tmp_path / "width.toml").unlink()
    found = plan(tmp_path / "noise.toml", size="smoke", flags={})
    assert found.configs[Member("wide", 0, of="width")].training.epochs == 8


def test_two_experiments_can_share_their_variants_with_each_other(tmp_path: Path) -> None:
    lender = TEXT.replace("[variants.narrow", '[variants.deep]\nof = "noise"\n[variants.narrow')
    found = borrowed(tmp_path, lender=lender)
    assert Member("deep", 0, of="noise") not in found.configs
    assert [*found.lenders] == ["width"]
    back = plan(tmp_path / "width.toml", size="paper", flags={})
    assert dict(back.configs[Member("deep", 0, of="noise")].space.options) == {"base_width": 24}
    assert [*back.lenders] == ["noise"]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('of = "width"', 'of = "widht"', ("unknown experiment 'widht'",)),
        ('of = "width"', "of = 3", ("[variants.wide]: 'of' must be a text",)),
        ('of = "width"', 'of = "width"\nspace = { base_width = 8 }', ("[variants.wide]", "but 'of' out")),
        (
            'of = "width"',
            'of = "width"\nreported = { memory_mb = "1" }',
            ("[variants.wide]", "but 'of' out"),
        ),
        ("[variants.wide]", "[variants.wid]", ("width.toml has no variant 'wid'", "did you mean 'wide'")),
        ('of = "width"', 'of = "noise"', ("noise.toml has no variant 'wide' of its own", "deep")),
        ("[sizes.smoke]", "[sizes.tiny]\nseeds = [0]\n[sizes.smoke]", ()),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_variant_that_cannot_be_borrowed_is_one_line(
    old: str, new: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        borrowed(tmp_path, text=BORROWER.replace(old, new), size="smoke" if parts else "tiny")
    assert "\n" not in str(caught.value)
    for part in parts or ("width.toml has no size 'tiny'",):
        assert part in str(caught.value)


# Genomes of other variants ------------------------------------------------------------------------

ADOPTING = TEXT.replace(
    "[variants.wide.evolution]", '[variants.wide.evolution]\ninitial = ["rivals", "@narrow"]'
)


def test_a_variant_may_begin_with_what_one_above_it_found(tmp_path: Path) -> None:
    found = planned(tmp_path, text=ADOPTING)
    config = found.configs[Member("wide", 3)]
    assert config.evolution.initial == ("rivals", "@narrow")
    assert taken_over(config) == ["@narrow"]
    assert taken_over(found.configs[Member("narrow", 3)]) == []


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('"@narrow"', '"@narow"', ("[variants.wide]", "'@narow'", "did you mean 'narrow'")),
        ('"@narrow"', '"@wide"', ("[variants.wide]", "'@wide' is none of the variants above", "narrow")),
        ("seeds = [0, 3]", 'seeds = [0]\nvariants = ["wide", "narrow"]', ("'@narrow' is none",)),
        ("seeds = [0, 3]", 'seeds = [0]\nvariants = ["wide"]', ("'@narrow' is none",)),
    ],
)
def test_what_is_taken_over_must_be_found_before(
    old: str, new: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    assert old in ADOPTING
    with pytest.raises(ConfigError) as caught:
        planned(tmp_path, text=ADOPTING.replace(old, new))
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


# Comparisons, measures, rankings ------------------------------------------------------------------

COMPARISONS = """
[[comparisons]]
of = "wide"
against = "narrow"
measure = "test_accuracy"
expect = "above"
[[comparisons]]
of = ["wide/knee", "wide/elite 2"]
measure = "noise_loss"
"""


def test_a_size_has_the_comparisons_whose_variants_it_has(tmp_path: Path) -> None:
    first = Comparison(("wide",), ("narrow",), "test_accuracy", "above")
    second = Comparison(("wide/knee", "wide/elite 2"), (), "noise_loss")
    text = TEXT + COMPARISONS
    assert planned(tmp_path, text=text).experiment.comparisons == (first, second)
    assert planned(tmp_path, text=text, size="smoke").experiment.comparisons == (second,)


def test_given_genomes_are_compared_by_name(tmp_path: Path) -> None:
    text = TEXT.replace("population = 4", 'population = 4\ninitial = ["rivals", "some/b.json"]')
    text += '[[comparisons]]\nof = "b"\nagainst = "rivals"\nmeasure = "test_accuracy"\n'
    found = planned(tmp_path, text=text, size="smoke").experiment
    assert [asked.arms for asked in found.comparisons] == [("b", "rivals")]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('of = "wide"', 'of = "wid"', ("comparisons: unknown 'wid'", "did you mean 'wide'")),
        ('"wide/knee"', '"wdie/knee"', ("comparisons: unknown 'wdie/knee'", "did you mean 'wide'")),
        ('against = "narrow"', 'against = "rivals"', ("comparisons: unknown 'rivals'",)),
        ('expect = "above"', 'expect = "abov"', ("[[comparisons]] 1", "expect must be one of above")),
        ('expect = "above"', 'expects = "above"', ("[[comparisons]] 1", "did you mean 'expect'")),
        ('measure = "noise_loss"', "measure = 3", ("[[comparisons]] 2", "measure must be a text")),
    ],
)
def test_a_wrong_comparison_is_one_line(old: str, new: str, parts: tuple[str, ...], tmp_path: Path) -> None:
    assert old in COMPARISONS
    with pytest.raises(ConfigError) as caught:
        planned(tmp_path, text=TEXT + COMPARISONS.replace(old, new))
    assert "\n" not in str(caught.value)
    for part in ("width.toml", *parts):
        assert part in str(caught.value)


RANKING = """
question = "Does it rank?"
source = "s"
[variants.own]
data = { name = "digits" }
[variants.own.ranking]
table = "table.csv"
proxies = ["rdm", "synflow"]
columns = ["flops"]
only = ["epochs=9"]
distinct = "cell"
[variants.plain.ranking]
table = "other.csv"
[variants.searched]
[sizes.smoke]
seeds = [0]
limit = 12
[sizes.paper]
seeds = [0, 1]
cost = "not run; about 20 core-hours"
"""


def test_a_ranking_is_a_variant_that_searches_nothing(tmp_path: Path) -> None:
    smoke = planned(tmp_path, text=RANKING, size="smoke")
    own, plain = Member("own", 0), Member("plain", 0)
    assert smoke.rankings == {
        own: Ranking("table.csv", ("rdm", "synflow"), ("flops",), ("epochs=9",), "cell", limit=12),
        plain: Ranking("other.csv", (), limit=12),
    }
    assert [*smoke.configs] == [own, plain, Member("searched", 0)]
    assert smoke.file == tmp_path / "width.toml"
    assert {r.limit for r in planned(tmp_path, text=RANKING).rankings.values()} == {None}


def test_a_size_that_was_not_run_says_what_it_costs(tmp_path: Path) -> None:
    assert planned(tmp_path, text=RANKING).experiment.cost == "not run; about 20 core-hours"
    assert planned(tmp_path, text=RANKING, size="smoke").experiment.cost == ""


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ('table = "other.csv"', "", ("[variants.plain] ranking", "name it as table")),
        ('table = "other.csv"', "table = 3", ("[variants.plain] ranking", "'table' must be a text")),
        ('distinct = "cell"', 'distinkt = "cell"', ("[variants.own] ranking", "did you mean 'distinct'")),
        ('distinct = "cell"', "limit = 3", ("[variants.own] ranking", "unknown key 'limit'")),
        ('["rdm", "synflow"]', '"rdm"', ("ranking: proxies must be a list of names", "'rdm'")),
        ("limit = 12", "limit = 0", ("[sizes.smoke]: limit must be a whole number, at least 1", "got 0")),
        ("limit = 12", "limit = true", ("limit must be a whole number", "true")),
        ("limit = 12", "cost = 3", ("[sizes.smoke]: 'cost' must be a text", "3")),
        ('source = "s"', 'source = "s"\nmeasures = "noise"', ("measures must be a list of names", "'noise'")),
        ('source = "s"', 'source = "s"\nmeasures = [""]', ("measures must be a list of names",)),
        ('source = "s"', 'source = "s"\ncomparisons = 3', ("tables [[comparisons]]", "3")),
        (
            "[variants.searched]",
            '[variants.searched]\nranking = "a.csv"',
            ("[variants.searched] ranking must be a table",),
        ),
    ],
)
def test_a_wrong_ranking_measure_or_size_is_one_line(
    old: str, new: str, parts: tuple[str, ...], tmp_path: Path
) -> None:
    assert old in RANKING
    with pytest.raises(ConfigError) as caught:
        planned(tmp_path, text=RANKING.replace(old, new), size="smoke")
    assert "\n" not in str(caught.value)
    for part in ("width.toml", *parts):
        assert part in str(caught.value)


def test_a_ranking_is_not_shared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"width.toml \[variants.own\] is a ranking"):
        borrowed(tmp_path, text=BORROWER.replace("variants.wide", "variants.own"), lender=RANKING)


# The record ---------------------------------------------------------------------------------------


def test_everything_that_is_asked_survives_the_record(tmp_path: Path) -> None:
    text = BORROWER.replace("seeds = [0, 5]", 'seeds = [0, 5]\ncost = "nothing"')
    text += COMPARISONS.replace("narrow", "deep")
    asked = borrowed(tmp_path, text=text).experiment
    assert (asked.measures, asked.cost, len(asked.comparisons)) == (("noise",), "nothing", 2)
    (tmp_path / "experiment.json").write_bytes(asked.to_json())
    assert from_json(tmp_path / "experiment.json") == asked


def test_a_record_from_before_comparisons_and_shared_variants_is_read(tmp_path: Path) -> None:
    asked = planned(tmp_path).experiment
    content = json.loads(asked.to_json())
    for name in ("cost", "measures", "comparisons"):
        del content[name]
    for member in content["members"]:
        del member["of"]
    (tmp_path / "experiment.json").write_text(json.dumps(content))
    found = from_json(tmp_path / "experiment.json")
    assert found == asked
    assert isinstance(found, Experiment)
    assert (found.cost, found.measures, found.comparisons) == ("", (), ())


@pytest.mark.parametrize(
    "change",
    [{"comparisons": [3]}, {"comparisons": [{"of": ["a"]}]}, {"comparisons": 3}, {"members": [{"of": "a"}]}],
    ids=str,
)
def test_a_damaged_part_of_the_record_is_one_line(change: dict[str, object], tmp_path: Path) -> None:
    content = json.loads(planned(tmp_path).experiment.to_json())
    (tmp_path / "experiment.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(RunError, match=r"not the record of an experiment") as caught:
        from_json(tmp_path / "experiment.json")
    assert "\n" not in str(caught.value)
