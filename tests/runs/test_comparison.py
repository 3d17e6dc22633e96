from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import ttest_rel

from evonas.errors import ConfigError
from evonas.rng import generator
from evonas.runs.comparison import Comparison, Effect, from_dict, from_table, judged, paired


def comparison(expect: str = "", margin: float = 0.0, *, relative: bool = False) -> Comparison:
    return Comparison(("a",), ("b",), "test_accuracy", expect, margin, relative)


# The interval -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_interval_is_that_of_the_paired_t_test(n: int) -> None:
    draw = generator(n, "pairs")
    of, against = draw.normal(0.6, 0.1, n), draw.normal(0.5, 0.1, n)
    found = paired(comparison("above"), of.tolist(), against.tolist())
    expected = ttest_rel(of, against).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.value == pytest.approx(of.mean() - against.mean(), rel=1e-12)
    assert found.n == n


def test_a_relative_effect_is_that_of_the_ratios() -> None:
    draw = generator(0, "pairs")
    of, against = draw.uniform(1, 2, 5), draw.uniform(3, 6, 5)
    found = paired(comparison("below", relative=True), of.tolist(), against.tolist())
    expected = ttest_rel(np.log(of), np.log(against)).confidence_interval(0.95)
    assert found.value == pytest.approx(np.prod(of / against) ** (1 / 5) - 1, rel=1e-12)
    assert (found.low, found.high) == pytest.approx(
        (np.exp(expected.low) - 1, np.exp(expected.high) - 1), rel=1e-12
    )
    assert found.verdict == "confirmed"


def test_twice_as_much_in_every_pair_is_a_hundred_percent_more() -> None:
    found = paired(comparison(relative=True), [2.0, 6.0, 20.0], [1.0, 3.0, 10.0])
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_pairs_belong_together() -> None:
    """A difference that is small beside the spread between seeds, and the same for every seed."""
    of, against = [0.115, 0.52, 0.915], [0.10, 0.50, 0.90]
    assert paired(comparison("above"), of, against).verdict == "confirmed"
    assert paired(comparison("above"), of, sorted(against, reverse=True)).verdict == "not seen"


def test_pairs_that_lack_a_number_are_left_out() -> None:
    whole = paired(comparison("above"), [0.5, 0.7, 0.6], [0.4, 0.5, 0.5])
    of, against = [0.5, math.nan, 0.7, 0.9, 0.6, 0.1], [0.4, 0.1, 0.5, math.nan, 0.5, math.inf]
    assert paired(comparison("above"), of, against) == whole
    assert whole.n == 3


def test_pairs_that_have_no_ratio_are_left_out_of_a_relative_effect() -> None:
    relative = comparison("below", relative=True)
    found = paired(relative, [1.0, 0.0, 1.2, 1.0, -1.0], [2.0, 2.0, 2.0, 0.0, -2.0])
    assert found == paired(relative, [1.0, 1.2], [2.0, 2.0])
    assert found.n == 2


@pytest.mark.parametrize(("expect", "verdict"), [("above", "no interval"), ("", "")])
def test_one_pair_is_an_effect_without_an_interval(expect: str, verdict: str) -> None:
    found = paired(comparison(expect), [0.75], [0.5])
    assert (found.value, found.n, found.verdict) == (0.25, 1, verdict)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize(("expect", "verdict"), [("above", "no interval"), ("", "")])
def test_no_pair_is_no_effect(expect: str, verdict: str) -> None:
    found = paired(comparison(expect), [math.nan], [0.5])
    assert math.isnan(found.value)
    assert (found.n, found.verdict) == (0, verdict)


def test_sides_of_different_length_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired(comparison(), [0.5, 0.6], [0.5])


# The verdict --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "margin", "low", "high", "verdict"),
    [
        ("above", 0.0, 0.01, 0.03, "confirmed"),
        ("above", 0.0, -0.01, 0.03, "not seen"),
        ("above", 0.0, -0.03, -0.01, "reversed"),
        ("above", 0.0, 0.0, 0.0, "not seen"),
        ("below", 0.0, -0.03, -0.01, "confirmed"),
        ("below", 0.0, -0.03, 0.01, "not seen"),
        ("below", 0.0, 0.01, 0.03, "reversed"),
        ("not_below", 0.02, -0.01, 0.03, "confirmed"),
        ("not_below", 0.02, -0.03, 0.01, "not seen"),
        ("not_below", 0.02, -0.05, -0.03, "reversed"),
        ("not_below", 0.02, -0.02, 0.01, "not seen"),
        ("not_above", 0.02, -0.03, 0.01, "confirmed"),
        ("not_above", 0.02, -0.01, 0.03, "not seen"),
        ("not_above", 0.02, 0.03, 0.05, "reversed"),
        ("above", 0.0, math.nan, math.nan, "no interval"),
        ("above", 0.0, 0.1, math.inf, "no interval"),
        ("", 0.0, 0.01, 0.03, ""),
        ("", 0.0, math.nan, math.nan, ""),
    ],
)
def test_the_verdict_is_where_the_whole_interval_lies(
    expect: str, margin: float, low: float, high: float, verdict: str
) -> None:
    asked = comparison(expect, margin)
    found = judged(asked, value=0.5, low=low, high=high, n=4)
    assert found.verdict == verdict
    assert (found.value, found.n) == (0.5, 4)


def test_without_anything_to_compare_with_the_verdict_is_on_the_value_itself() -> None:
    asked = Comparison(("a",), (), "inhibitory_excess", "above")
    assert paired(asked, [0.1, 0.12, 0.11], [0.0] * 3) == Effect(
        pytest.approx(0.11),  # type: ignore[arg-type]
        pytest.approx(0.0852, abs=1e-4),  # type: ignore[arg-type]
        pytest.approx(0.1348, abs=1e-4),  # type: ignore[arg-type]
        3,
        "confirmed",
    )


# Words --------------------------------------------------------------------------------------------


def test_a_comparison_says_what_it_compares_and_expects() -> None:
    several = Comparison(("a", "m/b"), ("c",), "firing_rate", "not_above", 0.05, relative=True)
    assert several.title == "firing_rate of a and m/b against c"
    assert several.claim == "not above, margin 5 %"
    assert several.arms == ("a", "m/b", "c")
    alone = Comparison(("a",), (), "tau", "above")
    assert (alone.title, alone.claim) == ("tau of a", "above")
    assert comparison("not_below", 0.01).claim == "not below, margin 0.01"
    assert comparison().claim == "-"


@pytest.mark.parametrize(
    "asked",
    [
        Comparison(("a",), ("b", "m/c"), "energy_nj", "not_below", 0.1, relative=True),
        Comparison(("a",), (), "tau"),
    ],
    ids=lambda asked: asked.title,
)
def test_a_comparison_survives_json(asked: Comparison) -> None:
    assert from_dict(json.loads(json.dumps(asdict(asked)))) == asked


# Tables -------------------------------------------------------------------------------------------


def test_a_table_names_one_network_or_several() -> None:
    table = {"of": "a", "against": ["b", "c"], "measure": "energy_nj", "expect": "below", "relative": True}
    assert from_table(table, where="here") == Comparison(
        ("a",), ("b", "c"), "energy_nj", "below", relative=True
    )
    assert from_table({"of": ["a"], "measure": "tau"}, where="here") == Comparison(("a",), (), "tau")


GOOD = {"of": "a", "against": "b", "measure": "test_accuracy"}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (3, ("here must be a table", "3")),
        ({**GOOD, "expects": "above"}, ("unknown key 'expects'", "did you mean 'expect'")),
        ({**GOOD, "expect": "abov"}, ("one of above, below, not_below, not_above", "'abov'")),
        ({**GOOD, "expect": 1}, ("expect must be a text", "1")),
        ({**GOOD, "measure": 3}, ("measure must be a text", "3")),
        ({"of": "a", "against": "b"}, ("measure must be a text", "none")),
        ({**GOOD, "relative": "yes"}, ("relative must be true or false", "'yes'")),
        ({**GOOD, "expect": "not_below", "margin": "1 %"}, ("margin must be a number", "'1 %'")),
        ({**GOOD, "expect": "not_below", "margin": True}, ("margin must be a number", "true")),
        ({**GOOD, "expect": "not_below"}, ("margin must be above 0 with not_below", "got 0.0")),
        ({**GOOD, "expect": "not_above", "margin": -0.1}, ("margin must be above 0", "-0.1")),
        ({**GOOD, "expect": "not_above", "margin": math.inf}, ("margin must be above 0", "inf")),
        ({**GOOD, "expect": "above", "margin": 0.1}, ("left out elsewhere", "0.1 with 'above'")),
        ({**GOOD, "margin": 0.1}, ("left out elsewhere", "0.1")),
        ({"against": "b", "measure": "tau"}, ("of must name at least one network",)),
        ({**GOOD, "of": []}, ("of must name at least one network",)),
        ({**GOOD, "of": 3}, ("of must be the name of a network or a list of names", "3")),
        ({**GOOD, "against": ["b", 3]}, ("against must be the name of a network", "3")),
        ({**GOOD, "against": [""]}, ("against must be the name of a network",)),
        ({"of": "a", "measure": "tau", "relative": True}, ("relative needs networks to compare with",)),
    ],
    ids=str,
)
def test_a_wrong_table_is_one_line(content: object, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        from_table(content, where="here")
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)
