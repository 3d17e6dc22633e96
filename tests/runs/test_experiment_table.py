from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import pytest

import evonas
from evonas.errors import ConfigError, RunError
from evonas.runs.comparison import Comparison, paired
from evonas.runs.experiment import Member
from evonas.runs.experiment_effects import effect
from evonas.runs.experiment_networks import measured_file
from evonas.runs.experiment_table import ExperimentResult
from evonas.runs.folder import RunRecord
from evonas.runs.log import LogWriter, Row

MakeExperiment = Callable[..., ExperimentResult]
MakeRow = Callable[..., Row]


def test_among_equal_accuracies_the_network_of_least_memory_is_chosen(
    make_experiment: MakeExperiment,
) -> None:
    table = make_experiment({"a-seed0": {"large": 0.9, "small": 0.9}}).table()
    assert table["network"].tolist() == ["large", "small"]
    assert table["memory_mb"].is_monotonic_decreasing
    assert table["chosen"].tolist() == [False, True]


def test_a_higher_accuracy_is_chosen_whatever_its_memory(make_experiment: MakeExperiment) -> None:
    table = make_experiment({"a-seed0": {"large": 0.91, "small": 0.9}}).table()
    assert table["chosen"].tolist() == [True, False]


def test_one_is_chosen_for_each_data_set(make_experiment: MakeExperiment) -> None:
    accuracies = {
        "a-seed0": {"large": 0.6, "small": 0.5},
        "b-seed0": {"large": 0.7, "small": 0.5},
        "nmnist-seed0": {"large": 0.8, "small": 0.9},
    }
    table = make_experiment(accuracies).table()
    assert table["chosen"].tolist() == [False, False, True, False, False, True]


def test_a_size_that_is_not_the_paper_s_is_no_comparison_with_its_figures(
    make_experiment: MakeExperiment, tmp_path: Path, record: RunRecord
) -> None:
    epochs = record.config.training.epochs
    extents = {}
    for size, figures in (("s", {}), ("small", {"memory_mb": "12"}), ("paper", {"memory_mb": "12"})):
        (folder := tmp_path / size).mkdir()
        result = make_experiment({"a-seed0": {}}, folder=folder, reported={"a": figures}, size=size)
        extents[size] = result.extent()
    extent = f"2 genomes a run, {epochs} epochs, all training examples"
    assert list(extents.values()) == [
        f"size s: {extent}",
        f"size small: {extent}; no comparison with the paper",
        f"size paper: {extent}",
    ]


def test_a_row_is_over_the_seeds_that_are_over(make_experiment: MakeExperiment) -> None:
    accuracies = {"a-seed0": {"large": 0.5, "small": 0.6}, "a-seed1": {"small": 0.8}, "b-seed0": {}}
    result = make_experiment(accuracies)
    table = result.table()
    assert table[["variant", "network", "n"]].to_numpy().tolist() == [["a", "large", 1], ["a", "small", 2]]
    assert table["test_accuracy"].tolist() == pytest.approx([0.5, 0.7])
    assert table["test_accuracy_sd"].isna().tolist() == [True, False]
    assert table["test_accuracy_sd"][1] == pytest.approx(0.02**0.5)
    assert table["search_seconds"].tolist() == [0.5, 0.5]
    assert set(table["device"]) == {"a GPU"}
    assert "3 of 3 runs begun" in repr(result)
    header, large, small = result.cells()
    assert len(header) == len(large) == len(small)
    assert large[header.index("test accuracy")] == "0.5"
    assert small[header.index("test accuracy")] == "0.7 +- 0.1414"
    assert [large[-1], small[-1]] == ["", "*"]


def test_an_experiment_without_results_has_a_header(make_experiment: MakeExperiment) -> None:
    result = make_experiment({"a-seed0": {}})
    assert len(result.table()) == 0
    assert len(result.cells()) == 1


def test_a_folder_that_holds_no_experiment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no experiment was started"):
        evonas.load_experiment(tmp_path)


# One row a seed -----------------------------------------------------------------------------------

ACCURACIES = {
    "a-seed0": {"large": 0.5, "small": 0.6},
    "a-seed1": {"large": 0.7},
    "b-seed0": {"large": 0.4, "small": 0.3},
    "b-seed1": {},
}


def test_every_network_of_every_seed_that_is_over_has_a_row(make_experiment: MakeExperiment) -> None:
    result = make_experiment(ACCURACIES)
    found = result.observations()
    assert found[["variant", "network", "seed", "test_accuracy"]].to_numpy().tolist() == [
        ["a", "large", 0, 0.5],
        ["a", "small", 0, 0.6],
        ["a", "large", 1, 0.7],
        ["b", "large", 0, 0.4],
        ["b", "small", 0, 0.3],
    ]
    ids = {network: i for _, run in result.runs() for network, i in run.elites.items()}
    assert found["architecture_id"].tolist() == [ids[network] for network in found["network"]]
    assert set(found["train_seconds"]) == {60.0}
    assert set(found["search_seconds"]) == {0.5}
    assert set(found["rdm"]) == {0.5}
    means = found.groupby(["variant", "network"], sort=False).mean(numeric_only=True)
    table = result.table().set_index(["variant", "network"])
    for name in (
        "test_accuracy",
        "parameters",
        "memory_mb",
        "energy_nj",
        "firing_rate",
        "evaluations",
        "rdm",
    ):
        assert means[name].tolist() == pytest.approx(table[name].tolist())


def test_what_is_known_after_training_stands_before_what_a_search_measured(
    make_experiment: MakeExperiment,
) -> None:
    """The search of these runs has logged 9 parameters for every network."""
    result = make_experiment(ACCURACIES)
    (_, run), *_ = result.runs()
    sizes = {network: run.architecture(i).n_parameters for network, i in run.elites.items()}
    found = result.observations()
    assert found["parameters"].tolist() == [sizes[network] for network in found["network"]]


def test_without_results_there_are_columns_and_no_rows(make_experiment: MakeExperiment) -> None:
    result = make_experiment({"a-seed0": {}})
    found = result.observations()
    assert len(found) == 0
    assert [*found.columns[:5]] == ["variant", "network", "seed", "architecture_id", "test_accuracy"]
    assert result.core_minutes() == 0


def test_the_minutes_are_those_of_every_search_and_every_training(make_experiment: MakeExperiment) -> None:
    assert make_experiment(ACCURACIES).core_minutes() == pytest.approx((3 * 0.5 + 5 * 60.0) / 60)


def test_borrowed_runs_are_read_where_they_lie(make_experiment: MakeExperiment, tmp_path: Path) -> None:
    (here := tmp_path / "e-s").mkdir()
    result = make_experiment(
        {"a-seed0": {"large": 0.5}, "b-seed0": {"large": 0.4}}, folder=here, of={"a": "x"}
    )
    assert (tmp_path / "x-s" / "a-seed0").is_dir()
    assert not (here / "a-seed0").exists()
    assert result.observations()["variant"].tolist() == ["a", "b"]


# What was measured beside -------------------------------------------------------------------------


def test_what_was_only_proposed_is_no_evaluation(make_experiment: MakeExperiment, make_row: MakeRow) -> None:
    result = make_experiment({"a-seed0": {"large": 0.5}})
    [(_, run)] = result.runs()
    assert result.observations()["evaluations"].tolist() == [2]
    with LogWriter(run.folder.evaluations) as log:
        log.append(
            [
                make_row(2, status="infeasible", violation=1.0, genome=run.rows[0].genome),
                make_row(3, status="cached", genome=run.rows[0].genome),
                make_row(4, status="failed", objectives={}, genome=run.rows[0].genome),
            ]
        )
    assert result.observations()["evaluations"].tolist() == [3]


def asking(result: ExperimentResult, *measures: str) -> ExperimentResult:
    """The result of an experiment that asks for `measures`."""
    return dataclasses.replace(result, experiment=dataclasses.replace(result.experiment, measures=measures))


def measure(result: ExperimentResult, name: str, network: str, *, measured: str, content: str) -> Path:
    """Keep what was measured of a network of the run `name`."""
    run = next(run for member, run in result.runs() if member.name == name)
    path = measured_file(run, run.elites[network], measure=measured)
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    return path


def test_what_was_measured_beside_is_in_columns_of_its_own(make_experiment: MakeExperiment) -> None:
    result = make_experiment({"a-seed0": {"large": 0.5, "small": 0.6}, "a-seed1": {"large": 0.7}})
    measure(result, "a-seed0", "large", measured="noise", content='{"noise_loss": -0.25, "other_loss": null}')
    measure(result, "a-seed1", "large", measured="noise", content='{"noise_loss": -0.75, "other_loss": 1}')
    measure(result, "a-seed0", "large", measured="membrane", content='{"near_threshold": 0.5}')
    measure(result, "a-seed0", "large", measured="motifs", content='{"not_asked_here": 0.5}')
    result = asking(result, "noise", "membrane")
    found = result.observations()
    assert "not_asked_here" not in found
    expected = {"noise_loss": [-0.25, None, -0.75], "other_loss": [None, None, 1.0]}
    expected |= {"near_threshold": [0.5, None, None]}
    for name, values in expected.items():
        assert [None if math.isnan(value) else value for value in found[name]] == values
    table = result.table().set_index("network")
    assert table.loc["large", "noise_loss"] == -0.5
    assert math.isnan(table.loc["small", "noise_loss"])
    assert math.isnan(table.loc["large", "near_threshold"])


@pytest.mark.parametrize("content", ["", "{", "[3]", '{"noise_loss": "x"}', '{"noise_loss": []}'])
def test_a_damaged_measurement_is_one_line(content: str, make_experiment: MakeExperiment) -> None:
    result = asking(make_experiment({"a-seed0": {"large": 0.5}}), "noise")
    path = measure(result, "a-seed0", "large", measured="noise", content=content)
    with pytest.raises(RunError, match="is damaged; delete it to have it measured anew") as caught:
        result.observations()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# Effects ------------------------------------------------------------------------------------------


def test_an_effect_is_over_the_seeds_that_both_sides_have(make_experiment: MakeExperiment) -> None:
    accuracies = {
        **{f"a-seed{seed}": {"large": of} for seed, of in enumerate((0.5, 0.7, 0.8, 0.9))},
        "b-seed3": {"large": 0.6},
        "b-seed0": {"large": 0.4},
        "b-seed2": {"large": 0.75},
        "b-seed7": {"large": 0.1},
    }
    asked = Comparison(("a",), ("b",), "test_accuracy", "above")
    result = make_experiment(accuracies, comparisons=[asked])
    ((compared, found),) = result.effects()
    assert compared == asked
    assert found == paired(asked, [0.5, 0.8, 0.9], [0.4, 0.75, 0.6])
    assert result.verdict() == found.verdict == "not seen"


def test_several_networks_of_a_side_count_as_their_mean(make_experiment: MakeExperiment) -> None:
    accuracies = {
        "a-seed0": {"large": 0.5},
        "a-seed1": {"large": 0.7},
        "b-seed0": {"large": 0.2, "small": 0.4},
        "b-seed1": {"large": 0.2, "small": 0.6},
        "b-seed2": {"large": 0.2, "small": 0.6},
    }
    asked = Comparison(("a",), ("b/large", "b/small"), "test_accuracy")
    ((_, found),) = make_experiment(accuracies, comparisons=[asked]).effects()
    assert found == paired(asked, [0.5, 0.7], [fmean([0.2, 0.4]), fmean([0.2, 0.6])])


@pytest.mark.parametrize(
    ("of", "against"), [("a", "b"), ("a/large", "b/small"), ("large", "small"), ("a", "small")]
)
def test_a_network_has_any_name_that_says_which_it_is(
    of: str, against: str, make_experiment: MakeExperiment
) -> None:
    accuracies = {f"a-seed{i}": {"large": 0.5 + i / 10} for i in range(2)}
    accuracies |= {f"b-seed{i}": {"small": 0.4 + i / 5} for i in range(2)}
    asked = Comparison((of,), (against,), "test_accuracy")
    ((_, found),) = make_experiment(accuracies, comparisons=[asked]).effects()
    assert (found.value, found.n) == (pytest.approx(0.05), 2)


def test_a_name_of_a_variant_that_a_network_has_too_means_the_variant(
    make_experiment: MakeExperiment,
) -> None:
    """As where a variant begins with what another one found, and its network is called after that one."""
    accuracies = {
        **{f"large-seed{i}": {"small": 0.9} for i in range(2)},
        **{f"a-seed{i}": {"large": 0.4} for i in range(2)},
    }
    asked = Comparison(("large",), ("a",), "test_accuracy", "above")
    ((_, found),) = make_experiment(accuracies, comparisons=[asked]).effects()
    assert (found.value, found.n) == (pytest.approx(0.5), 2)


def test_a_variant_of_which_nothing_was_found_is_no_network_of_its_name(
    make_experiment: MakeExperiment,
) -> None:
    accuracies = {"large-seed0": {}, "a-seed0": {"large": 0.4}, "b-seed0": {"small": 0.5}}
    asked = Comparison(("large",), ("b",), "test_accuracy", "above")
    ((_, found),) = make_experiment(accuracies, comparisons=[asked]).effects()
    assert (found.n, found.verdict) == (0, "no interval")


@pytest.mark.parametrize(
    ("arm", "parts"),
    [
        ("a", ("'a' is not the name of one network", "it can be a/large or a/small")),
        ("large", ("it can be a/large or b/large",)),
        ("b/medium", ("'b/medium' is not the name of one network", "b/large")),
        ("a/larg", ("did you mean 'a/large'",)),
    ],
)
def test_a_name_that_is_not_that_of_one_network_is_one_line(
    arm: str, parts: tuple[str, ...], make_experiment: MakeExperiment
) -> None:
    result = make_experiment(ACCURACIES, comparisons=[Comparison(("b/large",), (arm,), "test_accuracy")])
    with pytest.raises(ConfigError) as caught:
        result.effects()
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_a_measure_that_is_no_column_is_one_line(make_experiment: MakeExperiment) -> None:
    result = make_experiment(ACCURACIES, comparisons=[Comparison(("a/large",), (), "test_acuracy")])
    with pytest.raises(ConfigError, match=r"unknown measure 'test_acuracy'; did you mean 'test_accuracy'"):
        result.effects()


@pytest.mark.parametrize(
    ("of", "against"),
    [("c", "a/large"), ("a/large", "c/large"), ("small", "a/large"), ("b/small", "a/large")],
)
def test_a_network_of_which_nothing_was_found_leaves_a_gap(
    of: str, against: str, make_experiment: MakeExperiment
) -> None:
    """What a search that found nothing and a training that diverged leave behind."""
    accuracies = {"a-seed0": {"large": 0.5}, "b-seed0": {"large": 0.4}, "c-seed0": {}}
    whole = Comparison(("a/large",), ("b/large",), "test_accuracy")
    lacking = Comparison((of,), (against,), "test_accuracy", "above")
    first, second = make_experiment(accuracies, comparisons=[lacking, whole]).effects()
    assert (first[1].n, first[1].verdict) == (0, "no interval")
    assert second[1].n == 1


def test_before_anything_is_over_every_effect_is_a_gap(make_experiment: MakeExperiment) -> None:
    asked = Comparison(("a",), ("b",), "test_accuracy", "above")
    result = make_experiment({"a-seed0": {}, "b-seed0": {}}, comparisons=[asked])
    assert result.verdict() == "no interval"
    assert result.effect_cells()[1][1:] == ["-", "-", "-", "0", "above", "no interval"]


def test_an_experiment_that_compares_nothing_has_no_verdict(make_experiment: MakeExperiment) -> None:
    result = make_experiment(ACCURACIES)
    assert (result.verdict(), result.effects(), len(result.effect_cells())) == ("", [], 1)


def test_effects_are_told_with_sign_claim_and_unit(make_experiment: MakeExperiment) -> None:
    accuracies = {f"a-seed{i}": {"large": value} for i, value in enumerate((0.5, 0.7))}
    accuracies |= {f"b-seed{i}": {"large": value} for i, value in enumerate((0.25, 0.35))}
    comparisons = [
        Comparison(("a",), ("b",), "test_accuracy", "not_below", 0.01),
        Comparison(("a",), ("b",), "test_accuracy", "below", relative=True),
    ]
    header, points, ratio = make_experiment(accuracies, comparisons=comparisons).effect_cells()
    assert header == ["comparison", "difference", "from", "to", "n", "expected", "verdict"]
    assert points[:2] == ["test_accuracy of a against b", "+0.3"]
    assert points[4:] == ["2", "not below, margin 0.01", "not seen"]
    assert ratio[1:] == ["+100 %", "+100 %", "+100 %", "2", "below", "reversed"]


# Rankings -----------------------------------------------------------------------------------------


def ranked(score: str, **taus: tuple[float | None, float | None, float | None]) -> list[dict[str, Any]]:
    """What the report of a ranking says of a score: tau with its interval, by subset."""
    return [
        {
            "score": score,
            "subset": subset.replace("_", " "),
            "n": 40,
            **dict(zip(("tau", "tau_low", "tau_high"), tau, strict=True)),
        }
        for subset, tau in taus.items()
    ]


def make_ranking(make_experiment: MakeExperiment, folder: Path, content: str) -> ExperimentResult:
    """An experiment of a search and a ranking that compares two scores of the latter with 0."""
    comparisons = (
        Comparison(("own/rdm",), (), "tau", "above"),
        Comparison(("own/sahd",), (), "tau_equal_chain_length", "below"),
    )
    result = make_experiment({"a-seed0": {"large": 0.5}})
    (folder / "own-seed0-ranking.json").write_text(content)
    members = (*result.experiment.members, Member("own", 0))
    return replace(result, experiment=replace(result.experiment, members=members, comparisons=comparisons))


RANKED = json.dumps(
    {
        "facts": {"core_seconds_per_network": 0.5, "n_architectures": 240},
        "correlations": [
            *ranked("rdm", all=(0.3, 0.1, 0.5), better_half=(0.2, -0.1, 0.4)),
            *ranked("sahd", all=(0.1, -0.2, 0.3), equal_chain_length=(-0.2, -0.4, -0.1)),
            *ranked("depth", all=(0.4, 0.2, 0.6), equal_chain_length=(None, None, None)),
        ],
    }
)


def test_a_ranking_has_a_row_for_each_score(make_experiment: MakeExperiment, tmp_path: Path) -> None:
    result = make_ranking(make_experiment, tmp_path, RANKED)
    found = result.observations().set_index(["variant", "network"])
    assert [*found.index] == [("a", "large"), ("own", "rdm"), ("own", "sahd"), ("own", "depth")]
    rdm = found.loc[("own", "rdm")]
    assert rdm[["n_networks", "tau", "tau_low", "tau_high", "tau_better_half"]].tolist() == [
        40,
        0.3,
        0.1,
        0.5,
        0.2,
    ]
    assert math.isnan(found.loc[("own", "depth"), "tau_equal_chain_length"])
    assert math.isnan(found.loc[("a", "large"), "tau"])
    assert result.core_minutes() == pytest.approx((0.5 + 60 + 120) / 60)
    assert result.table()["variant"].tolist() == ["a"]


def test_a_score_is_judged_by_the_interval_of_its_ranking(
    make_experiment: MakeExperiment, tmp_path: Path
) -> None:
    (_, rdm), (_, sahd) = make_ranking(make_experiment, tmp_path, RANKED).effects()
    assert (rdm.value, rdm.low, rdm.high, rdm.n, rdm.verdict) == (0.3, 0.1, 0.5, 40, "confirmed")
    assert (sahd.value, sahd.low, sahd.high, sahd.n, sahd.verdict) == (-0.2, -0.4, -0.1, 40, "confirmed")


def test_rankings_are_told_with_their_intervals(make_experiment: MakeExperiment, tmp_path: Path) -> None:
    header, rdm, *_, depth = make_ranking(make_experiment, tmp_path, RANKED).ranking_cells()
    assert header == ["score", "networks", "tau, all", "better half", "equal chain length"]
    assert rdm == ["own/rdm", "40", "0.30 [0.10, 0.50]", "0.20 [-0.10, 0.40]", "-"]
    assert depth == ["own/depth", "40", "0.40 [0.20, 0.60]", "-", "-"]
    assert len(make_experiment({"b-seed0": {}}).ranking_cells()) == 1


def test_a_ranking_that_was_left_out_is_a_gap(make_experiment: MakeExperiment, tmp_path: Path) -> None:
    result = make_ranking(make_experiment, tmp_path, RANKED)
    other = Comparison(("bench/rdm",), (), "tau", "above")
    members = (*result.experiment.members, Member("bench", 0))
    asked = replace(result.experiment, members=members, comparisons=(other, *result.experiment.comparisons))
    bench, rdm, _ = replace(result, experiment=asked).effects()
    assert (bench[1].n, bench[1].verdict) == (0, "no interval")
    assert rdm[1].verdict == "confirmed"


@pytest.mark.parametrize("content", ["", "{", "[3]", "{}", '{"facts": {}, "correlations": [3]}'])
def test_a_damaged_ranking_is_one_line(content: str, make_experiment: MakeExperiment, tmp_path: Path) -> None:
    result = make_ranking(make_experiment, tmp_path, content)
    with pytest.raises(RunError, match=r"own-seed0-ranking\.json is damaged; delete it") as caught:
        result.observations()
    assert "\n" not in str(caught.value)


def test_observations_read_back_from_their_file_give_the_same_effect(
    make_experiment: MakeExperiment, tmp_path: Path
) -> None:
    accuracies = {f"a-seed{i}": {"large": 0.1 * i} for i in range(3)}
    accuracies |= {f"b-seed{i}": {"large": 0.1 * i - 0.03 * i**2} for i in range(3)}
    asked = Comparison(("a",), ("b",), "test_accuracy", "above")
    result = make_experiment(accuracies, comparisons=[asked])
    result.observations().to_csv(tmp_path / "observations.csv", index=False)
    assert result.effects() == [(asked, effect(asked, pd.read_csv(tmp_path / "observations.csv")))]
