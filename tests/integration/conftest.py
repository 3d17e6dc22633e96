"""Whole runs: in this process on the serial executor, or by the installed command in a process that can be killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import evonas
from evonas.runs.config import resolve
from evonas.runs.progress import PlainReporter
from evonas.runs.results import MAY_DIFFER

POPULATION, GENERATIONS = 6, 2
SMALL = (
    *("--dataset", "digits", "--population", str(POPULATION), "--generations", str(GENERATIONS)),
    *("--set", "training.elites=0", "--set", "evaluation.batch=16"),
)
PATIENCE_S = 110.0
"""Longest wait for anything; never what a test is about."""

COMMAND = Path(sys.executable).with_name("evonas")


class Process:
    """A process, told apart from a later one of the same number by the clock tick it started at."""

    def __init__(self, pid: int, started: str, name: str) -> None:
        self.pid, self.started, self.name = pid, started, name

    @property
    def alive(self) -> bool:
        found = read_process(self.pid)
        return found is not None and found[0].started == self.started

    @property
    def title(self) -> str:
        """What it calls itself; a Ray worker says there which actor it is."""
        try:
            return (
                Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:
            return ""

    @property
    def is_worker(self) -> bool:
        """Whether it holds an actor of the executor, starting or started."""
        return self.title.startswith("ray::Worker")

    def __repr__(self) -> str:
        return f"{self.pid} {self.title[:60] or self.name}"


def read_process(pid: int) -> tuple[Process, int] | None:
    """The process and its parent's number; None when there is none or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, fields = text.partition("(")[2].rpartition(")")[0], text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else (Process(pid, fields[19], name), int(fields[1]))


class Command:
    """The installed command at work, with every process that it or its children ever started."""

    def __init__(self, line: Sequence[str], *, cwd: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            list(line),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.pid = self.process.pid
        self._family: dict[int, Process] = {}
        self._stop = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        self._texts: dict[str, str] = {}
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True) for name in ("stdout", "stderr")
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        stream = getattr(self.process, name)
        with stream:
            self._texts[name] = stream.read()

    def _look(self) -> None:
        while not self._stop.is_set():
            self._scan()
            self._stop.wait(0.05)

    def _scan(self) -> None:
        """Add the children of known processes; those whose parent has died stay known."""
        running = [read_process(int(entry)) for entry in os.listdir("/proc") if entry.isdecimal()]
        parents = {found[0].pid: (found[0], found[1]) for found in running if found is not None}
        grew = True
        while grew:
            grew = False
            for pid, (process, parent) in parents.items():
                if parent == self.pid or parent in self._family:
                    known = self._family.get(pid)
                    if known is None or known.started != process.started:
                        self._family[pid] = process
                        grew = True

    def family(self) -> list[Process]:
        """The descendants that still run."""
        return [process for process in list(self._family.values()) if process.alive]

    def workers(self) -> list[Process]:
        return [process for process in self.family() if process.is_worker]

    def wait_for(self, condition: Callable[[], object], *, what: str) -> None:
        """Return once `condition` holds, or at once when the command has ended."""
        until = time.monotonic() + PATIENCE_S
        while not condition() and self.process.poll() is None:
            assert time.monotonic() < until, f"{what} did not happen within {PATIENCE_S} s"
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL the driver, and nothing else."""
        self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def finish(self) -> tuple[int, str, str]:
        """Exit code, standard output, standard error, once the command has ended by itself."""
        code = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(5.0)  # after SIGKILL Ray's own processes may hold the pipe for a minute
        return code, self._texts.get("stdout", ""), self._texts.get("stderr", "")

    def clean_up(self) -> None:
        self.kill()
        self._scan()
        self._stop.set()
        self._watch.join()
        for process in self.family():
            os.kill(process.pid, signal.SIGKILL)


Start = Callable[..., Command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command, or `line`, in the test's folder; it ends with all its children when the test does."""
    begun: list[Command] = []

    def run(
        *arguments: object, line: Sequence[object] = (COMMAND,), env: dict[str, str] | None = None
    ) -> Command:
        command = Command(
            [str(part) for part in (*line, *arguments)], cwd=tmp_path, env={**os.environ, **(env or {})}
        )
        begun.append(command)
        return command

    yield run
    for command in begun:
        command.clean_up()


@pytest.fixture
def run_command(start: Start) -> Callable[..., tuple[int, str, str]]:
    """Run the command to its end: exit code, standard output, standard error."""

    def run(*arguments: object, **options: Any) -> tuple[int, str, str]:
        return start(*arguments, **options).finish()

    return run


class Listener(PlainReporter):
    """A reporter that keeps what it is told instead of printing it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


class Engine:
    """Runs in this process, on the serial executor."""

    def evolve(self, run_dir: Path | None, *assignments: str, max_minutes: float | None = None) -> list[str]:
        """A small run in `run_dir`; returns what a person would have been told."""
        from evonas import pipeline

        settings = [
            *(
                "data.name=digits",
                f"evolution.population={POPULATION}",
                f"evolution.generations={GENERATIONS}",
            ),
            *("training.elites=0", "evaluation.batch=16", "evaluation.executor=serial", *assignments),
        ]
        listener = Listener()
        pipeline.evolve(
            resolve(assignments=settings), run_dir=run_dir, max_minutes=max_minutes, reporter=listener
        )
        return listener.lines

    def resume(
        self, run_dir: Path, *, generations: int | None = None, workers: int | None = None
    ) -> list[str]:
        from evonas import pipeline

        listener = Listener()
        pipeline.resume(run_dir, generations=generations, workers=workers, reporter=listener)
        return listener.lines


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """A run that nothing interrupted; read it, or copy it."""
    path = tmp_path_factory.mktemp("whole") / "run"
    engine.evolve(path)
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of the whole run, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.fixture
def rows() -> Callable[[Path], list[bytes]]:
    return read_rows


def read_rows(run_dir: Path) -> list[bytes]:
    """The lines of the evaluation log that are there in full."""
    log = run_dir / "evaluations.jsonl"
    return (
        [line for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        if log.exists()
        else []
    )


@pytest.fixture
def cut() -> Callable[..., None]:
    return cut_run


def cut_run(run_dir: Path, *, n_rows: int, extra: bytes = b"") -> None:
    """Leave what a driver leaves that was killed after row `n_rows`: the log, and checkpoints no newer than it."""
    (run_dir / "evaluations.jsonl").write_bytes(b"".join(read_rows(run_dir)[:n_rows]) + extra)
    for path in (run_dir / "checkpoints").iterdir():
        state = json.loads(path.read_bytes())["state"]["evolution"]
        if state["n_proposed"] - len(state["pending"]) > n_rows:
            path.unlink()


@pytest.fixture
def assert_same() -> Callable[[Path, Path], None]:
    return assert_same_run


def assert_same_run(one: Path, other: Path) -> None:
    """Fail unless two runs found the same, to the last bit; only time, worker and attempts may differ."""
    first, second = evonas.load_run(one), evonas.load_run(other)
    assert first.is_complete
    assert_frame_equal(comparable(first.evaluations()), comparable(second.evaluations()), check_exact=True)
    assert_frame_equal(first.pareto_front(), second.pareto_front(), check_exact=True)
    assert_frame_equal(
        first.generations().drop(columns="seconds"),
        second.generations().drop(columns="seconds"),
        check_exact=True,
    )


def comparable(evaluations: pd.DataFrame) -> pd.DataFrame:
    """The columns in which two runs of one seed must agree; diagnostics as text, where NaN equals NaN."""
    kept = evaluations.drop(columns=list(MAY_DIFFER))
    return kept.assign(diagnostics=[json.dumps(values, sort_keys=True) for values in kept["diagnostics"]])


@pytest.fixture
def fault_module(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Write the module `faulty`: the default space, and an objective that misbehaves for chosen architectures.

    A worker imports the module when it unpickles the space. Returns the environment that makes it importable.
    """

    def write(**behaviour: str) -> dict[str, str]:
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        (folder / "faulty.py").write_text(FAULTY.format(behaviour=behaviour, folder=str(folder)))
        return {"PYTHONPATH": str(folder)}

    return write


FAULTY = """
import os, signal, sys, time
from dataclasses import dataclass
from pathlib import Path

from evonas.objectives import OBJECTIVES, Objective
from evonas.proxies import Measured
from genomes.space import SPACES
from genomes.spaces.evonas import EvonasSpace

BEHAVIOUR = {behaviour!r}  # architecture id by what it does
FOLDER = Path({folder!r})


@dataclass(frozen=True)
class FaultySpace(EvonasSpace):
    name = "faulty"


def value(candidate):
    identity = candidate.architecture.id
    if identity == BEHAVIOUR.get("kills"):
        os.kill(os.getpid(), signal.SIGKILL)
    if identity == BEHAVIOUR.get("kills_once"):
        try:
            (FOLDER / "killed").touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    if identity == BEHAVIOUR.get("sleeps"):
        time.sleep(3600)
    if identity == BEHAVIOUR.get("raises"):
        raise ValueError("this network cannot be measured\\nand here is more")
    if identity == BEHAVIOUR.get("is_nan"):
        return Measured(float("nan"))
    return Measured(float(candidate.architecture.n_parameters))


SPACES.register("faulty", FaultySpace)
OBJECTIVES.register(
    "size", Objective("size", "min", "", "log10", (), value, OBJECTIVES.get("parameters").bounds)
)
"""


@pytest.fixture
def faulty_line() -> list[str]:
    """The command, with the module `faulty` loaded first."""
    code = "import sys, faulty; from evonas.cli import main; sys.exit(main())"
    return [sys.executable, "-c", code]
