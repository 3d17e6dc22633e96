from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import evonas
from evonas.cli import main
from evonas.errors import ConfigError, DataMissingError
from evonas.evolution.fitness import ObjectiveSpec
from evonas.ranking import Request
from evonas.runs.config import resolve
from evonas.runs.folder import RunRecord, create, write_record
from evonas.runs.log import LogWriter, Row
from genomes.errors import UnknownNameError


@pytest.fixture(autouse=True)
def _restored_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run of three evaluations on disk."""
    specs = (
        ObjectiveSpec(name="rdm", direction="max", unit="", scale="linear", bounds=(0.0, 1.0)),
        ObjectiveSpec(name="energy_nj", direction="min", unit="nJ", scale="log10", bounds=(0.1, 100.0)),
    )
    folder = create(tmp_path / "run")
    write_record(folder, RunRecord(config=resolve(), input_shape=(1, 8, 8), n_classes=10, objectives=specs))
    points = [(0.9, 50.0), (0.8, 2.0), (0.1, 1.0)]
    with LogWriter(folder.evaluations) as log:
        for i, (rdm, energy) in enumerate(points):
            objectives = {"rdm": rdm, "energy_nj": energy}
            log.append([Row(i, 0, f"a{i}", "ok", objectives, 0.0, {}, "", {"g": i}, (), 0.1, "serial", 1)])
    return folder.path


class FakePipeline(types.ModuleType):
    """Stands for `evonas.pipeline`, whose work is not the command line's: records calls, raises what it is told to."""

    def __init__(self) -> None:
        super().__init__("evonas.pipeline")
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.error: BaseException | None = None

    def _called(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        options.pop("reporter", None)
        self.calls.append((name, arguments, options))
        if self.error is not None:
            raise self.error

    def evolve(self, *arguments: Any, **options: Any) -> Path:
        self._called("evolve", arguments, options)
        return Path("runs/x")

    def resume(self, *arguments: Any, **options: Any) -> None:
        self._called("resume", arguments, options)

    def train(self, *arguments: Any, **options: Any) -> None:
        self._called("train", arguments, options)

    def experiment(self, *arguments: Any, **options: Any) -> Path:
        self._called("experiment", arguments, options)
        return Path("runs/x")

    def rank(self, *arguments: Any, **options: Any) -> Path:
        self._called("rank", arguments, options)
        return Path("runs/x")

    def describe(self, *arguments: Any) -> str:
        self._called("describe", arguments, {})
        return "one line\nper part"


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    fake = FakePipeline()
    monkeypatch.setitem(sys.modules, "evonas.pipeline", fake)
    monkeypatch.setattr(evonas, "pipeline", fake, raising=False)
    return fake


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("evonas: ")
    return line


def test_evolve_resolves_its_flags_into_settings(pipeline: FakePipeline, tmp_path: Path) -> None:
    experiment = tmp_path / "e.toml"
    experiment.write_text("[evolution]\npopulation = 6\nseed = 9\n")
    flags = (
        f"{experiment} --dataset cifar10 --data-dir d --space snasnet --population 8 --generations 0 --workers 3 "
        "--seed 4 --max-minutes 1.5 --run-dir r --address auto --set evaluation.batch=100 --set space.width=4"
    )
    assert main(["evolve", *flags.split()]) == 0
    ((name, (config,), options),) = pipeline.calls
    assert (name, options) == ("evolve", {"run_dir": Path("r"), "max_minutes": 1.5})
    expected = {
        "data.name": "cifar10",
        "data.root": "d",
        "space.name": "snasnet",
        "space.width": 4,
        "evolution.population": 8,
        "evolution.generations": 0,
        "evolution.seed": 4,
        "evaluation.workers": 3,
        "evaluation.address": "auto",
        "evaluation.batch": 100,
    }
    assert config == resolve(flags=expected)


def test_evolve_without_anything_is_the_preset_of_digits(pipeline: FakePipeline) -> None:
    assert main(["evolve"]) == 0
    assert pipeline.calls == [("evolve", (resolve(),), {"run_dir": None, "max_minutes": None})]


def test_resume_train_and_describe_pass_on_what_was_given(
    pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resume", "r", "--generations", "20", "--workers", "2"]) == 0
    assert main(["resume", "r"]) == 0
    assert main(["train", "r", "--elite", "2", "--epochs", "5", "--device", "cpu"]) == 0
    assert main(["describe", "r:a1"]) == 0
    assert pipeline.calls == [
        ("resume", (Path("r"),), {"generations": 20, "workers": 2}),
        ("resume", (Path("r"),), {"generations": None, "workers": None}),
        ("train", (Path("r"),), {"elite": "2", "epochs": 5, "device": "cpu"}),
        ("describe", ("r:a1",), {}),
    ]
    assert capsys.readouterr().out == "one line\nper part\n"


def test_experiment_plans_its_runs_and_takes_the_smoke_size_by_itself(
    pipeline: FakePipeline, tmp_path: Path
) -> None:
    file = tmp_path / "e.toml"
    file.write_text(
        'question = "?"\nsource = "s"\n[sizes.smoke]\nseeds = [0]\n[sizes.paper]\nseeds = [1, 2]\n'
    )
    flags = "--size paper --run-dir r --data-dir d --workers 3 --device cuda"
    assert main(["experiment", str(file)]) == 0
    assert main(["experiment", str(file), *flags.split()]) == 0
    (_, (smoke,), folders), (_, (paper,), given) = pipeline.calls
    assert (folders, given) == ({"folder": None}, {"folder": Path("r")})
    assert list(smoke.configs.values()) == [resolve()]
    expected = {"data.root": "d", "evaluation.workers": 3, "training.device": "cuda"}
    assert list(paper.configs.values()) == [
        resolve(flags={**expected, "evolution.seed": seed}) for seed in (1, 2)
    ]


def test_rank_asks_for_the_fitness_on_cifar10_by_itself(pipeline: FakePipeline) -> None:
    assert main(["rank", "t.csv", "--space", "spikenas_bench"]) == 0
    ((name, (request, config), options),) = pipeline.calls
    assert (name, options) == ("rank", {"run_dir": None})
    assert request == Request(Path("t.csv"), ("default",))
    assert config == resolve(flags={"data.name": "cifar10", "space.name": "spikenas_bench"})


def test_rank_passes_on_what_was_given(pipeline: FakePipeline, tmp_path: Path) -> None:
    flags = (
        "t --space evonas --proxies rdm,energy_nj --dataset digits --data-dir d --limit 7 --workers 3 --only a=1 "
        f"--only b=x --columns v,w --distinct c --noise 9 --predict --csv {tmp_path}/o --report {tmp_path}/r "
        f"--figure {tmp_path}/f.png --run-dir r --set evaluation.batch=8"
    )
    assert main(["rank", *flags.split()]) == 0
    ((_, (request, config), options),) = pipeline.calls
    assert options == {"run_dir": Path("r")}
    assert request == Request(
        table=Path("t"),
        proxies=("rdm", "energy_nj"),
        columns=("v", "w"),
        only=("a=1", "b=x"),
        distinct="c",
        limit=7,
        noise=9,
        predict=True,
        csv=tmp_path / "o",
        report=tmp_path / "r",
        figure=tmp_path / "f.png",
    )
    expected = {"data.name": "digits", "data.root": "d", "space.name": "evonas", "evaluation.workers": 3}
    assert config == resolve(flags={**expected, "evaluation.batch": 8})
    assert main(["rank", "t", "--space", "evonas", "--proxies", "none"]) == 0
    assert pipeline.calls[1][1][0].proxies == ()


def test_an_interrupted_ranking_says_the_whole_command_again(
    pipeline: FakePipeline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rank(request: Any, config: Any, *, run_dir: Path | None, reporter: Any) -> None:
        reporter.scoring(folder=Path("runs/rank-x"), text="at work")
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "rank", rank)
    assert main(["rank", "my table.csv", "--space", "evonas", "--proxies", "rdm"]) == 130
    assert error_line(capsys).endswith(" rank 'my table.csv' --space evonas --proxies rdm")


def test_front_prints_the_table_and_writes_csv(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    csv = run_dir.parent / "front.csv"
    assert main(["front", str(run_dir), "--csv", str(csv)]) == 0
    empty, title, header, *lines = capsys.readouterr().out.splitlines()
    assert (empty, title) == ("", f"3 networks on the front of {run_dir}")
    assert "energy_nj [nJ]" in header
    assert [line.split()[1] for line in lines] == ["a0", "a1", "a2"]
    table = pd.read_csv(csv)
    assert table["architecture_id"].tolist() == ["a0", "a1", "a2"]
    assert table["knee"].tolist() == [False, True, False]
    assert table["genome"].tolist() == ['{"g": 0}', '{"g": 1}', '{"g": 2}']


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("", ["Missing command"]),
        ("evolv", ["No such command 'evolv'"]),
        ("evolve --populaton 3", ["--populaton", "--population"]),
        ("evolve --population many", ["--population", "integer"]),
        ("evolve a.toml b.toml", ["unexpected extra argument"]),
        ("evolve none.toml", ["none.toml does not exist"]),
        ("evolve --population 1", ["evolution.population", "at least 2", "got 1"]),
        ("evolve --generations -1", ["evolution.generations", "at least 0", "got -1"]),
        ("evolve --workers 0", ["evaluation.workers", "at least 1", "got 0"]),
        ("evolve --seed -3", ["evolution.seed"]),
        ("evolve --max-minutes 0", ["--max-minutes", "above 0"]),
        ("evolve --max-minutes nan", ["--max-minutes", "above 0"]),
        ("evolve --set evolution.popul=3", ["did you mean 'evolution.population'"]),
        ("evolve --set evolution", ["section.key=value"]),
        ("resume", ["Missing argument 'RUN_DIR'"]),
        ("front nowhere", ["nothing to resume or read in nowhere"]),
        ("train", ["Missing argument 'RUN_DIR'"]),
        ("experiment", ["Missing argument 'NAME|FILE.toml'"]),
        ("rank", ["Missing argument 'TABLE'"]),
        ("rank t.csv", ["Missing option '--space'"]),
        ("rank t.csv --space s --limit 0", ["--limit must be at least 1; got 0"]),
        ("rank t.csv --space s --noise -1", ["--noise must be at least 0; got -1"]),
        ("rank t.csv --space s --workers 0", ["evaluation.workers", "at least 1", "got 0"]),
        ("rank t.csv --space s --csv none/o.csv", ["--csv: the folder none does not exist"]),
        ("experiment none.toml", ["none.toml does not exist"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: str, parts: list[str], pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    line = error_line(capsys)
    assert line.startswith("evonas: error: ")
    for part in parts:
        assert part in line
    assert pipeline.calls == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("unknown objective 'rmd'"), 2),
        (UnknownNameError("unknown motif"), 2),
        (DataMissingError("no data\nin two lines"), 2),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x/evaluations.jsonl"), 2),
        (PermissionError(errno.EACCES, "Permission denied"), 2),
        (KeyboardInterrupt(), 130),
        (SystemExit(int(signal.SIGTERM)), 130),
    ],
)
def test_what_the_engine_raises_becomes_one_line_and_its_exit_code(
    error: BaseException, code: int, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.error = error
    assert main(["resume", "runs/x"]) == code
    line = error_line(capsys)
    if code == 130:
        assert line.endswith("resume runs/x")
    else:
        assert str(error.args[-1]).splitlines()[-1] in line


def test_a_fault_of_the_program_itself_is_not_hidden(pipeline: FakePipeline) -> None:
    pipeline.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        main(["resume", "runs/x"])


def test_an_interruption_before_a_folder_was_named_says_that_nothing_is_there(
    pipeline: FakePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.error = KeyboardInterrupt()
    assert main(["evolve"]) == 130
    assert "nothing was written yet" in error_line(capsys)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_the_command_with_130_and_one_line(number: signal.Signals) -> None:
    script = """
import sys, time, types
import evonas
fake = types.ModuleType("evonas.pipeline")
def resume(run_dir, **options):
    print("at work", flush=True)
    time.sleep(60)
fake.resume = resume
sys.modules["evonas.pipeline"] = evonas.pipeline = fake
from evonas.cli import main
sys.exit(main(["resume", "runs/x"]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.startswith("evonas: interrupted; go on with: ")
    assert stderr.endswith("resume runs/x\n")
    assert stderr.count("\n") == 1


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "evonas", *arguments]


def test_the_exit_code_reaches_the_shell_and_no_traceback_does() -> None:
    done = subprocess.run(command("front", "nowhere"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    done = subprocess.run(command("--version"), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"evonas {evonas.__version__}\n", "")


@pytest.mark.parametrize("name", ["evolve", "resume", "front", "describe", "train", "experiment", "rank"])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: evonas {name}" in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert name in capsys.readouterr().out


def test_an_output_that_cannot_be_written_ends_in_at_most_one_line(run_dir: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("front", str(run_dir)), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr

    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        done = subprocess.run(
            command("front", str(run_dir)), stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_a_csv_that_cannot_be_written_ends_in_one_line(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["front", str(run_dir), "--csv", str(run_dir / "none" / "f.csv")]) == 2
    assert "No such file or directory" in error_line(capsys)
