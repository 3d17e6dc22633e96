"""The command line: evolve, resume, front, describe, train, experiment, rank.

Exit codes: 0 done, 2 bad input, 130 interrupted, 1 anything else. An error is one line on standard error.
torch, ray, pandas and scipy are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from evonas import __version__
from evonas.errors import ConfigError, EvonasError
from genomes.errors import GenomeError

if TYPE_CHECKING:
    from evonas.runs.progress import Reporter

# What a wrong command line raises; typer does not export the class.
USAGE_ERRORS = cast("tuple[type[Exception], ...]", typer.BadParameter.__bases__)

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="evonas",
    help="Multi-scale evolutionary architecture search for spiking neural networks.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

RunDir = Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The folder of a run.", show_default=False)]
Generations = Annotated[
    int | None, typer.Option(metavar="G", help="Last generation; 0 is the random first one.")
]
Workers = Annotated[int | None, typer.Option(metavar="W", help="Worker processes.")]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the data lie or are put.")]
Device = Annotated[
    str | None, typer.Option(metavar="cpu|cuda", help="Where to train; cuda uses mixed precision.")
]

Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="section.key=value", help="Any setting; may be repeated."),
]


class _UsageError(EvonasError):
    """What the parser of the command line refuses."""


class _Interrupted(Exception):
    """Ctrl-C or SIGTERM; the message says how to go on."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"evonas {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Multi-scale evolutionary architecture search for spiking neural networks."""


@app.command()
def evolve(
    experiment: Annotated[
        Path | None, typer.Argument(metavar="EXPERIMENT.toml", help="Settings of the run; flags win over it.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="D|FILE.npz", help="A data set by name, or a file of your own.")
    ] = None,
    data_dir: DataDir = None,
    space: Annotated[str | None, typer.Option(metavar="S", help="The search space.")] = None,
    population: Annotated[int | None, typer.Option(metavar="N", help="Genomes per generation.")] = None,
    generations: Generations = None,
    workers: Workers = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="Seed of every random draw.")] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            metavar="M", help="Stop at the first evaluation that ends after this time; it can be resumed."
        ),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the run; new or empty.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="RAY_ADDRESS", help="A running Ray cluster to join.")
    ] = None,
    assignments: Assignments = None,
) -> None:
    """Evolve networks, print the front, train the elites that the settings ask for."""
    from evonas.runs import config as run_config

    flags = {
        "data.name": dataset,
        "data.root": None if data_dir is None else str(data_dir),
        "space.name": space,
        "evolution.population": population,
        "evolution.generations": generations,
        "evolution.seed": seed,
        "evaluation.workers": workers,
        "evaluation.address": address,
    }
    config = run_config.resolve(experiment=experiment, flags=flags, assignments=assignments or ())
    if max_minutes is not None and not max_minutes > 0:
        raise ConfigError(f"--max-minutes must be above 0; got {max_minutes:g}")
    with _reported("resume") as reporter:
        from evonas import pipeline

        pipeline.evolve(config, run_dir=run_dir, max_minutes=max_minutes, reporter=reporter)


@app.command()
def resume(run_dir: RunDir, generations: Generations = None, workers: Workers = None) -> None:
    """Go on with a run that was stopped or killed; more generations extend a finished one."""
    with _reported("resume", run_dir) as reporter:
        from evonas import pipeline

        pipeline.resume(run_dir, generations=generations, workers=workers, reporter=reporter)


@app.command()
def front(
    run_dir: RunDir,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the front there, genomes included.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the front there (PNG, SVG or PDF).")
    ] = None,
) -> None:
    """Print the front of a run, finished or not."""
    from evonas.runs.progress import reporter
    from evonas.runs.results import load_run

    run = load_run(run_dir)
    if figure is not None:
        from evonas.runs.figure import draw_front

        draw_front(run, figure)
    if csv is not None:
        from evonas.atomic import atomic_write

        atomic_write(csv, run.pareto_front().to_csv(index=False).encode())
    reporter().front(run)


@app.command()
def describe(
    target: Annotated[
        str,
        typer.Argument(
            metavar="GENOME.json|NAME|RUN_DIR:ARCHITECTURE_ID",
            help="A saved genome, one of the library, or one of a run by the beginning of its id.",
        ),
    ],
) -> None:
    """Show a network part by part: shapes, parameters, MACs, motifs."""
    from evonas import pipeline

    typer.echo(pipeline.describe(target))


@app.command()
def train(
    run_dir: RunDir,
    elite: Annotated[
        str | None,
        typer.Option(
            metavar="RANK_OR_ARCHITECTURE_ID", help="Which network of the front; the knee if not given."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="E", help="Passes over the training split.")] = None,
    device: Device = None,
) -> None:
    """Train a network of the front in full; the same command again goes on where it was stopped."""
    with _reported("train", run_dir) as reporter:
        from evonas import pipeline

        pipeline.train(run_dir, elite=elite, epochs=epochs, device=device, reporter=reporter)


@app.command()
def experiment(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE.toml", help="An experiment of experiments/, or its file.")
    ],
    size: Annotated[str, typer.Option(metavar="S", help="One of the sizes in the file.")] = "smoke",
    run_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of its runs and table; runs/NAME-SIZE if not given."),
    ] = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    device: Device = None,
    assignments: Assignments = None,
) -> None:
    """Make the runs of an experiment and print its table; the same command again goes on where it was stopped."""
    from evonas.runs import experiment_file as experiments

    flags = {
        "data.root": None if data_dir is None else str(data_dir),
        "evaluation.workers": workers,
        "training.device": device,
    }
    plan = experiments.plan(experiments.find(name), size=size, flags=flags, assignments=assignments or ())
    given = {"run-dir": run_dir, "data-dir": data_dir, "workers": workers, "device": device}
    options = [(f"--{option}", str(value)) for option, value in given.items() if value is not None]
    options += [("--set", text) for text in assignments or ()]
    again = shlex.join(["experiment", name, "--size", size, *chain(*options)])
    with _reported(again, of_one_run=False) as reporter:
        from evonas import pipeline

        pipeline.experiment(plan, folder=run_dir, reporter=reporter)


@app.command()
def rank(
    context: typer.Context,
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="A CSV with test_acc and cell or genome, or a folder as SpikeNAS-Bench has it.",
            show_default=False,
        ),
    ],
    space: Annotated[
        str, typer.Option(metavar="S", help="The search space of its networks.", show_default=False)
    ],
    proxies: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME...",
            help="Any objectives, a+b merges two by rank; default is the engine's fitness, none ranks the baselines.",
        ),
    ] = "default",
    dataset: Annotated[
        str, typer.Option(metavar="D|FILE.npz", help="What the networks are shown.")
    ] = "cifar10",
    data_dir: DataDir = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Score only N of the different networks, drawn at random.")
    ] = None,
    workers: Workers = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Take only the rows that have this; may be repeated."),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="NAME,NAME...", help="Columns of TABLE to rank beside.")
    ] = None,
    distinct: Annotated[
        str, typer.Option(metavar="COLUMN", help="Rows of one network have this in common.")
    ] = "architecture_id",
    noise: Annotated[
        int, typer.Option(metavar="N", help="Score N networks again with other first weights; 0 for none.")
    ] = 50,
    predict: Annotated[
        bool, typer.Option("--predict", help="See how a few trained networks help to order the rest.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write all scores there, a row for each.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all statistics there, as JSON.")
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw scores against accuracies there (PNG, SVG or PDF)."),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the scores; runs/rank-... if not given.")
    ] = None,
    assignments: Assignments = None,
) -> None:
    """Tell how well proxies rank networks whose accuracy is known; the same command again computes nothing twice."""
    from evonas.ranking import Request
    from evonas.runs import config as run_config

    flags = {
        "data.name": dataset,
        "data.root": None if data_dir is None else str(data_dir),
        "space.name": space,
        "evaluation.workers": workers,
    }
    config = run_config.resolve(flags=flags, assignments=assignments or ())
    request = Request(
        table,
        proxies=() if proxies == "none" else _listed(proxies),
        columns=_listed(columns or ""),
        only=tuple(only or ()),
        distinct=distinct,
        limit=limit,
        noise=noise,
        predict=predict,
        csv=csv,
        report=report,
        figure=figure,
    )
    with _reported(shlex.join(context.obj), of_one_run=False) as reporter:
        from evonas import pipeline

        pipeline.rank(request, config, run_dir=run_dir, reporter=reporter)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with contextlib.suppress(ValueError):  # not the main thread: signals stay with whoever has it
        signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except (_Interrupted, KeyboardInterrupt) as interruption:
        return _say(f"interrupted{_separated(interruption)}", INTERRUPTED)
    except (EvonasError, GenomeError) as error:
        return _say(f"error: {error}", BAD_INPUT)
    except OSError as error:
        _give_up_output()
        if isinstance(error, BrokenPipeError):
            return FAILED  # the reader of a pipe left, `| head` for one: nothing to tell
        where = f" ({error.filename})" if error.filename is not None else ""
        # A full disk or a folder that cannot be written is for the user to mend, like any other bad input.
        return _say(f"error: {error.strerror or error}{where}; what was written before is intact", BAD_INPUT)


def _run(arguments: list[str]) -> int:
    """Parse and invoke; typer's own `main` is left out because it prints errors in a box and swallows Ctrl-C."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("evonas", arguments, obj=tuple(arguments)) as context:
            command.invoke(context)
    except typer.Exit as end:
        return int(end.exit_code)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except USAGE_ERRORS as problem:
        error: Any = problem
        path = error.ctx.command_path if error.ctx is not None else "evonas"
        raise _UsageError(f"{error.format_message().rstrip('.')}; see '{path} --help'") from None
    return DONE


@contextlib.contextmanager
def _reported(verb: str, run_dir: Path | None = None, *, of_one_run: bool = True) -> Iterator[Reporter]:
    """A reporter that gives the terminal back in the end, and says how to go on when interrupted.

    That is by `verb` and the folder of the run; if not `of_one_run`, by `verb` alone, and then nothing is said about
    what to do next with a run.
    """
    from evonas.runs.progress import command_name, reporter

    shown = reporter(hints=of_one_run)
    try:
        yield shown
    except (KeyboardInterrupt, SystemExit) as stop:
        # Ray answers SIGTERM with sys.exit(15) where it has put its own handler.
        if isinstance(stop, SystemExit) and stop.code != signal.SIGTERM:
            raise
        folder = shown.folder or run_dir
        command = f"{verb} {folder}" if of_one_run else verb
        hint = f"go on with: {command_name()} {command}" if folder else "nothing was written yet"
        raise _Interrupted(hint) from None
    finally:
        shown.close()


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _separated(interruption: BaseException) -> str:
    return f"; {interruption}" if str(interruption) else ""


def _give_up_output() -> None:
    """Drop what standard output cannot take, or the interpreter would complain once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str, code: int) -> int:
    print("evonas: " + " ".join(text.split()), file=sys.stderr, flush=True)
    return code
