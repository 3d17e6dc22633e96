"""The claims of the papers: every size of each is legal, and its smoke size goes from its file to its verdict."""

from __future__ import annotations

import math
import re
import signal
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evonas
from evonas.cli import main
from evonas.measurements import MEASUREMENTS
from evonas.objectives import OBJECTIVES
from evonas.pipeline.initial import initial_genomes
from evonas.rng import generator
from evonas.runs.comparison import CONFIRMED, NOT_SEEN, REVERSED, UNDECIDED
from evonas.runs.config import override
from evonas.runs.experiment import Plan, taken_over
from evonas.runs.experiment_file import plan
from evonas.runs.experiment_networks import measured_file
from genomes.architecture import InputSpec
from genomes.serial import build_space

CLAIMS = Path(__file__).resolve().parents[2] / "experiments" / "claims"
FILES = sorted(CLAIMS.glob("*.toml"))
INPUTS = {
    "cifar10": InputSpec((3, 32, 32), 10),
    "fashion_mnist": InputSpec((1, 28, 28), 10),
    "digits": InputSpec((1, 8, 8), 10),
    "nmnist": InputSpec((2, 34, 34), 10),
}
ROOTS = {
    "cifar10": ("cifar10_root", "cifar-10-batches-py"),
    "fashion_mnist": ("fashion_mnist_root", "fashion-mnist"),
    "nmnist": ("event_root", "nmnist-small"),
}
"""The fixture that has a data set, and its folder in there; digits need none."""

pytestmark = pytest.mark.timeout(400)

each_file = pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])


def content(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


SIZES = [(file, size) for file in FILES for size in content(file)["sizes"]]


# The files ----------------------------------------------------------------------------------------


def test_there_are_at_least_twelve_questions_each_asked_once() -> None:
    questions = [content(file)["question"] for file in FILES]
    assert len(set(questions)) == len(questions) >= 12
    assert all(question.endswith("?") for question in questions)


VERDICTS = {
    "attention": ("asa_full", "asa_none", "firing_rate", "below"),
    "connections": (
        *("dense_add_56_few dense_add_110_few", "plain_56_few plain_110_few"),
        *("test_accuracy", "above"),
    ),
    "diversity": ("spikenas_bench/sahd_until_2022_07", "", "tau", "above"),
    "feedback": ("backward", "forward", "test_accuracy", "above"),
    "kernels": ("k5 k7", "k3", "test_accuracy", "above"),
    "motifs": ("all", "", "inhibitory_excess", "above"),
    "noise": ("found", "vgg resnet", "noise_loss", "above"),
    "redundancy": ("asa_full", "asa_none", "channel_correlation", "below"),
    "scales": ("all", "micro meso macro", "test_accuracy", "above"),
    "search_time": ("found", "by_training", "test_accuracy", "not_below"),
    "shapes": ("found", "vgg resnet", "test_accuracy", "above"),
    "training_methods": (
        *("found_sigmoid found_triangle found_rectangle found_sgd", "found"),
        *("test_accuracy", "not_below"),
    ),
    "transfer": (
        "fashion_mnist_on_cifar10 digits_on_cifar10 cifar10_on_fashion_mnist digits_on_fashion_mnist",
        *("found found_fashion_mnist", "test_accuracy", "not_below"),
    ),
}
"""Which comparison decides on each claim: of, against, measure, expect."""


@each_file
def test_the_verdict_is_that_of_the_comparison_it_always_was(file: Path) -> None:
    first = plan(file, size="small", flags={}).experiment.comparisons[0]
    assert (" ".join(first.of), " ".join(first.against), first.measure, first.expect) == VERDICTS[file.stem]


@each_file
def test_the_summary_has_the_verdict_of_the_results(file: Path) -> None:
    page = (CLAIMS / "results" / f"{file.stem}-small.md").read_text()
    verdict = re.search(r"^Verdict: \*\*(.+)\*\*$", page, flags=re.MULTILINE)
    rows = (CLAIMS.parent / "README.md").read_text().splitlines()
    row = next(row for row in rows if row.startswith("| ") and f"[{file.stem}](claims/results/" in row)
    assert verdict
    assert verdict[1] in row.rsplit("|", 2)[1]


@each_file
def test_it_has_every_size_and_begins_with_what_is_claimed(file: Path) -> None:
    written = content(file)
    assert {"smoke", "small", "paper"} <= {*written["sizes"]}
    assert written["comparisons"][0]["expect"]
    small = plan(file, size="small", flags={}).experiment
    assert small.comparisons[0] == plan(file, size="paper", flags={}).experiment.comparisons[0]
    assert len(small.comparisons) == len(written["comparisons"])


@each_file
def test_the_paper_size_says_what_it_costs(file: Path) -> None:
    assert re.search(r"\d.*(hour|minute)", plan(file, size="paper", flags={}).experiment.cost)


@pytest.mark.parametrize(("file", "size"), SIZES, ids=[f"{file.stem}-{size}" for file, size in SIZES])
def test_every_size_can_be_planned_with_names_and_options_that_there_are(file: Path, size: str) -> None:
    planned = plan(file, size=size, flags={})
    assert planned.experiment.members
    assert planned.experiment.comparisons
    for measure in planned.experiment.measures:
        MEASUREMENTS.get(measure)
    for ranking in planned.rankings.values():
        assert [OBJECTIVES.get(name).name for name in ranking.proxies] == [*ranking.proxies]
    for member, config in planned.configs.items():
        options = config.space.options
        space = build_space(config.space.name, input_spec=INPUTS[config.data.name], options=options)
        for name in config.evolution.objectives:
            OBJECTIVES.get(name)
        taken = taken_over(config)
        named = [text for text in config.evolution.initial if text not in taken]
        initial_genomes(override(config, {"evolution.initial": named}), space)
        space.check(space.sample(rng=generator(member.seed, "claims")))


# The smoke sizes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all claims run, so that they share what they borrow from each other."""
    return tmp_path_factory.mktemp("claims")


@pytest.fixture
def data(folder: Path, request: pytest.FixtureRequest) -> Callable[[Plan], Path]:
    """Puts the real data that an experiment needs under one root; the test is skipped where they cannot be had."""

    def put(planned: Plan) -> Path:
        (root := folder / "data").mkdir(exist_ok=True)
        for name in sorted({config.data.name for config in planned.configs.values()} & {*ROOTS}):
            fixture, part = ROOTS[name]
            link(root / part, request.getfixturevalue(fixture) / part)
        tables = [Path(ranking.table) for ranking in planned.rankings.values()]
        for table in (table for table in tables if not (CLAIMS / table).exists()):
            found: Path = request.getfixturevalue("spikenas_bench")
            assert found.parts[-2:] == table.parts
            link(root / table.parent, found.parent)
        return root

    def link(path: Path, target: Path) -> None:
        if not path.is_symlink():
            path.symlink_to(target, target_is_directory=True)

    return put


@pytest.fixture
def run_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run the command in this process and that folder: exit code, standard output, standard error."""
    monkeypatch.chdir(folder)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
@each_file
def test_its_smoke_size_goes_from_the_file_to_the_verdict(
    file: Path,
    folder: Path,
    data: Callable[[Plan], Path],
    run_here: Callable[..., tuple[int, str, str]],
) -> None:
    planned = plan(file, size="smoke", flags={})
    options = ("--size", "smoke", "--data-dir", data(planned), "--set", "evaluation.executor=serial")
    code, output, errors = run_here("experiment", file, *options)
    assert (code, errors) == (0, "")
    result = evonas.load_experiment(folder / "runs" / f"{file.stem}-smoke")
    asked = result.experiment
    assert asked == planned.experiment

    found = result.observations()
    over = {*found[["variant", "seed"]].itertuples(index=False, name=None)}
    for member in asked.members:
        has_gap = f"{member.name}: no genome met evolution." in output
        assert ((member.variant, member.seed) in over) != has_gap, member.name
    assert {*found["variant"]} == {member.variant for member in asked.members}
    searched = found[~found["variant"].isin({member.variant for member in planned.rankings})]
    assert searched["test_accuracy"].between(0, 1).all()

    seeds = {member.seed for member in asked.members}
    for compared, effect in result.effects():
        assert effect.n >= 1, compared.title
        assert effect.n <= len(seeds) or planned.rankings, compared.title
        assert math.isfinite(effect.value), compared.title
        verdicts = (CONFIRMED, NOT_SEEN, REVERSED, UNDECIDED) if compared.expect else ("",)
        assert effect.verdict in verdicts, compared.title

    page = (result.path / "report.md").read_text()
    assert page.startswith(f"# {file.stem}, size smoke\n\n{asked.question} ")
    for compared in asked.comparisons:
        assert f"| {compared.title} | " in page
        assert compared.title in output
    assert f"verdict: {result.verdict()}" in output

    for member, run in result.runs():
        home = folder / "runs" / f"{member.of or file.stem}-smoke"
        assert run.folder.path == home / member.name
        for architecture_id in run.elites.values():
            for measure in asked.measures:
                assert measured_file(run, architecture_id, measure=measure).is_file()
    assert not any((result.path / member.name).exists() for member in asked.members if member.of)
    for lender, its in planned.lenders.items():
        assert evonas.load_experiment(folder / "runs" / f"{lender}-smoke").experiment == its
