from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from evonas.data import Dataset
from evonas.errors import RunError
from evonas.measurements.motifs import (
    Matched,
    balance,
    counted,
    matched,
    motifs,
    permutation_interval,
    shares,
)
from evonas.rng import generator
from evonas.runs.results import Run
from genomes.genome import Genome

MakeRun = Callable[..., Run]
MakeGenome = Callable[..., Genome]

EXCITATION, INHIBITION, LATERAL = "feedforward_excitation", "feedforward_inhibition", "lateral_inhibition"


@pytest.fixture(autouse=True)
def _few_random_genomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evonas.measurements.motifs.N_RANDOM", 40)
    monkeypatch.setattr("evonas.measurements.motifs.N_PARTNERS", 3)


def test_a_genome_is_counted_by_slots_edges_and_feedback(make_genome: MakeGenome) -> None:
    # A chain of two and one of three edges of which one inhibits.
    genome = make_genome(EXCITATION, INHIBITION, EXCITATION, feedback=[(2, 1), (3, 1)])
    found = counted(genome, names=(EXCITATION, INHIBITION, LATERAL))
    assert found.tolist() == [[2, 1, 0, 1, 2], [3, 3, 3, 7, 1]]


def test_shares_in_the_front_are_over_all_its_slots(
    make_run: MakeRun, make_genome: MakeGenome, digits: Dataset
) -> None:
    front = [make_genome(EXCITATION), make_genome(INHIBITION, LATERAL, EXCITATION, feedback=[(3, 1)])]
    worse, twin = make_genome(LATERAL), front[0]
    run = make_run([*front, worse, twin], objectives=[10.0, 10.0, 20.0, 10.0])
    found = motifs(run, run.rows[0].architecture_id, digits)
    assert found[EXCITATION] == 2 / 4
    assert found[INHIBITION] == found[LATERAL] == 1 / 4
    assert found["feedback_inhibition"] == found["mutual_inhibition"] == 0.0
    # 2 + 3 + 4 + 2 edges, one of which inhibits in each of two motifs.
    assert found["inhibitory_share"] == 2 / 11
    assert found["feedback_edges"] == 1 / 2
    names = [EXCITATION, INHIBITION, LATERAL, "feedback_inhibition", "mutual_inhibition"]
    assert sum(found[f"{name}_excess"] for name in names) == pytest.approx(0.0)
    assert len(found) == 14

    partners = matched(run).counts[:, 1:]
    share = partners[:, :, 0, 1].sum() / partners[:, :, 1, 1].sum()
    assert matched(run).names[1] == EXCITATION
    assert found[f"{EXCITATION}_excess"] == pytest.approx(0.5 - share)
    assert found["feedback_edges_excess"] == pytest.approx(0.5 - partners[:, :, 0, 6].sum() / 6)
    assert "inhibitory_excess" in found


def test_partners_are_the_random_genomes_nearest_in_parameters(
    make_run: MakeRun, make_genome: MakeGenome
) -> None:
    run = make_run([make_genome(EXCITATION, width=8), make_genome(LATERAL, LATERAL, width=32)])
    space = run.space()
    rng = generator(5, "motifs")
    random = [space.sample(rng=rng) for _ in range(40)]
    found = matched(run).counts
    assert found.shape == (2, 4, 2, 7)
    for row, counts in zip(run.front, found, strict=True):
        own = run.architecture(row.architecture_id).n_parameters
        ratios = [max(n, own) / min(n, own) for n in (space.decode(g).n_parameters for g in random)]
        nearest = sorted(range(40), key=lambda i: ratios[i])[:3]
        expected = [counted(random[i], names=matched(run).names[:5]).tolist() for i in nearest]
        assert counts[1:].tolist() == expected
    assert found[0, 1:].tolist() != found[1, 1:].tolist()


def test_another_space_is_refused_in_one_line(make_run: MakeRun, digits: Dataset) -> None:
    run = make_run([], space="mse_nas")
    for measure in (lambda: motifs(run, "a", digits), lambda: balance(run)):
        with pytest.raises(RunError, match="a run of the space 'mse_nas'") as caught:
            measure()
        assert "\n" not in str(caught.value)


def test_a_run_without_front_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(RunError, match="has no front"):
        matched(make_run([]))


def test_the_balance_is_that_of_each_generation(make_run: MakeRun, make_genome: MakeGenome) -> None:
    run = make_run(
        [make_genome(EXCITATION), make_genome(INHIBITION)],
        [make_genome(EXCITATION), make_genome(EXCITATION, EXCITATION)],
        [make_genome(LATERAL)],
    )
    assert balance(run).tolist() == [1 / 5, 0.0, 1 / 4]


def one_share(*sets: list[tuple[int, int]]) -> Matched:
    """Sets of genomes with (numerator, denominator) of a single share, the one of the front first."""
    return Matched(("share",), np.array(sets)[..., None])


def test_the_interval_of_one_pair_is_its_difference_either_way() -> None:
    found = permutation_interval([one_share([(3, 4), (1, 4)])], rng=generator(0, "test"), n=200)
    assert list(found) == ["share"]
    assert (found["share"].value, found["share"].low, found["share"].high) == (0.5, -0.5, 0.5)


def test_shares_are_of_counts_added_up() -> None:
    found = one_share([(1, 1), (0, 4)], [(0, 3), (2, 4)])
    assert shares(found.counts[:, 0]).tolist() == [1 / 4]
    assert shares(found.counts).tolist() == [3 / 12]
    value = permutation_interval([found], rng=generator(0, "test"), n=10)["share"].value
    assert value == 1 / 4 - 2 / 8


def test_a_front_like_its_partners_lies_inside_the_interval_and_another_outside() -> None:
    rng = np.random.default_rng(0)
    members = rng.integers(0, 3, (60, 11)).tolist()
    like = one_share(*([(n, 4) for n in row] for row in members))
    other = one_share(*([(4, 4), *((n, 4) for n in row[1:])] for row in members))
    found, apart = (
        permutation_interval([pool], rng=generator(0, "test"), n=500)["share"] for pool in (like, other)
    )
    assert found.low < found.value < found.high
    assert found.low < 0 < found.high
    assert apart.value > 2 * apart.high


def test_several_runs_are_pooled_and_the_interval_narrows() -> None:
    members = np.random.default_rng(0).integers(0, 4, (160, 11)).tolist()
    sets = [[(n, 4) for n in row] for row in members]
    runs = [one_share(*sets[i : i + 10]) for i in range(0, 160, 10)]
    one, all_of_them = (
        permutation_interval(some, rng=generator(0, "test"), n=500)["share"] for some in (runs[:1], runs)
    )
    whole = permutation_interval([one_share(*sets)], rng=generator(0, "test"), n=500)["share"]
    assert all_of_them == whole
    # 16 times as many sets.
    assert (one.high - one.low) / (whole.high - whole.low) == pytest.approx(4.0, rel=0.2)


def test_runs_with_different_motifs_are_not_pooled() -> None:
    one = one_share([(3, 4), (1, 4)])
    other = Matched(("other",), one.counts)
    with pytest.raises(RunError, match="same motifs, got 2"):
        permutation_interval([one, other], rng=generator(0, "test"))
    with pytest.raises(RunError, match="same motifs, got 0"):
        permutation_interval([], rng=generator(0, "test"))
