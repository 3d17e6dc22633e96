"""What a person sees while a run goes on: plain lines, with a live bar below them on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evonas.runs.folder import RunRecord
from evonas.runs.table import aligned, amount, front_cells, grid

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from evonas.runs.experiment_table import ExperimentResult
    from evonas.runs.results import Run


N_SCORING_LINES = 10
"""Lines that a scoring of whatever length leaves in a log file."""


UNKNOWN = "-"
"""What stands for a time that nothing is known about yet."""


class Reporter(Protocol):
    """What a run tells as it goes on. Calls come from one thread, in the order below; none may raise."""

    @property
    def folder(self) -> Path | None:
        """The folder of the run, once `begin` has named it."""
        ...

    def begin(self, *, folder: Path, record: RunRecord, n_generations: int, first: int) -> None:
        """A run starts or is taken up: generations `first` to `n_generations` are still to do, counted from 0."""
        ...

    def note(self, text: str) -> None:
        """Something worth knowing, one line: a damaged checkpoint, a download, a skipped step."""
        ...

    def evaluated(self, *, n_done: int, n_total: int) -> None:
        """`n_done` of the `n_total` proposals of the present generation have their outcome."""
        ...

    def generation(self, record: Mapping[str, Any]) -> None:
        """A generation is over; `record` is the one of `evonas.evolution.loop`, with its wall time in `seconds`."""
        ...

    def finished(self, run: Run) -> None:
        """The evolution is over, or its time is up: the front, and once its elites are trained what to do next."""
        ...

    def training(self, *, architecture_id: str, n_epochs: int) -> None:
        """The training of an elite starts, or is taken up after the last finished epoch."""
        ...

    def epoch(
        self,
        *,
        epoch: int,
        n_epochs: int,
        loss: float,
        accuracy: float,
        images_per_second: float,
        seconds: float,
    ) -> None:
        """An epoch is over; `accuracy` is that on the validation split."""
        ...

    def trained(self, *, architecture_id: str, test_accuracy: float, folder: Path) -> None:
        """The training of an elite is over; its files are in `folder`."""
        ...

    def experiment(self, result: ExperimentResult) -> None:
        """All runs of an experiment are over: its table."""
        ...

    def scoring(self, *, folder: Path, text: str) -> None:
        """The networks of a table are about to be scored: `text` says how many, and how."""
        ...

    def scored(self, *, n_done: int, n_total: int, seconds: float) -> None:
        """`n_done` of `n_total` networks have been scored since `seconds` ago."""
        ...

    def table(self, cells: Sequence[Sequence[str]], *, title: str) -> None:
        """A table, its header first."""
        ...

    def close(self) -> None:
        """Give the terminal back; may be called twice."""
        ...


def reporter(*, hints: bool = True) -> PlainReporter:
    """A live reporter on a terminal, a plain one otherwise; without `hints` it does not say what to type next."""
    if sys.stdout.isatty() and os.environ.get("TERM", "") != "dumb":
        return LiveReporter(hints=hints)
    return PlainReporter(hints=hints)


class PlainReporter:
    """Lines on standard output, each complete when it appears, so that a log file can be followed."""

    def __init__(self, *, hints: bool = True) -> None:
        self.folder: Path | None = None
        self._gives_hints = hints
        self._names: tuple[str, ...] = ()
        self._n_generations = 0
        self._seconds: list[float] = []
        self._hints: list[str] = []
        self._n_to_train = 0

    def line(self, text: str) -> None:
        """Print one line."""
        print(text, flush=True)

    def begin(self, *, folder: Path, record: RunRecord, n_generations: int, first: int) -> None:
        self.folder = folder
        self._names = tuple(spec.name for spec in record.objectives)
        self._n_generations = n_generations
        self._seconds = []
        config = record.config
        done = "" if first == 0 else f", taken up at generation {first}"
        settings = config.evaluation
        workers = "" if settings.executor == "serial" else f" with {settings.workers} workers"
        self.line(
            f"{folder}: {config.data.name}, space {config.space.name}, {config.evolution.strategy}, population "
            f"{config.evolution.population}, generations 0 to {n_generations}, seed {config.evolution.seed}, "
            f"{settings.executor}{workers}{done}"
        )

    def note(self, text: str) -> None:
        self.line(text)

    def evaluated(self, *, n_done: int, n_total: int) -> None:
        pass  # lines are for whole generations

    def generation(self, record: Mapping[str, Any]) -> None:
        self._seconds.append(record["seconds"])
        left = (self._n_generations - record["generation"]) * sum(self._seconds) / len(self._seconds)
        best = "  ".join(f"{name} {amount(record[f'best_{name}'])}" for name in self._names)
        infeasible = f"infeasible {record['n_infeasible']}  " if record["n_infeasible"] else ""
        rate = record["n_evaluated"] / record["seconds"] if record["seconds"] > 0 else 0.0
        self.line(
            f"generation {record['generation']}/{self._n_generations}  evaluated {record['n_evaluated']}  "
            f"cached {record['n_cached']}  failed {record['n_failed']}  {infeasible}{rate:.1f}/s  best: {best}  "
            f"hypervolume {record['hypervolume']:.4f}  front {record['n_front']}  left {clock(left)}"
        )

    def finished(self, run: Run) -> None:
        self.close()
        if not run.front and run.is_complete:
            return  # an error follows, which says why and how to go on
        self.line("")
        self.front(run)
        self._hints = _next_commands(run) if self._gives_hints else []
        self._n_to_train = len(set(run.elites.values())) if run.is_complete else 0
        if self._n_to_train == 0:
            self._tell_what_is_next()

    def front(self, run: Run) -> None:
        """Print the front of `run` as a table."""
        self.table(front_cells(run), title=f"{len(run.front)} networks on the front of {run.folder.path}")

    def training(self, *, architecture_id: str, n_epochs: int) -> None:
        self.line(f"training {architecture_id} for {n_epochs} epochs")

    def epoch(
        self,
        *,
        epoch: int,
        n_epochs: int,
        loss: float,
        accuracy: float,
        images_per_second: float,
        seconds: float,
    ) -> None:
        self.line(
            f"epoch {epoch}/{n_epochs}  loss {loss:.4f}  validation accuracy {accuracy:.4f}  "
            f"{images_per_second:.0f} images/s  left {clock((n_epochs - epoch) * seconds)}"
        )

    def trained(self, *, architecture_id: str, test_accuracy: float, folder: Path) -> None:
        self.close()
        self.line(f"test accuracy: {test_accuracy:.4f}")
        self.line(f"{architecture_id} is in {folder}")
        self._n_to_train -= 1
        if self._n_to_train == 0:
            self._tell_what_is_next()

    def experiment(self, result: ExperimentResult) -> None:
        """Print an experiment: question, figures of the paper, table, what its size is, and where the table lies."""
        self.close()
        asked = result.experiment
        self.line(f"\n{asked.question} ({asked.source})")
        if asked.published:
            figures = (f"{name.replace('_', ' ')} {figure}" for name, figure in asked.published.items())
            self.line(f"reported: {', '.join(figures)}")
        title = f"{asked.name}, size {asked.size}"
        for cells in (result.ranking_cells(), result.cells()):
            if len(cells) > 1:
                self.table(cells, title=title)
        if asked.comparisons:
            self.table(result.effect_cells(), title="differences by seed, with 95 % intervals")
            if verdict := result.verdict():
                self.line(f"verdict: {verdict}")
        self.line(result.extent())
        self.line(f"table: {result.csv}")

    def scoring(self, *, folder: Path, text: str) -> None:
        self.folder = folder
        self.line(f"{folder}: {text}")

    def scored(self, *, n_done: int, n_total: int, seconds: float) -> None:
        if n_done * N_SCORING_LINES // n_total > (n_done - 1) * N_SCORING_LINES // n_total:
            left = (n_total - n_done) * seconds / n_done
            self.line(f"scored {n_done}/{n_total}  {n_done / max(seconds, 1e-9):.1f}/s  left {clock(left)}")

    def table(self, cells: Sequence[Sequence[str]], *, title: str) -> None:
        """Print a table below its title, its header first."""
        self.close()
        self.line("")
        self.line(title)
        for text in aligned(cells):
            self.line(text)

    def _tell_what_is_next(self) -> None:
        if self._hints:
            self.line("")
        for i, hint in enumerate(self._hints):
            self.line(("next: " if i == 0 else "      ") + hint)

    def close(self) -> None:
        pass  # nothing is held


class LiveReporter(PlainReporter):
    """The lines of `PlainReporter`, and a bar below them that moves with every evaluation and epoch."""

    def __init__(self, console: Console | None = None, *, hints: bool = True) -> None:
        # rich.progress takes a tenth of a second to import, which `--help` should not pay.
        from rich.console import Console as RichConsole

        super().__init__(hints=hints)
        self._first = 0
        self._console = console or RichConsole()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._timed_from: tuple[float, int] | None = None

    def line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def evaluated(self, *, n_done: int, n_total: int) -> None:
        self._move(
            f"generation {self._next()}/{self._n_generations}",
            n_done=n_done,
            n_total=n_total,
            left=self._left(n_done=n_done, n_total=n_total),
        )

    def _left(self, *, n_done: int, n_total: int) -> str:
        """How long the run still takes, at the pace since its first evaluation here; Ray's start says nothing of it."""
        now, done = time.monotonic(), len(self._seconds) * n_total + n_done
        if self._timed_from is None:
            self._timed_from = now, done
        begun, done_before = self._timed_from
        if done <= done_before:
            return UNKNOWN
        to_do = (self._n_generations - self._first + 1) * n_total - done
        return clock(to_do * (now - begun) / (done - done_before))

    def epoch(
        self,
        *,
        epoch: int,
        n_epochs: int,
        loss: float,
        accuracy: float,
        images_per_second: float,
        seconds: float,
    ) -> None:
        super().epoch(
            epoch=epoch,
            n_epochs=n_epochs,
            loss=loss,
            accuracy=accuracy,
            images_per_second=images_per_second,
            seconds=seconds,
        )
        left = clock((n_epochs - epoch) * seconds)
        self._move("training", n_done=epoch, n_total=n_epochs, left=left)

    def begin(self, *, folder: Path, record: RunRecord, n_generations: int, first: int) -> None:
        super().begin(folder=folder, record=record, n_generations=n_generations, first=first)
        self._first = first
        self._timed_from = None
        population = record.config.evolution.population
        self._move(f"generation {first}/{n_generations}", n_done=0, n_total=population, left=UNKNOWN)

    def scored(self, *, n_done: int, n_total: int, seconds: float) -> None:
        left = clock((n_total - n_done) * seconds / n_done)
        self._move("scoring", n_done=n_done, n_total=n_total, left=left)

    def table(self, cells: Sequence[Sequence[str]], *, title: str) -> None:
        self.close()
        self._console.print(grid(cells, title=title))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _next(self) -> int:
        return self._first + len(self._seconds)

    def _move(self, text: str, *, n_done: int, n_total: int, left: str) -> None:
        from rich import progress

        if self._bar is None:
            columns = (
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeElapsedColumn(),
                progress.TextColumn("left {task.fields[left]}"),
            )
            self._bar = progress.Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task(text, total=n_total, left=left)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, description=text, completed=n_done, total=n_total, left=left)


def _next_commands(run: Run) -> list[str]:
    """What a person can type after `run`, most likely first."""
    command, path = command_name(), run.folder.path
    if not run.is_complete:
        return [f"{command} resume {path}    (the generations that are missing)"]
    further = run.record.config.evolution.generations * 2 or 10
    resume = f"{command} resume {path} --generations {further}    (evolve on)"
    if run.record.config.training.elites:
        return [
            f"{command} front {path}    (choose another to train: {command} train {path} --elite 1)",
            resume,
        ]
    return [f"{command} train {path}    (train the knee in full)", resume]


def clock(seconds: float) -> str:
    """A duration as hours, minutes, seconds.

    >>> clock(42), clock(3725)
    ('0:42', '1:02:05')
    """
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def command_name() -> str:
    """How to call this program from the present folder: by name when it is on the path, else by file."""
    if shutil.which("evonas"):
        return "evonas"
    script = Path(sys.argv[0])
    if script.name != "evonas":
        return f"{Path(sys.executable).name} -m evonas"
    return os.path.relpath(script)
