from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evonas.ranking.predictor import MODELS, N_REPEATS, feature_table, features, predictions
from genomes import library
from genomes.architecture import InputSpec
from genomes.serial import build_space
from genomes.space import Space

SPEC = InputSpec((3, 16, 16), 10)
BENCH: Space[Any] = build_space("spikenas_bench", input_spec=SPEC, options={"channels": [4], "hidden": [8]})


def test_features_are_read_off_any_architecture() -> None:
    genome, space = library.load("feedback_loop")
    found = features(space.decode(genome))
    assert found["delayed"] > 0
    assert found["parameters"] == space.decode(genome).n_parameters
    assert all(np.isfinite(value) for value in found.values())
    other = features(BENCH.decode(BENCH.from_text("003003")))
    assert set(found) & set(other) >= {"parameters", "macs", "neurons", "paths", "depth", "chain length"}


def test_cells_that_differ_in_a_threshold_differ_in_their_features_and_where_they_do() -> None:
    early, late = (features(BENCH.decode(BENCH.from_text(cell))) for cell in ("020003", "030002"))
    assert early["rise of thresholds"] > late["rise of thresholds"]
    same = {name for name in early if early[name] == late.get(name)}
    assert set(early) - same == {"rise of thresholds"}


def test_paths_multiply_through_joins() -> None:
    one, two, four = (
        features(BENCH.decode(BENCH.from_text(cell)))["paths"] for cell in ("003000", "033003", "333333")
    )
    # Both cells of the network have them, one behind the other.
    assert (one, two, four) == (1, 4, 16)


def test_what_an_architecture_lacks_it_has_none_of() -> None:
    table = feature_table([BENCH.decode(BENCH.from_text(cell)) for cell in ("003000", "004000")])
    assert len(table) == 2
    assert not table.isna().any().any()
    lacking = [name for name in table if sorted(table[name]) == [0.0, 2.0]]
    assert len(lacking) == 2  # the convolutions behind the other threshold, and these neurons


def learnable(n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Networks of which two inputs say much and ten nothing."""
    rng = np.random.default_rng(0)
    inputs = pd.DataFrame(rng.normal(size=(n, 12)), columns=[f"f{i}" for i in range(12)])
    accuracy = 80 + inputs["f0"] - inputs["f1"] + 0.1 * rng.normal(size=n)
    networks = pd.DataFrame({"test_acc": accuracy, "chain_length": rng.integers(1, 3, n)})
    return networks, inputs.assign(same=1.0)


def test_a_predictor_learns_from_more_trained_networks_and_is_judged_on_the_others() -> None:
    networks, inputs = learnable(120)
    found = predictions(networks, inputs, seed=0, sizes=(10, 60))
    assert len(found) == len(MODELS) * 2 * N_REPEATS
    for model in MODELS:
        means = (
            found[found["model"] == model].groupby("k")[["all", "better half", "equal chain length"]].mean()
        )
        assert (means.loc[60] > 0.6).all(), model
        assert means.loc[60, "all"] > means.loc[10, "all"] + 0.1, model
    pd.testing.assert_frame_equal(predictions(networks, inputs, seed=0, sizes=(10,)), found[found["k"] == 10])


def test_the_ridge_starts_from_the_first_proxy() -> None:
    networks, inputs = learnable(200)
    inputs["proxy"] = networks["test_acc"] + 0.5 * np.random.default_rng(1).normal(size=200)
    alike, leading = (
        predictions(networks, inputs, seed=0, first=name, sizes=(10,)) for name in (None, "proxy")
    )
    taus = [found[found["model"] == "ridge"]["all"].mean() for found in (alike, leading)]
    assert taus[1] > taus[0] + 0.1
    others = [found[found["model"] != "ridge"]["all"] for found in (alike, leading)]
    pd.testing.assert_series_equal(*others)


def test_where_too_few_networks_would_be_left_nothing_is_predicted() -> None:
    networks, inputs = learnable(25)
    assert set(predictions(networks, inputs, seed=0)["k"]) == {10}
    assert predictions(networks.head(12), inputs.head(12), seed=0).empty


def test_proxies_that_failed_for_some_networks_or_for_all_are_no_obstacle() -> None:
    networks, inputs = learnable(40)
    inputs["f2"] = inputs["f2"].where(inputs["f2"] > 0)
    inputs["f3"] = np.nan
    assert predictions(networks, inputs, seed=0, sizes=(10,))["all"].mean() > 0.1
    blind = predictions(networks, inputs[["same"]], seed=0, sizes=(10,))
    assert abs(blind["all"].mean()) < 0.05
