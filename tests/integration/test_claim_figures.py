"""The figures of the claims, from small results made by hand."""

from __future__ import annotations

import doctest
import importlib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evonas.measurements.membrane import EDGES, Picture
from evonas.measurements.motifs import Enrichment
from evonas.measurements.noise import LEVELS, column
from evonas.runs.experiment_file import plan

CLAIMS = Path(__file__).resolve().parents[2] / "experiments" / "claims"
NAMES = ("figures", "figure_numbers")
T_2 = 4.302652729911275
"""The 0.975 quantile of Student's t with 2 degrees of freedom, by scipy.stats.t.ppf."""

Put = Callable[[str, Sequence[Mapping[str, Any]]], None]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    monkeypatch.syspath_prepend(CLAIMS)
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes a result."""

    def write(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}-small.csv", index=False)

    return write


def network(variant: str, seed: int, *, name: str = "knee", **numbers: float) -> dict[str, Any]:
    return {"variant": variant, "network": name, "seed": seed, "architecture_id": "a", **numbers}


def attention_rows() -> list[dict[str, Any]]:
    """Attention leaves 0.5, 0.5 and 0.6 of the firing rate."""
    rows = []
    for seed, share in enumerate((0.5, 0.5, 0.6)):
        for name in ("asa_none", "asa_full", "asa_important", "asa_rest", "asa_half"):
            rate = 0.2 * (share if name == "asa_full" else 1)
            rows.append(
                network("main", seed, name=name, firing_rate=rate, test_accuracy=0.8, channel_correlation=0.1)
            )
    return rows


def connection_rows() -> list[dict[str, Any]]:
    return [
        network(
            f"{connection}_{depth}_{images}",
            seed,
            test_accuracy=0.3 + 0.001 * depth + 0.01 * seed,
            saved_mb=float(depth),
            step_seconds=0.1,
            gradient_ratio=math.nan if connection == "plain" and depth == 110 else -1.0,
        )
        for connection in ("plain", "sew", "ms", "dense_add", "concatenate")
        for depth, images in ((20, "few"), (56, "few"), (110, "few"), (20, "many"))
        for seed in range(3)
    ]


def noise_rows() -> list[dict[str, Any]]:
    """Seeds 0, 1, 2 have 0.5, 0.6 and 0.7 undisturbed, and lose a tenth of each level."""
    levels = {column(name, level): level for name, of in LEVELS.items() for level in of}
    return [
        network(
            variant,
            seed,
            clean=(clean := 0.5 + 0.1 * seed),
            noise_loss=-0.1,
            **{name: clean - 0.1 * level for name, level in levels.items()},
        )
        for variant in ("found", "vgg", "resnet")
        for seed in range(3)
    ]


def put_everything(put: Put, program: Callable[[str], ModuleType]) -> None:
    motifs = [f"{name}_excess" for name in program("figures").MOTIFS]
    put("attention", attention_rows())
    put("connections", connection_rows())
    put("noise", noise_rows())
    put("motifs", [network("all", seed, **dict.fromkeys(motifs, 0.01 * seed)) for seed in range(3)])
    put(
        "balance", [{"seed": s, "generation": g, "share": 0.3 + 0.01 * g} for s in range(3) for g in range(4)]
    )
    put(
        "chance",
        [{"name": name, "excess": 0.01, "low": -0.02, "high": 0.02} for name in program("figures").MOTIFS],
    )
    pictured = program("figure_numbers").PICTURED
    put(
        "potentials",
        [{"network": n, "potential": u, "share": 0.1, "n": 3} for n in pictured for u in range(9)],
    )
    cells = [(i, j) for i in range(4) for j in range(4)]
    put(
        "firing_maps",
        [{"network": n, "row": i, "column": j, "rate": 0.1 * i, "n": 3} for n in pictured for i, j in cells],
    )


def test_examples_in_the_docstrings_hold(program: Callable[[str], ModuleType]) -> None:
    found = doctest.testmod(program("figure_numbers"))
    assert found.attempted
    assert not found.failed


def test_differences_of_accuracy_are_in_points_with_the_interval_of_the_pairs(
    program: Callable[[str], ModuleType], put: Put, tmp_path: Path
) -> None:
    accuracies = {"found": (0.52, 0.53, 0.57), "vgg": (0.5, 0.5, 0.5), "resnet": (0.4, 0.4, 0.4)}
    put("shapes", [network(v, s, test_accuracy=x) for v, of in accuracies.items() for s, x in enumerate(of)])
    (claim,) = program("figure_numbers").claims(tmp_path)
    half = T_2 * math.sqrt(7.0) / math.sqrt(3)  # of 7, 8 and 12, against the mean of both others
    assert (claim.value, claim.low, claim.high) == pytest.approx((9, 9 - half, 9 + half))
    assert (claim.n, claim.verdict, claim.is_accuracy) == (3, "confirmed", True)
    assert (claim.border, claim.side) == (0, 1)


def test_a_margin_moves_the_border_and_a_ratio_is_in_percent(
    program: Callable[[str], ModuleType], put: Put, tmp_path: Path
) -> None:
    accuracies = {"found": (0.5, 0.49, 0.5), "by_training": (0.52, 0.53, 0.55)}
    put(
        "search_time",
        [network(v, s, test_accuracy=x) for v, of in accuracies.items() for s, x in enumerate(of)],
    )
    put("attention", attention_rows())
    loss, firing = program("figure_numbers").claims(tmp_path)
    assert (loss.border, loss.side, loss.verdict) == (pytest.approx(-1), 1, "not seen")
    assert firing.value == pytest.approx(100 * ((0.5 * 0.5 * 0.6) ** (1 / 3) - 1))
    assert (firing.side, firing.is_accuracy, firing.unit) == (-1, False, "change of firing rate, %")


def test_every_claim_has_words_and_a_first_comparison_that_expects_something(
    program: Callable[[str], ModuleType],
) -> None:
    numbers = program("figure_numbers")
    files = {path.stem: path for path in CLAIMS.glob("*.toml")}
    assert set(numbers.CLAIMS) == set(files)
    for path in files.values():
        first = plan(path, size=numbers.SIZE, flags={}).experiment.comparisons[0]
        assert first.expect
        assert first.measure in numbers.UNITS


def test_disturbed_accuracies_begin_with_the_clean_one(program: Callable[[str], ModuleType]) -> None:
    curves = program("figure_numbers").disturbed(pd.DataFrame(noise_rows()), "dropped")
    assert [*curves] == ["found", "vgg", "resnet"]
    assert curves["vgg"]["x"].tolist() == [0.0, 0.1, 0.2, 0.4]
    assert curves["vgg"]["value"].tolist() == pytest.approx([60, 59, 58, 56])
    half = T_2 * 10 / math.sqrt(3)
    assert curves["vgg"]["low"].tolist() == pytest.approx([60 - half, 59 - half, 58 - half, 56 - half])
    assert curves["vgg"]["n"].tolist() == [3, 3, 3, 3]


def test_depths_are_in_order_and_what_has_no_number_is_left_out(program: Callable[[str], ModuleType]) -> None:
    numbers, rows = program("figure_numbers"), pd.DataFrame(connection_rows()[::-1])
    accuracy = numbers.by_depth(rows, "test_accuracy", images="few")["dense_add"]
    assert accuracy["x"].tolist() == [20, 56, 110]
    assert accuracy["value"].tolist() == pytest.approx([0.33, 0.366, 0.42])
    assert numbers.by_depth(rows, "test_accuracy", images="many")["plain"]["x"].tolist() == [20]
    gradients = numbers.by_depth(rows, "gradient_ratio", images="few")
    assert (len(gradients["plain"]), len(gradients["sew"])) == (2, 3)
    with pytest.raises(numbers.ResultMissingError, match="no gradient_ratio with many images"):
        numbers.by_depth(rows.assign(gradient_ratio=math.nan), "gradient_ratio", images="many")


def test_labels_come_apart_in_the_order_of_what_they_name(program: Callable[[str], ModuleType]) -> None:
    apart = program("figure_numbers").apart
    values = [0.31, 0.9, 0.3, 0.29, 0.7]
    places = apart(values, gap=0.1)
    assert np.argsort(places).tolist() == np.argsort(values).tolist()
    assert np.diff(np.sort(places)).min() >= 0.1 - 1e-9
    assert places[[1, 4]].tolist() == [0.9, 0.7]  # those that have room stay


def test_every_figure_is_drawn_and_one_without_results_is_left_out_with_a_word(
    program: Callable[[str], ModuleType], put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    put_everything(put, program)
    out = tmp_path / "figures"
    arguments = ["--results", str(tmp_path), "--out", str(out)]
    figures = program("figures")
    assert figures.main(arguments) == 0
    assert capsys.readouterr().err == ""
    assert sorted(path.stem for path in out.iterdir()) == sorted(figures.FIGURES)
    for path in out.iterdir():
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert int.from_bytes(content[16:20]) == 1050
        path.unlink()
    for name in ("firing_maps", "connections", "balance"):
        (tmp_path / f"{name}-small.csv").unlink()
    assert figures.main(arguments) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"{name}.png is left out" for name in ("balance", "depth", "attention")
    ]
    assert sorted(path.stem for path in out.iterdir()) == ["noise", "verdicts"]


def test_the_forest_shows_each_effect_at_its_place(
    program: Callable[[str], ModuleType], put: Put, tmp_path: Path
) -> None:
    figure_module = pytest.importorskip("matplotlib.figure")
    put_everything(put, program)
    figure = figure_module.Figure()
    program("figures").draw_verdicts(figure, tmp_path)
    claims = program("figure_numbers").claims(tmp_path)
    assert len(claims) == 4
    accuracies, *others = figure.axes
    panels = [[claim for claim in claims if claim.is_accuracy], *([c] for c in claims if not c.is_accuracy)]
    assert len(panels) == 1 + len(others)
    for axis, panel in zip([accuracies, *others], panels, strict=True):
        assert [label.get_text() for label in axis.get_yticklabels()] == [claim.words for claim in panel]
        texts = [text.get_text() for text in axis.texts]
        for i, claim in enumerate(panel):
            interval, point = axis.lines[2 * i : 2 * i + 2]
            assert interval.get_xdata().tolist() == [claim.low, claim.high]
            assert [*point.get_xdata(), *point.get_ydata()] == [claim.value, i]
            assert texts[2 * i] == claim.verdict


def test_a_figure_of_noise_shows_the_means(
    program: Callable[[str], ModuleType], put: Put, tmp_path: Path
) -> None:
    figure_module = pytest.importorskip("matplotlib.figure")
    put("noise", noise_rows())
    figure = figure_module.Figure()
    program("figures").draw_noise(figure, tmp_path)
    gaussian = figure.axes[0]
    assert len(figure.axes) == 3
    assert gaussian.lines[0].get_ydata().tolist() == pytest.approx([60, 57.5, 55, 50])
    assert [text.get_text() for text in gaussian.texts] == ["found", "VGG", "ResNet"]


def test_what_is_read_off_runs_is_kept_and_is_the_mean_over_seeds(
    program: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = program("figure_numbers")

    class FakeRun(SimpleNamespace):
        is_complete = True
        record = SimpleNamespace(config=None)

        @property
        def elites(self) -> dict[str, str]:
            return dict(zip(numbers.PICTURED, "abc", strict=True))

        def is_trained(self, architecture_id: str) -> bool:
            return architecture_id != "b"

    members = [SimpleNamespace(variant=v, seed=s) for v in ("all", "random") for s in (0, 1)]
    runs = [(member, FakeRun(seed=member.seed)) for member in members]

    def loaded(path: Path) -> SimpleNamespace:
        return SimpleNamespace(runs=lambda: runs if path.name == "scales-small" else runs[:2])

    def picture(run: FakeRun, architecture_id: str, dataset: object, *, layer: int) -> Picture:
        assert layer == numbers.LAYER
        shares = np.full(len(EDGES) - 1, 0.1 + 0.2 * run.seed)
        return Picture(shares, np.arange(6.0).reshape(2, 3) + 2 * run.seed)

    monkeypatch.setattr(numbers, "load_experiment", loaded)
    monkeypatch.setattr("evonas.measurements.motifs.balance", lambda run: np.array([0.3, 0.4 + run.seed]))
    monkeypatch.setattr("evonas.measurements.motifs.matched", lambda run: run.seed)
    monkeypatch.setattr(
        "evonas.measurements.motifs.permutation_interval",
        lambda fronts, *, rng: {"inhibitory_share": Enrichment(float(sum(fronts)), -0.1, 0.1)},
    )
    monkeypatch.setattr("evonas.measurements.membrane.picture", picture)
    monkeypatch.setattr("evonas.pipeline.problem.load_data", lambda config, reporter: None)
    assert numbers.keep(tmp_path / "runs", tmp_path / "results") == []
    balance = numbers.read(tmp_path / "results", "balance")
    assert balance.to_dict("list") == {
        "seed": [0, 0, 1, 1],
        "generation": [0, 1, 0, 1],
        "share": [0.3, 0.4, 0.3, 1.4],
    }
    chance = numbers.read(tmp_path / "results", "chance")
    assert chance.to_dict("records") == [{"name": "inhibitory", "excess": 1.0, "low": -0.1, "high": 0.1}]
    potentials = numbers.read(tmp_path / "results", "potentials")
    assert set(potentials["network"]) == {"asa_none", "asa_full"}
    assert potentials["potential"].iloc[[0, 119]].tolist() == pytest.approx([-2.975, 2.975])
    assert set(potentials["share"]) == {0.2}
    maps = numbers.read(tmp_path / "results", "firing_maps").query("network == 'asa_full'")
    assert maps[["row", "column", "rate", "n"]].values.tolist() == [
        [i, j, 3.0 * i + j + 1, 2] for i in range(2) for j in range(3)
    ]


def test_runs_that_are_not_there_are_told_in_a_line(
    program: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    lines = program("figure_numbers").keep(tmp_path / "runs", tmp_path / "results")
    assert [line.split(":")[0] for line in lines] == [
        "balance-small.csv and chance-small.csv not renewed",
        "potentials-small.csv and firing_maps-small.csv not renewed",
    ]
    assert not [*(tmp_path / "results").iterdir()]


def test_missing_matplotlib_is_told_in_a_line(
    program: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert program("figures").main(["--results", str(tmp_path), "--out", str(tmp_path / "f")]) == 2
    assert capsys.readouterr().err == "error: the figures need matplotlib; pip install 'evonas[plots]'\n"
