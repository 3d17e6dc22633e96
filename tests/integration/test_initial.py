"""Runs that begin with given genomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evonas
from evonas.errors import ConfigError, RunError
from evonas.rng import generator
from genomes.architecture import InputSpec
from genomes.serial import build_space, save_genome

Same = Callable[[Path, Path], None]
FIRST = "evolution.generations=0"


def save(path: Path, *, seed: int, shape: tuple[int, int, int] = (1, 8, 8), **options: Any) -> str:
    """Save a random genome of the default space; returns the id of its architecture."""
    space = build_space("evonas", input_spec=InputSpec(shape, 10), options=options)
    genome = space.sample(rng=generator(seed, "given"))
    save_genome(path, genome, space=space, provenance="a random draw")
    return space.architecture_id(genome)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """Two saved genomes for digits: their files and ids."""
    return {
        str(tmp_path / f"{name}.json"): save(tmp_path / f"{name}.json", seed=i) for i, name in enumerate("ab")
    }


def initial(files: dict[str, str]) -> str:
    return f"evolution.initial={','.join(files)}"


@pytest.mark.parametrize("strategy", ["nsga2", "random", "steady_state"])
def test_the_given_genomes_come_first_and_the_rest_is_sampled_as_ever(
    engine: Any, whole: Path, tmp_path: Path, given: dict[str, str], strategy: str
) -> None:
    engine.evolve(tmp_path / "run", initial(given), f"evolution.strategy={strategy}", FIRST)
    ids = [row.architecture_id for row in evonas.load_run(tmp_path / "run").rows]
    plain = [row.architecture_id for row in evonas.load_run(whole).rows]
    assert ids[:2] == list(given.values())
    assert ids[2:] == plain[2:6]


def test_genomes_of_the_library_are_named(engine: Any, tmp_path: Path) -> None:
    inputs = np.random.default_rng(0).random((80, 3, 32, 32)).astype(np.float32)
    labels = np.arange(80) % 10
    np.savez(
        tmp_path / "d.npz", x_train=inputs[:60], y_train=labels[:60], x_test=inputs[60:], y_test=labels[60:]
    )
    engine.evolve(
        tmp_path / "run",
        *(f"data.name={tmp_path / 'd.npz'}", "evolution.initial=[separable, feedback_loop]", FIRST),
        *("evolution.population=2", "evaluation.time_steps=2", "evolution.objectives=rdm,parameters"),
    )
    run = evonas.load_run(tmp_path / "run")
    assert run.candidates == {"separable": "a41047a89d91d3e28", "feedback_loop": "a040b4e63b579697d"}
    assert run.evaluations()["parameters"].tolist() == [12618, 28386]


def test_a_cut_run_goes_on_with_them_although_the_files_are_gone(
    engine: Any, cut: Any, tmp_path: Path, given: dict[str, str], assert_same: Same
) -> None:
    for name in ("whole", "none", "one", "later"):
        engine.evolve(tmp_path / name, initial(given), "evolution.generations=1")
    for file in given:
        Path(file).unlink()
    for n_rows, name in enumerate(("none", "one")):
        cut(tmp_path / name, n_rows=n_rows)
        engine.resume(tmp_path / name)
        assert_same(tmp_path / name, tmp_path / "whole")
    cut(tmp_path / "later", n_rows=8)
    engine.resume(tmp_path / "later")
    assert_same(tmp_path / "later", tmp_path / "whole")


def test_another_genome_in_the_record_is_noticed(
    engine: Any, cut: Any, tmp_path: Path, given: dict[str, str]
) -> None:
    engine.evolve(tmp_path / "run", initial(given), FIRST)
    cut(tmp_path / "run", n_rows=0)
    path = tmp_path / "run" / "config.json"
    record = json.loads(path.read_text())
    record["initial"]["a"] = record["initial"]["b"]
    path.write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"evolution\.initial\[0\]: was 'a \w{16}', is 'a \w{16}'"):
        engine.resume(tmp_path / "run")


def test_where_nothing_evolves_they_are_what_is_trained_in_their_order(
    engine: Any, tmp_path: Path, given: dict[str, str]
) -> None:
    backwards = dict(reversed(given.items()))
    training = ("training.epochs=1", "training.elites=1", "training.amp=false")
    told = engine.evolve(tmp_path / "run", initial(backwards), FIRST, *training)
    run = evonas.load_run(tmp_path / "run")
    assert list(run.candidates.items()) == list(zip("ba", backwards.values(), strict=True))
    assert run.elites == {"b": run.candidates["b"]}
    assert [path.name for path in (tmp_path / "run" / "elites").iterdir()] == [run.candidates["b"]]
    assert [run.is_trained(found) for found in run.candidates.values()] == [True, False]
    assert sum(text.startswith("test accuracy") for text in told) == 1
    assert told[-2].startswith("next: ")


def test_after_an_evolution_the_knee_and_the_front_are_trained(
    engine: Any, tmp_path: Path, given: dict[str, str]
) -> None:
    engine.evolve(tmp_path / "run", initial(given), "evolution.generations=1")
    run = evonas.load_run(tmp_path / "run")
    front = [member.architecture_id for member in run.front]
    assert run.candidates["knee"] == run.knee.architecture_id
    assert sorted(run.candidates.values()) == sorted(front)
    assert list(run.candidates) == ["knee", *(f"elite {i}" for i in range(2, len(front) + 1))]


@pytest.mark.parametrize(
    ("text", "settings", "parts"),
    [
        ("rivels", (), ("unknown genome 'rivels'", "did you mean 'rivals'")),
        ("none.json", (), ("none.json", "No such file")),
        ("rivals", (), ("saved for an input of (3, 32, 32) and 10 classes", "(1, 8, 8)")),
        ("{tmp}/broken.json", (), ("broken.json", "not a saved genome")),
        (
            "{tmp}/a.json",
            ("space.models=['lif']", "space.kernel_sizes=[1]"),
            ("a.json", 'it was saved with space.models = ["if"], space.kernel_sizes = [5]'),
        ),
        ("{tmp}/a.json,{tmp}/x/a.json", (), ("two genomes are called 'a'",)),
        ("{tmp}/a.json,b,c,d,e,f,g", (), ("7 genomes for the 6 places",)),
    ],
)
def test_what_the_run_cannot_begin_with_is_refused_before_anything_is_written(
    engine: Any, tmp_path: Path, text: str, settings: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    save(tmp_path / "a.json", seed=0, models=["if"], kernel_sizes=[5])
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ConfigError) as caught:
        engine.evolve(tmp_path / "run", f"evolution.initial={text.format(tmp=tmp_path)}", *settings)
    assert "\n" not in str(caught.value)
    assert "evolution.initial" in str(caught.value)
    for part in parts:
        assert part in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_genome_of_another_space_is_refused(engine: Any, tmp_path: Path) -> None:
    from dataclasses import dataclass

    from genomes.space import SPACES
    from genomes.spaces.evonas import EvonasSpace

    @dataclass(frozen=True)
    class OtherSpace(EvonasSpace):
        name = "other_for_initial"

    SPACES.register("other_for_initial", OtherSpace)
    save(tmp_path / "a.json", seed=0)
    with pytest.raises(ConfigError, match="it is of the space evonas, this run searches other_for_initial"):
        engine.evolve(
            tmp_path / "run", f"evolution.initial={tmp_path / 'a.json'}", "space.name=other_for_initial"
        )
    assert not (tmp_path / "run").exists()
