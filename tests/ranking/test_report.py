from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from evonas.errors import ConfigError
from evonas.ranking.figure import draw_ranking, new_figure
from evonas.ranking.report import SUBSETS, Report, choices, correlations, facts_of, tau_between
from evonas.ranking.request import Request


def networks(n: int = 60, *, seed: int = 0) -> pd.DataFrame:
    """Networks whose accuracy goes with depth, a good score and chance."""
    rng = np.random.default_rng(seed)
    chain = rng.integers(1, 4, n).astype(float)
    good = rng.normal(size=n)
    return pd.DataFrame(
        {
            "test_acc": 80 + chain + good + 0.3 * rng.normal(size=n),
            "chain_length": chain,
            "good": good,
            "coin": rng.normal(size=n),
            "n_trained": 1,
            "architecture_id": [f"a{i}" for i in range(n)],
        },
        index=pd.Index([f"c{i}" for i in range(n)], name="cell"),
    )


def one(found: pd.DataFrame, score: str, subset: str) -> pd.Series[float]:
    (row,) = (row for _, row in found[(found["score"] == score) & (found["subset"] == subset)].iterrows())
    return row


def test_each_score_has_a_row_for_each_subset_with_the_figures_of_scipy() -> None:
    table = networks()
    found = correlations(table, ["good", "chain_length"], seed=0)
    assert found["score"].tolist() == ["good"] * 4 + ["chain_length"] * 4
    assert tuple(found["subset"][:4]) == SUBSETS
    accuracy = table["test_acc"]
    parts = {
        "all": table,
        "better half": table[accuracy >= accuracy.median()],
        "top decile": table[accuracy >= accuracy.quantile(0.9)],
    }
    for subset, part in parts.items():
        row = one(found, "chain_length", subset)
        assert row["n"] == len(part)
        if part["chain_length"].nunique() > 1:
            assert row["tau_b"] == pytest.approx(kendalltau(part["chain_length"], part["test_acc"]).statistic)
            assert row["spearman"] == pytest.approx(
                spearmanr(part["chain_length"], part["test_acc"]).statistic
            )
    row = one(found, "good", "all")
    assert row["tau"] == row["tau_b"] == pytest.approx(kendalltau(table["good"], accuracy).statistic)


def test_within_equal_chain_length_depth_says_nothing_and_a_score_that_adds_to_it_does() -> None:
    found = correlations(networks(), ["good", "chain_length"], seed=0)
    assert one(found, "chain_length", "all")["tau"] > 0.2
    assert one(found, "chain_length", "equal chain length")["tau"] == 0.0
    assert math.isnan(one(found, "chain_length", "equal chain length")["tau_b"])
    within = one(found, "good", "equal chain length")
    assert within["tau"] > one(found, "good", "all")["tau"] + 0.1


def test_intervals_hold_the_figure_shrink_with_the_table_and_depend_on_the_seed_alone() -> None:
    small, large = (correlations(networks(n), ["good"], seed=0) for n in (40, 640))
    for found in (small, large):
        rows = found[found["subset"].isin(["all", "better half", "equal chain length"])]
        assert (rows["tau_low"] < rows["tau"]).all()
        assert (rows["tau"] < rows["tau_high"]).all()
        assert (rows["tau_b_low"] < rows["tau_b_high"]).all()
    width = [float(found["tau_high"].iloc[0] - found["tau_low"].iloc[0]) for found in (small, large)]
    assert width[1] < width[0] / 3  # a sixteenfold table, a quarter of the width
    pd.testing.assert_frame_equal(correlations(networks(40), ["good"], seed=0), small)
    assert not correlations(networks(40), ["good"], seed=1).equals(small)


def test_equals_of_one_architecture_say_nothing_new_and_do_not_narrow_an_interval() -> None:
    table = networks(40)
    twins = pd.concat([table] * 4, ignore_index=True)
    strangers = twins.assign(architecture_id=[f"a{i}" for i in range(len(twins))])
    widths = {}
    for name, each in (("alone", table), ("twins", twins), ("strangers", strangers)):
        row = one(correlations(each, ["good"], seed=0), "good", "all")
        widths[name] = row["tau_b_high"] - row["tau_b_low"]
    assert widths["twins"] == pytest.approx(widths["alone"], rel=0.2)
    assert widths["strangers"] < widths["alone"] / 1.5


def test_the_first_score_is_compared_with_each_other_pair_by_pair() -> None:
    table = networks(200).assign(
        nearly=lambda t: t["good"] + 0.05 * np.random.default_rng(1).normal(size=len(t))
    )
    found = correlations(table, ["good", "nearly", "coin"], seed=0)
    first, nearly, coin = (one(found, name, "all") for name in ("good", "nearly", "coin"))
    assert first["lead"] == first["lead_low"] == first["lead_high"] == 0.0
    assert coin["lead"] == pytest.approx(first["tau"] - coin["tau"])
    assert 0 < coin["lead_low"] < coin["lead"] < coin["lead_high"]
    # What both have in common is no part of the difference.
    assert nearly["lead_high"] - nearly["lead_low"] < (nearly["tau_high"] - nearly["tau_low"]) / 3
    report = Report(found, choices(table, ["good"], seed=0), facts(table))
    assert [row[0] for row in report.lead_cells()] == ["good above", "nearly", "coin"]
    assert (
        report.lead_cells()[2][1] == f"{coin['lead']:.2f} [{coin['lead_low']:.2f}, {coin['lead_high']:.2f}]"
    )


def test_a_score_is_not_ahead_of_itself_where_that_is_missing_for_the_worst() -> None:
    table = networks(200)
    table["gaps"] = table["good"].where(table["test_acc"] > table["test_acc"].quantile(0.4))
    found = correlations(table, ["good", "gaps"], seed=0)
    for subset in SUBSETS:
        row = one(found, "gaps", subset)
        assert row["lead"] == row["lead_low"] == row["lead_high"] == 0.0


def test_networks_without_a_value_are_left_out_for_that_score_alone() -> None:
    table = networks()
    table.loc[table.index[:10], "coin"] = math.nan
    found = correlations(table, ["coin", "good"], seed=0)
    assert (one(found, "coin", "all")["n"], one(found, "good", "all")["n"]) == (50, 60)
    rest = table.iloc[10:]
    expected = kendalltau(rest["coin"], rest["test_acc"]).statistic
    assert one(found, "coin", "all")["tau"] == pytest.approx(expected)


def test_a_score_that_failed_everywhere_has_no_figures_and_does_no_harm() -> None:
    table = networks().assign(coin=math.nan)
    found = correlations(table, ["coin", "good"], seed=0)
    assert one(found, "coin", "all")["n"] == 0
    assert math.isnan(one(found, "coin", "all")["tau"])
    report = Report(found, choices(table, ["coin", "good"], seed=0), facts(table))
    assert report.correlation_cells()[1][:3] == ["coin", "0", "-"]
    assert set(report.choice_cells()[1][1:]) == {"-", "- +- -"}
    json.loads(report.to_json())


def test_choosing_by_a_better_score_brings_more() -> None:
    table = networks(1200).assign(truth=lambda t: t["test_acc"])
    found = choices(table, ["coin", "good", "truth"], seed=0).set_index("score")
    assert found["best_of"].is_monotonic_increasing
    assert found.loc["truth", "regret_1"] == 0.0
    assert found.loc["coin", "regret_10"] > found.loc["good", "regret_10"]
    assert (found["regret_1"] >= found["regret_50"]).all()
    assert facts(table)["draw_size"] == 500
    assert facts(table)["best_possible_of_draw"] == found.loc["truth", "best_of"]
    assert facts(networks(60))["draw_size"] == 30


def facts(table: pd.DataFrame, rows: pd.DataFrame | None = None) -> dict[str, object]:
    rows = table.reset_index() if rows is None else rows
    scoring = {
        "n_disconnected": 2,
        "n_architectures": len(table),
        "core_seconds_per_network": 0.25,
        "seed_tau": {"good": 0.9, "coin": math.nan},
        "n_seed_tau": 5,
        "n_failed": {"good": 0, "coin": 3},
        "reasons": {"a1": "ValueError: no", "a2": "ValueError: no", "a3": "another"},
    }
    return {**facts_of(table, rows, seed=0), **scoring}


def test_facts_come_from_the_table_and_its_repeats() -> None:
    table = networks(200)
    told = facts(table)
    accuracy = table["test_acc"]
    assert told["mean_accuracy"] == pytest.approx(accuracy.mean())
    deepest = accuracy[table["chain_length"] == 3]
    assert told["mean_accuracy_of_deepest"] == pytest.approx(deepest.mean())
    assert told["n_repeated"] == 0
    assert math.isnan(told["ceiling"])  # type: ignore[arg-type]

    twice = pd.concat([table, table.assign(test_acc=accuracy + 0.2)]).reset_index()
    told = facts(table.assign(n_trained=2), twice)
    assert told["n_repeated"] == 200
    assert told["deviation"] == pytest.approx(math.sqrt(0.02))
    assert 0.8 < told["ceiling"] < 1.0  # type: ignore[operator]


def test_tau_between_two_scorings_is_over_the_networks_that_both_scored() -> None:
    first = pd.Series({f"a{i}": float(i) for i in range(5)})
    second = pd.Series({"a1": 1.0, "a2": 3.0, "a4": 2.0, "a3": math.nan})
    assert tau_between(first, second) == pytest.approx(1 / 3)
    assert math.isnan(tau_between(first, second.iloc[:0]))


def test_a_report_is_shown_in_words_and_written_as_json() -> None:
    table = networks()
    names = ["good", "coin", "chain_length"]
    twice = pd.concat([table, table.assign(test_acc=table["test_acc"] + 0.2)]).reset_index()
    report = Report(correlations(table, names, seed=0), choices(table, names, seed=0), facts(table, twice))
    cells = report.correlation_cells()
    assert cells[0][:3] == ["score", "n", "tau, all"]
    assert {len(row) for row in cells} == {len(cells[0])}
    row = report.correlations.iloc[0]
    assert cells[1][2] == f"{row['tau']:.2f} [{row['tau_low']:.2f}, {row['tau_high']:.2f}]"
    chosen = report.choice_cells()
    assert [row[0] for row in chosen] == ["score", *names]
    assert [row[-1] for row in chosen] == ["tau between seeds", "0.90", "-", "-"]
    lines = report.lines()
    assert lines[0].startswith("120 rows of 60 networks")
    assert "2 rows without a path to the output" in lines[0]
    assert any("60 architectures were trained more than once" in line for line in lines)
    assert lines[-3:] == [
        "scoring took 0.25 core-seconds a network",
        "coin: no value for 3 of 60 networks",
        "most often because: ValueError: no",
    ]
    content = json.loads(report.to_json())
    assert content["correlations"][0]["tau"] == row["tau"]
    assert content["facts"]["seed_tau"] == {"good": 0.9, "coin": None}
    assert content["predictions"] is None


# pictures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_has_a_field_for_every_score(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    table = networks()
    names = ["good", "coin", "chain_length", "test_acc", "n_trained"]
    report = Report(correlations(table, names, seed=0), choices(table, names, seed=0), facts(table))
    path = tmp_path / f"f.{suffix}"
    draw_ranking(table.assign(coin=math.nan), report, path)
    assert path.stat().st_size > 5000
    if suffix == "svg":
        text = path.read_text()
        assert all(f"<!-- {name} -->" in text for name in names)


def test_a_picture_of_an_unknown_kind_or_without_matplotlib_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    for name in ("f.doc", "f"):
        with pytest.raises(ConfigError, match=r"--figure .*: expected a name that ends in one of \."):
            new_figure(tmp_path / name)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"needs matplotlib; pip install 'evonas\[plots\]'"):
        new_figure(tmp_path / "f.png")


# requests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"limit": 0}, "--limit must be at least 1; got 0"),
        ({"noise": -1}, "--noise must be at least 0; got -1"),
        ({"csv": Path("none/f.csv")}, "--csv: the folder none does not exist"),
        ({"figure": Path("none/f.png")}, "--figure: the folder none does not exist"),
        ({"report": Path("none/f.json")}, "--report: the folder none does not exist"),
        ({"report": Path(__file__).parent}, "is a folder; name a file"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(option: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Request(Path("t.csv"), ("rdm",), **option)  # type: ignore[arg-type]
