"""The programs behind experiments/fitness/README.md, on small tables."""

from __future__ import annotations

import doctest
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from evonas.proxies.rdm_geometry import Geometry
from genomes.architecture import InputSpec
from genomes.spaces.spikenas_bench import SpikenasBenchSpace

FITNESS = Path(__file__).resolve().parents[2] / "experiments" / "fitness"
SPACE = SpikenasBenchSpace(InputSpec((3, 32, 32), 10))
NAMES = ("split", "fit_weights", "ablation", "added", "energy", "equal_size")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    monkeypatch.syspath_prepend(FITNESS)
    yield importlib.import_module
    for name in NAMES:
        sys.modules.pop(name, None)


def cells(n: int) -> list[str]:
    """`n` connected cells of different architectures."""
    rng, found = np.random.default_rng(0), dict[str, str]()
    while len(found) < n:
        cell = "".join(map(str, rng.integers(0, 5, 6)))
        if importlib.import_module("split").live_code(cell):
            found.setdefault(SPACE.architecture_id(SPACE.from_text(cell)), cell)
    return list(found.values())


def scored(n: int, *, truth: Geometry) -> pd.DataFrame:
    """What `evonas rank --csv` writes of `n` cells whose accuracy follows the weights in `truth` and chance."""
    rng = np.random.default_rng(1)
    parts = pd.DataFrame(
        {
            "alignment": rng.normal(0.9, 0.03, n),
            "sparsity": rng.normal(2.5, 0.3, n),
            "expansion": rng.normal(0.2, 0.1, n),
            "drift": rng.normal(-0.7, 0.2, n),
            "depth": rng.integers(3, 9, n).astype(float),
        }
    )
    sums = (
        sum(getattr(truth, name) * parts[name] for name in parts if name != "depth")
        - truth.depth / parts["depth"]
    )
    names = cells(n)
    return pd.DataFrame(
        {
            "cell": names,
            "architecture_id": [SPACE.architecture_id(SPACE.from_text(cell)) for cell in names],
            "test_acc": 90 + sums - sums.mean() + 0.01 * rng.normal(size=n),
            "rdm_geometry": [
                Geometry(**{k: float(v) for k, v in row.items()}).score for _, row in parts.iterrows()
            ],
            "chain_length": rng.integers(1, 4, n).astype(float),
            **{f"rdm_{name}": parts[name] for name in parts if name != "depth"},
            "depth_alone": parts["depth"],
            "coin": rng.normal(size=n),
        }
    )


WEIGHTS = Geometry(alignment=8.0, sparsity=0.5, expansion=1.0, drift=2.0, depth=6.0)


def test_examples_in_the_docstrings_hold(program: Callable[[str], ModuleType]) -> None:
    for name in NAMES:
        assert doctest.testmod(program(name)).failed == 0


def test_weights_are_found_again(program: Callable[[str], ModuleType], tmp_path: Path) -> None:
    fit_weights = program("fit_weights")
    scored(200, truth=WEIGHTS).to_csv(tmp_path / "o.csv", index=False)
    rows = fit_weights.read(tmp_path / "o.csv")
    np.testing.assert_allclose(-1.0 / rows["depth"], rows["depth_alone"])
    networks = fit_weights.by_architecture(rows)
    assert len(networks) == 200
    expected = [getattr(WEIGHTS, name) for name in fit_weights.WEIGHTS]
    np.testing.assert_allclose(fit_weights.fit(networks), expected, rtol=0.05)


def test_a_column_that_knows_more_adds_and_a_coin_does_not(
    program: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    fit_weights, added = program("fit_weights"), program("added")
    table = scored(300, truth=WEIGHTS)
    hidden = np.random.default_rng(2).normal(size=300)
    table.assign(test_acc=table["test_acc"] + hidden, hidden=hidden).to_csv(tmp_path / "o.csv", index=False)
    networks = fit_weights.by_architecture(fit_weights.read(tmp_path / "o.csv"))
    names = list(fit_weights.WEIGHTS)
    alone = added.fitted(networks, names)
    assert ((added.fitted(networks, [*names, "hidden"]) - alone) > 0.2).all()
    assert abs(added.fitted(networks, [*names, "coin"]) - alone).max() < 0.02


def test_edges_that_lead_nowhere_count_for_no_energy(program: Callable[[str], ModuleType]) -> None:
    trained = program("energy").trained
    head = ["0.2", "0.1", "0.1", "0.1"]

    def rates(dead: str) -> str:
        cell = [dead, "-1", "0.3", "-1", "-1", "-1"]
        return ";".join([*cell, *cell, *head])

    assert trained("203000", rates("0.4")) == trained("003000", rates("-1"))
    mean, accumulates = trained("003000", rates("-1"))
    assert 0.1 < mean < 0.3
    assert accumulates > 0


def test_a_split_keeps_equal_architectures_together_and_hangs_on_no_accuracy(
    program: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = program("split")
    drawn = ["".join(map(str, code)) for code in np.random.default_rng(3).integers(0, 5, (600, 6))]
    parts = []
    for accuracy in (80.0, 70.0):
        pd.DataFrame({"cell": drawn, "live_cell": drawn, "test_acc": accuracy}).to_csv(
            tmp_path / "t.csv", index=False
        )
        monkeypatch.setattr(sys, "argv", ["split", str(tmp_path / "t.csv"), str(tmp_path / "parts")])
        split.main()
        read = (
            pd.read_csv(tmp_path / "parts" / f"{name}.csv", dtype=str)["cell"] for name in ("dev", "confirm")
        )
        parts.append([set(cells) for cells in read])
    assert parts[0] == parts[1]
    dev, confirm = parts[0]
    ids = [{SPACE.architecture_id(SPACE.from_text(cell)) for cell in part} for part in (dev, confirm)]
    assert not ids[0] & ids[1]
    assert 0.2 < len(dev) / (len(dev) + len(confirm)) < 0.35


def test_an_ablation_shows_which_ingredient_carries_the_accuracies(
    program: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ablation = program("ablation")
    for name in ("dev", "confirm"):
        scored(250, truth=Geometry(alignment=50.0, sparsity=0.0, expansion=0.0, drift=0.0, depth=0.0)).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    monkeypatch.setattr(sys, "argv", ["ablation", *(str(tmp_path / f"{n}.csv") for n in ("dev", "confirm"))])
    ablation.main()
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if ": " in line)
    tau = {name: float(text.split()[1]) for name, text in lines.items()}
    assert tau["without nothing"] > 0.9
    assert tau["without sparsity"] > 0.9
    assert abs(tau["without alignment"]) < 0.2


def test_what_follows_the_size_alone_ranks_nothing_at_equal_size(
    program: Callable[[str], ModuleType],
) -> None:
    rng = np.random.default_rng(0)
    size, quality = rng.uniform(9, 14, 120), rng.normal(size=120)
    networks = pd.DataFrame(
        {
            "test_acc": size + quality,
            "parameters": np.exp(size),
            "quality": quality,
            "size": size,
            "coin": rng.normal(size=120),
        },
        index=pd.Index([f"a{i}" for i in range(120)]),
    )
    found = program("equal_size").taus(networks, n_resamples=200)
    assert found.loc["quality", "low"] > 0.8
    assert found.loc["size", "tau"] < 0.25
    assert found.loc["coin", "low"] < 0 < found.loc["coin", "high"]
