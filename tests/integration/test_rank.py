"""Ranking by the real command: a small table on digits in this process; the published table, and CIFAR-10, on Ray."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy.stats import kendalltau

from evonas.cli import main
from evonas.objectives import OBJECTIVES
from evonas.proxies import Candidate, Measured
from evonas.ranking import BASELINES
from evonas.ranking.merging import rank_merge
from evonas.runs.config import FITNESS
from genomes import library
from genomes.architecture import InputSpec
from genomes.cells import cleaned, from_code
from genomes.serial import build_space

SMALL = ("--set", "space.channels=[4]", "--set", "space.hidden=[8]", "--set", "evaluation.batch=8")
SERIAL = ("--dataset", "digits", *SMALL, "--set", "evaluation.executor=serial")
DIGITS = build_space(
    "spikenas_bench", input_spec=InputSpec((1, 8, 8), 10), options={"channels": [4], "hidden": [8]}
)

CELLS = ("003000", "333400", "020003", "000000", "230004", "120012", "312003", "404343", "204000", "231002")
"""Nine connected cells, of which the first two are one network, and one that is not connected."""

ACCURACIES = [80.0, 81.0, 84.0, 10.0, 85.5, 83.0, 86.0, 87.0, 84.5, 86.5]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_here(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Run `evonas rank` in this process and the test's folder: exit code, standard output, standard error."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["rank", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    frame = pd.DataFrame(
        {"cell": CELLS, "test_acc": ACCURACIES, "early": range(10), "epochs": [100] * 9 + [50]}
    )
    frame.to_csv(path, index=False)
    return path


def scored(output: str) -> list[str]:
    """What was to be scored, seed by seed."""
    lines = [line for line in output.splitlines() if " networks with the weights of seed " in line]
    return [line.partition(": ")[2].partition(": ")[2] for line in lines]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(
        path,
        dtype={"cell": str},
        keep_default_na=False,
        na_values=dict.fromkeys(("rdm", FITNESS, "energy_nj"), ""),
    )


def by_hand(cell: str, name: str, *, seed: int = 0) -> float:
    """The value of an objective, measured without any of what is tested here."""
    import torch

    from evonas.data import load, scoring_batch

    inputs, labels = scoring_batch(load("digits"), size=8)
    objective = OBJECTIVES.get(name)
    candidate = Candidate(
        DIGITS.decode(DIGITS.from_text(cell)),
        inputs=torch.from_numpy(inputs[None]),
        labels=torch.from_numpy(labels),
        time_steps=4,
        seed=seed,
        statistics=objective.statistics,
    )
    return objective.value(candidate).value


def test_every_row_gets_its_scores_in_order_and_equal_architectures_the_same(
    run_here: Run, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    code, _, _ = run_here(
        table, "--space", "spikenas_bench", "--proxies", "default,energy_nj", "--csv", out, *SERIAL
    )
    assert code == 0
    found = read(out)
    assert list(found.columns) == ["cell", "architecture_id", "test_acc", FITNESS, "energy_nj", *BASELINES]
    assert found["cell"].tolist() == list(CELLS)
    assert found["test_acc"].tolist() == ACCURACIES
    assert found.iloc[0].drop(["cell", "test_acc"]).equals(found.iloc[1].drop(["cell", "test_acc"]))
    assert found["architecture_id"].nunique() == 9
    unconnected = found.iloc[3]
    assert unconnected["architecture_id"] == ""
    assert unconnected[[FITNESS, "energy_nj"]].isna().all()
    assert (unconnected[[*BASELINES]] == "").all()
    for _, row in found.drop(index=3).iterrows():
        architecture = DIGITS.decode(DIGITS.from_text(row["cell"]))
        assert row["architecture_id"] == architecture.id
        assert float(row["parameters"]) == architecture.n_parameters
    for row in (0, 5):
        assert found["energy_nj"][row] == by_hand(CELLS[row], "energy_nj")
        assert found[FITNESS][row] == by_hand(CELLS[row], FITNESS)


def test_the_report_has_the_figures_of_scipy_over_different_networks(
    run_here: Run, table: Path, tmp_path: Path
) -> None:
    out, report = tmp_path / "out.csv", tmp_path / "report.json"
    arguments = (table, "--space", "spikenas_bench", "--proxies", "energy_nj", "--columns", "early")
    code, output, _ = run_here(*arguments, "--csv", out, "--report", report, *SERIAL)
    assert code == 0
    found = read(out)
    networks = found[found["architecture_id"] != ""].groupby("architecture_id")
    accuracy, content = networks["test_acc"].mean(), json.loads(report.read_text())
    assert content["facts"]["n_networks"] == 8
    assert content["facts"]["n_disconnected"] == 1
    assert content["facts"]["n_repeated"] == 1
    assert content["facts"]["deviation"] == pytest.approx(np.sqrt(0.5))
    rows = {row["score"]: row for row in content["correlations"] if row["subset"] == "all"}
    assert list(rows) == ["energy_nj", *BASELINES, "early"]
    for name in ("energy_nj", "parameters", "chain_length"):
        values = networks[name].first().astype(float)
        assert rows[name]["tau_b"] == pytest.approx(kendalltau(values, accuracy).statistic)
    assert rows["early"]["tau_b"] == pytest.approx(kendalltau(networks["early"].mean(), accuracy).statistic)
    assert "1 rows without a path to the output are left out" in output
    assert "core-seconds a network" in output


def test_what_was_scored_is_not_scored_again_and_one_proxy_more_is_scored_alone(
    run_here: Run, table: Path, tmp_path: Path
) -> None:
    arguments = (table, "--space", "spikenas_bench", "--noise", "3", *SERIAL)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    _, output, _ = run_here(*arguments, "--proxies", "rdm", "--csv", first)
    assert scored(output) == ["8 to score by rdm", "3 to score by rdm"]
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("rank-digits-spikenas_bench-")
    _, output, _ = run_here(*arguments, "--proxies", "energy_nj,rdm", "--csv", second)
    assert scored(output) == ["8 to score by energy_nj", "3 to score by energy_nj"]
    assert read(first)["rdm"].equals(read(second)["rdm"])
    _, output, _ = run_here(*arguments, "--proxies", "energy_nj,rdm")
    assert scored(output) == ["all scores are there"] * 2
    assert list((tmp_path / "runs").iterdir()) == [folder]


def test_another_batch_seed_or_code_is_scored_anew(
    run_here: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (table, "--space", "spikenas_bench", "--proxies", "rdm", "--noise", "0", *SERIAL)
    outs = [tmp_path / f"{i}.csv" for i in range(4)]
    run_here(*arguments, "--csv", outs[0])
    _, output, _ = run_here(*arguments, "--set", "evolution.seed=1", "--csv", outs[1])
    assert scored(output) == ["8 to score by rdm"]
    assert len(list((tmp_path / "runs").iterdir())) == 1
    _, output, _ = run_here(*arguments, "--set", "evaluation.batch=12", "--csv", outs[2])
    assert scored(output) == ["8 to score by rdm"]
    assert len(list((tmp_path / "runs").iterdir())) == 2
    monkeypatch.setattr("evonas.pipeline.ranking.source_digest", lambda module, alone: "another")
    _, output, _ = run_here(*arguments, "--csv", outs[3])
    assert scored(output) == ["8 to score by rdm"]
    values = [read(out)["rdm"] for out in outs]
    assert values[0].equals(values[3])
    assert not values[0].equals(values[1])
    assert not values[0].equals(values[2])
    assert values[1][5] == by_hand(CELLS[5], "rdm", seed=1)


@pytest.mark.parametrize("n_kept", [0, 4])
def test_an_interrupted_ranking_goes_on_where_it_was(
    run_here: Run, table: Path, tmp_path: Path, n_kept: int
) -> None:
    arguments = (table, "--space", "spikenas_bench", "--proxies", "rdm", "--noise", "0", *SERIAL)
    whole, again = tmp_path / "whole.csv", tmp_path / "again.csv"
    run_here(*arguments, "--csv", whole)
    (log,) = (tmp_path / "runs").glob("*/scores.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:n_kept]) + lines[n_kept][:-20])
    _, output, _ = run_here(*arguments, "--csv", again)
    assert scored(output)[0] == f"{8 - n_kept} to score by rdm"
    assert again.read_bytes() == whole.read_bytes()


def test_ctrl_c_is_answered_with_the_command_that_goes_on(
    run_here: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def value(candidate: Candidate) -> Measured:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return Measured(float(calls))

    monkeypatch.setitem(OBJECTIVES._parts, "rdm", replace(OBJECTIVES.get("rdm"), value=value))
    arguments = (table, "--space", "spikenas_bench", "--proxies", "rdm", "--noise", "0", *SERIAL)
    code, _, errors = run_here(*arguments)
    assert code == 130
    assert errors.startswith("evonas: interrupted; go on with: ")
    assert f"rank {table} --space spikenas_bench --proxies rdm" in errors
    code, output, _ = run_here(*arguments)
    assert (code, scored(output)[0]) == (0, "6 to score by rdm")


def test_what_another_proxy_cost_or_why_it_failed_is_not_told_of_one(
    run_here: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def value(candidate: Candidate) -> Measured:
        raise ValueError("cannot be measured")

    monkeypatch.setitem(OBJECTIVES._parts, "swap", replace(OBJECTIVES.get("swap"), value=value))
    arguments = (table, "--space", "spikenas_bench", "--noise", "0", "--report", tmp_path / "r.json", *SERIAL)
    _, output, _ = run_here(*arguments, "--proxies", "rdm,swap")
    cost = json.loads((tmp_path / "r.json").read_text())["facts"]["core_seconds_per_network"]
    assert 0 < cost < 5
    assert f"scoring took {cost:.2f} core-seconds a network" in output
    _, output, _ = run_here(*arguments, "--proxies", "rdm")
    assert scored(output)[0] == "all scores are there"
    assert "core-seconds" not in output
    assert "because" not in output


def test_a_proxy_that_fails_for_some_networks_leaves_gaps_and_is_counted(
    run_here: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {DIGITS.architecture_id(DIGITS.from_text(cell)) for cell in ("020003", "204000")}

    def value(candidate: Candidate) -> Measured:
        if candidate.architecture.id in bad:
            raise ValueError("cannot be measured\nand here is more")
        return Measured(1.0)

    monkeypatch.setitem(OBJECTIVES._parts, "rdm", replace(OBJECTIVES.get("rdm"), value=value))
    out = tmp_path / "out.csv"
    arguments = (table, "--space", "spikenas_bench", "--proxies", "rdm,energy_nj", *SERIAL)
    code, output, _ = run_here(*arguments, "--csv", out)
    assert code == 0
    found = read(out)
    assert found["cell"][found["rdm"].isna()].tolist() == ["020003", "000000", "204000"]
    assert found["cell"][found["energy_nj"].isna()].tolist() == ["000000"]
    assert "rdm: no value for 2 of 8 networks" in output
    assert "most often because: rdm: ValueError: cannot be measured" in output
    _, output, _ = run_here(*arguments)
    assert scored(output) == ["all scores are there"] * 2  # what failed fails again


def test_an_evaluation_that_takes_too_long_is_told_and_tried_again(
    run_here: Run, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = DIGITS.architecture_id(DIGITS.from_text("020003"))
    sleeps = True

    def value(candidate: Candidate) -> Measured:
        while sleeps and candidate.architecture.id == slow:
            pass
        return Measured(1.0)

    monkeypatch.setitem(OBJECTIVES._parts, "rdm", replace(OBJECTIVES.get("rdm"), value=value))
    arguments = (table, "--space", "spikenas_bench", "--proxies", "rdm", "--noise", "0", *SERIAL)
    _, output, _ = run_here(*arguments, "--set", "evaluation.timeout_s=0.5")
    assert "rdm: no value for 1 of 8 networks" in output
    assert "most often because: not finished after 0.5 s" in output
    sleeps = False
    _, output, _ = run_here(*arguments)
    assert scored(output)[0] == "1 to score by rdm"


def test_a_limit_scores_a_part_that_a_larger_one_contains(run_here: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    arguments = (
        table,
        "--space",
        "spikenas_bench",
        "--proxies",
        "rdm",
        "--noise",
        "0",
        "--csv",
        out,
        *SERIAL,
    )
    _, output, _ = run_here(*arguments, "--limit", "4")
    assert scored(output)[0] == "4 to score by rdm"
    few = read(out)
    assert len(few) == 10
    assert few.loc[few["rdm"].notna(), "architecture_id"].nunique() == 4
    _, output, _ = run_here(*arguments, "--limit", "6")
    assert scored(output)[0] == "2 to score by rdm"
    more = read(out)
    assert more["rdm"][few["rdm"].notna()].equals(few["rdm"][few["rdm"].notna()])


def test_genomes_of_the_default_space_are_ranked_and_the_predictor_has_its_table(
    run_here: Run, tmp_path: Path
) -> None:
    space = build_space("evonas", input_spec=InputSpec((1, 8, 8), 10), options={"base_width": 4})
    drawn = [space.sample(rng=np.random.default_rng(seed)) for seed in range(24)]
    rows = pd.DataFrame({"genome": [json.dumps(space.to_dict(genome)) for genome in drawn]})
    rows.assign(test_acc=np.arange(24.0)).to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "out.csv"
    settings = ("--dataset", "digits", "--set", "space.base_width=4", "--set", "evaluation.batch=4")
    arguments = ("t.csv", "--space", "evonas", "--proxies", "rdm,parameters", "--csv", out, "--noise", "0")
    code, output, _ = run_here(
        *arguments, "--predict", "--figure", "f.svg", *settings, "--set", "evaluation.executor=serial"
    )
    assert code == 0
    found = pd.read_csv(out)
    assert list(found.columns) == ["genome", "architecture_id", "test_acc", "rdm", *BASELINES]
    assert found["architecture_id"].tolist() == [space.architecture_id(genome) for genome in drawn]
    assert "Gaussian process       10" in output
    assert (tmp_path / "f.svg").stat().st_size > 1000
    genome, of = library.load("feedback_loop")
    assert space.architecture_id(genome) == build_space(
        of.name, input_spec=space.input, options={}
    ).architecture_id(genome)


def test_proxies_are_merged_by_rank_and_each_is_scored_once(
    run_here: Run, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    names = "rdm+macs,energy_nj,rdm+energy_nj"
    code, output, _ = run_here(
        table, "--space", "spikenas_bench", "--proxies", names, "--noise", "0", "--csv", out, *SERIAL
    )
    assert code == 0
    assert scored(output)[0] == "8 to score by rdm, energy_nj"
    found = read(out)
    assert list(found.columns) == ["cell", "architecture_id", "test_acc", *names.split(","), *BASELINES]
    assert found["rdm+macs"][3] == ""
    apart = tmp_path / "apart.csv"
    run_here(table, "--space", "spikenas_bench", "--proxies", "rdm", "--csv", apart, *SERIAL)
    each = read(apart).drop(index=3).drop_duplicates("architecture_id")
    expected = rank_merge(each[["rdm", "macs"]].astype(float))
    assert found["rdm+macs"].loc[each.index].astype(float).tolist() == expected.tolist()
    assert found["rdm+macs"][0] == found["rdm+macs"][1]


def test_the_predictor_is_judged_on_architectures_whatever_else_tells_networks_apart(
    run_here: Run, tmp_path: Path
) -> None:
    codes = ["".join(code) for code in itertools.product("023", repeat=6)]
    ids = {
        code: DIGITS.architecture_id(DIGITS.from_text(code))
        for code in codes
        if cleaned(from_code(code)).edges
    }
    cells = pd.Series(ids).drop_duplicates().index[:30].tolist()
    equals = [next(code for code, i in ids.items() if i == ids[cell] and code != cell) for cell in cells[:5]]
    table = pd.DataFrame({"cell": cells + equals, "test_acc": np.arange(35.0)})
    table.to_csv(tmp_path / "t.csv", index=False)
    reports = [tmp_path / f"{by}.json" for by in ("cell", "architecture_id")]
    for report in reports:
        code, _, errors = run_here(
            *("t.csv", "--space", "spikenas_bench", "--proxies", "energy_nj", "--distinct", report.stem),
            *("--predict", "--noise", "0", "--report", report, *SERIAL),
        )
        assert code == 0, errors
    by_cell, by_architecture = (json.loads(report.read_text()) for report in reports)
    assert (by_cell["facts"]["n_networks"], by_architecture["facts"]["n_networks"]) == (35, 30)
    assert by_cell["predictions"] == by_architecture["predictions"]
    assert by_cell["predictions"]


def test_conditions_and_another_column_say_which_rows_and_networks_count(
    run_here: Run, table: Path, tmp_path: Path
) -> None:
    out, report = tmp_path / "out.csv", tmp_path / "report.json"
    arguments = (table, "--space", "spikenas_bench", "--proxies", "none", *SERIAL)
    code, output, _ = run_here(
        *arguments, "--only", "epochs=100", "--distinct", "cell", "--csv", out, "--report", report
    )
    assert code == 0
    assert read(out)["cell"].tolist() == list(CELLS[:9])
    facts = json.loads(report.read_text())["facts"]
    assert (facts["n_rows"], facts["n_networks"], facts["n_architectures"]) == (8, 8, 7)
    assert "core-seconds" not in output


# what can be wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "arguments", "parts"),
    [
        (None, [], ["table t.csv does not exist"]),
        ("cell,acc\n003000,1\n", [], ["no column 'test_acc'"]),
        (
            "cell,test_acc\n003000,1\n923000,2\n",
            [],
            ["row 2 of the table is not of space", "six digits 0 to 4"],
        ),
        ("cell,test_acc\n000000,1\n000030,2\n", [], ["no network of the table has a path"]),
        ("cell,test_acc\n003000,1\n020003,2\n", [], ["2 different networks are left; at least 3"]),
        ("good", ["--proxies", "rmd"], ["unknown objective 'rmd'", "did you mean 'rdm'"]),
        ("good", ["--proxies", f"default,{FITNESS}"], [f"--proxies names '{FITNESS}' twice"]),
        ("good", ["--proxies", "rdm+rmd"], ["unknown objective 'rmd'", "did you mean 'rdm'"]),
        ("good", ["--proxies", "rdm+rdm"], ["--proxies names 'rdm+rdm' twice"]),
        ("good", ["--proxies", "swap+rdm,rdm+swap"], ["--proxies names 'swap+rdm' twice"]),
        ("good", ["--columns", "macs"], ["--columns names 'macs'", "rename that column"]),
        ("good", ["--space", "spikenas"], ["unknown space 'spikenas'", "did you mean 'spikenas_bench'"]),
        ("good", ["--space", "snasnet_forward"], ["row 1 of the table is not of space 'snasnet_forward'"]),
        ("good", ["--dataset", "cifr10"], ["data set 'cifr10'", "did you mean 'cifar10'"]),
        ("good", ["--columns", "late"], ["unknown column 'late'"]),
        ("good", ["--only", "epochs=7"], ["no row of the table has that"]),
        ("good", ["--distinct", "sell"], ["--distinct: unknown column 'sell'", "did you mean 'cell'"]),
        ("good", ["--limit", "2"], ["2 different networks are left"]),
        ("good", ["--figure", "f.doc"], ["--figure f.doc"]),
        ("good", ["--run-dir", "t.csv"], ["t.csv is a file; choose another --run-dir"]),
        ("good", ["--run-dir", "."], ["is not empty and holds no ranking; choose another --run-dir"]),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_made(
    run_here: Run, table: Path, tmp_path: Path, content: str | None, arguments: list[str], parts: list[str]
) -> None:
    if content == "good":
        shutil.copy(table, tmp_path / "t.csv")
    elif content is not None:
        (tmp_path / "t.csv").write_text(content)
    before = sorted(tmp_path.iterdir())
    code, _, errors = run_here("t.csv", "--space", "spikenas_bench", "--proxies", "rdm", *SERIAL, *arguments)
    assert code == 2
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("evonas: error: ")
    for part in parts:
        assert part in errors
    assert sorted(tmp_path.iterdir()) == before


def test_scores_under_other_settings_are_not_mixed(run_here: Run, table: Path, tmp_path: Path) -> None:
    arguments = (table, "--space", "spikenas_bench", "--noise", "0", "--run-dir", "r", *SERIAL)
    assert run_here(*arguments)[0] == 0
    code, _, errors = run_here(*arguments, "--set", "evaluation.batch=9")
    assert code == 2
    assert "r has scores under other settings: batch: was 8, is 9" in errors


# the published table ------------------------------------------------------------------------------------------------

PUBLISHED = {
    "parameters": (0.21, 0.10, None),
    "chain_length": (0.31, 0.15, 0.0),
    "val_acc_10": (0.32, 0.22, 0.37),
    "val_acc_20": (0.43, 0.24, 0.41),
}
"""Tau over all, the better half, and equal chain length, over different live cells, as they were given to us."""


@pytest.mark.slow
def test_one_command_repeats_what_is_known_of_the_published_table(
    run_here: Run, spikenas_bench: Path, cifar10_root: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    code, _, errors = run_here(
        *(spikenas_bench, "--space", "spikenas_bench", "--proxies", "none", "--data-dir", cifar10_root),
        *("--columns", "val_acc_10,val_acc_20", "--distinct", "live_cell", "--report", report),
    )
    assert code == 0, errors
    content = json.loads(report.read_text())
    assert content["facts"]["n_networks"] == 2400
    assert content["facts"]["n_architectures"] == 1821
    assert content["facts"]["n_disconnected"] == 91
    found = {(row["score"], row["subset"]): row for row in content["correlations"]}
    for name, expected in PUBLISHED.items():
        for subset, tau in zip(("all", "better half", "equal chain length"), expected, strict=True):
            assert tau is None or found[name, subset]["tau"] == pytest.approx(tau, abs=0.021), (name, subset)
    assert found["chain_length", "all"]["tau_b"] == pytest.approx(0.41, abs=0.005)
    assert content["facts"]["mean_accuracy"] == pytest.approx(87.44, abs=0.05)
    assert content["facts"]["mean_accuracy_of_deepest"] == pytest.approx(87.76, abs=0.05)
    assert content["facts"]["best_possible_of_draw"] == pytest.approx(88.98, abs=0.05)
    best = {row["score"]: row["best_of"] for row in content["choices"]}
    assert best["val_acc_10"] == pytest.approx(88.33, abs=0.05)
    assert best["val_acc_20"] == pytest.approx(88.56, abs=0.05)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_ranking_on_ray_that_is_killed_goes_on_and_ends_as_the_serial_one(
    start: Any, run_here: Run, spikenas_bench: Path, cifar10_root: Path, tmp_path: Path
) -> None:
    arguments = (
        *(
            spikenas_bench,
            "--space",
            "spikenas_bench",
            "--proxies",
            "default,sahd_until_2022_07",
            "--limit",
            24,
        ),
        *("--noise", 4, "--data-dir", cifar10_root, "--run-dir", "r", *SMALL),
    )
    first = start("rank", *arguments, "--workers", 2)
    log = tmp_path / "r" / "scores.jsonl"
    first.wait_for(lambda: log.exists() and log.read_bytes().count(b"\n") >= 3, what="the third score")
    first.kill()
    n_kept = log.read_bytes().count(b"\n")
    assert n_kept < 28
    code, output, errors = start("rank", *arguments, "--workers", 2, "--csv", "ray.csv").finish()
    assert code == 0, errors
    if n_kept < 24:
        assert scored(output)[0] == f"{24 - n_kept} to score by {FITNESS}, sahd_until_2022_07"
    settings = ("--set", "evaluation.executor=serial", "--run-dir", "s", "--csv", "serial.csv")
    code, _, errors = run_here(*arguments, *settings)
    assert code == 0, errors
    ray, serial = (pd.read_csv(tmp_path / f"{name}.csv", dtype={"cell": str}) for name in ("ray", "serial"))
    assert_frame_equal(ray, serial, check_exact=True)
    assert serial[FITNESS].notna().sum() >= 24
