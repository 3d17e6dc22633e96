"""Proxies against a table of trained networks: score what is not scored yet, then report."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import evonas.evaluation.evaluator as evaluator
import evonas.runs.config as run_config
import evonas.runs.folder as run_folder
from evonas.atomic import atomic_write
from evonas.data import Dataset
from evonas.errors import ConfigError, RunError
from evonas.evaluation.executor import evaluated
from evonas.objectives import OBJECTIVES
from evonas.pipeline.problem import Problem, build_problem, fitted, load_data
from evonas.pipeline.provenance import environment
from evonas.pipeline.running import executor
from evonas.pipeline.sources import source_digest
from evonas.ranking.answer import answer
from evonas.ranking.figure import new_figure
from evonas.ranking.merging import PLUS, parts
from evonas.ranking.report import Report
from evonas.ranking.request import Request
from evonas.ranking.scores import Scored, ScoreLog, Scores, some
from evonas.ranking.table import BASELINES, ID, MIN_NETWORKS, distinct, load_table, only, recognised
from evonas.runs.config import FITNESS, Config
from evonas.runs.folder import RunFolder
from evonas.runs.progress import Reporter
from genomes.codec import to_plain

DEFAULT = "default"
"""What the engine's fitness is called on the command line."""

SETTINGS, SCORES = "settings.json", "scores.jsonl"


def rank(request: Request, config: Config, *, run_dir: Path | None, reporter: Reporter) -> Path:
    """Score the networks of a table by some proxies and report how well these rank the accuracies; returns the folder.

    Without `run_dir` it is `runs/rank-<data set>-<space>-<digest>`, with a digest of all settings that decide a score;
    what lies there is not computed again.

    Raises:
        EvonasError, GenomeError: bad input, refused before anything is scored.
        OSError: the disk is full; what was written stays valid.
    """
    table = load_table(request.table)
    for condition in request.only:
        table = only(table, condition)
    if request.figure is not None:
        new_figure(request.figure)
    names = _names(request.proxies)
    proxies = tuple(name for name in parts(names) if name not in BASELINES)
    both = [name for name in request.columns if name in (*proxies, *names, *BASELINES)]
    if both:
        raise ConfigError(
            f"--columns names '{both[0]}', which is ranked as computed here; rename that column of the table"
        )
    config = run_config.override(config, {"evolution.objectives": list(proxies) or None})
    dataset = load_data(config, reporter)
    config = fitted(config, dataset)
    problem = build_problem(config, dataset)
    networks = recognised(table, problem.task.space)
    chosen = some(networks.genomes, request.limit or len(networks.genomes))
    known = networks.rows[networks.rows[ID].isin(set(chosen))]
    n_distinct = len(distinct(known, by=request.distinct, columns=request.columns))
    if n_distinct < MIN_NETWORKS:
        raise ConfigError(f"{n_distinct} different networks are left; at least {MIN_NETWORKS} can be ranked")
    settings = _settings(config, problem)
    folder = RunFolder(run_dir or _folder(config, dataset, settings))
    _refuse_foreign(folder.path, settings)
    folder.path.mkdir(parents=True, exist_ok=True)
    sources = {
        name: source_digest(OBJECTIVES.get(name).value.__module__, alone=evaluator.__name__)
        for name in proxies
    }
    scoring, seed = _Scoring(config, problem, networks.genomes, sources), config.evolution.seed
    with run_folder.locked(folder), ScoreLog(folder.path / SCORES) as log:
        atomic_write(folder.path / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())
        scores, again = (
            scoring.scores(ids, seed=of, log=log, folder=folder.path, reporter=reporter)
            for ids, of in ((chosen, seed), (some(chosen, request.noise), seed + 1))
        )
    report = answer(request, networks, scores, again, names=names, seed=seed)
    _tell(report, reporter, title=f"{request.table.name}, {problem.task.space.name}")
    return folder.path


def _names(names: Sequence[str]) -> tuple[str, ...]:
    """The names with the engine's fitness for `default`; those of baselines alone are left out, they are always told.

    Raises:
        ConfigError: a name twice, or the same parts merged twice.
        UnknownNameError: a name that no objective has.
    """
    resolved = tuple(PLUS.join(map(_known_name, name.split(PLUS))) for name in names)
    meant = [sorted(name.split(PLUS)) for name in resolved]
    twice = [
        name
        for name, of in zip(resolved, meant, strict=True)
        if meant.count(of) > 1 or len(set(of)) < len(of)
    ]
    if twice:
        raise ConfigError(f"--proxies names '{twice[0]}' twice ('{DEFAULT}' is '{FITNESS}'); name it once")
    return tuple(name for name in resolved if name not in BASELINES)


def _known_name(name: str) -> str:
    if name == DEFAULT:
        return FITNESS
    return name if name in BASELINES else OBJECTIVES.get(name).name


def _settings(config: Config, problem: Problem) -> dict[str, object]:
    """What decides a score beside the proxy, its code and the seed of the weights."""
    sha = hashlib.sha256()
    for array in (problem.inputs, problem.labels):
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(array.tobytes())
    return {
        "data": config.data.name,
        "space": problem.task.space.name,
        "options": to_plain(problem.task.space),
        "batch": config.evaluation.batch,
        "time_steps": config.evaluation.time_steps,
        "inputs": sha.hexdigest(),
        **environment(),
    }


def _folder(config: Config, dataset: Dataset, settings: Mapping[str, object]) -> Path:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / f"rank-{dataset.spec.name}-{config.space.name}-{digest}"


def _refuse_foreign(path: Path, settings: Mapping[str, object]) -> None:
    """Refuse a folder that holds something else than scores under these settings."""
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; choose another --run-dir")
    if not path.exists() or not any(entry.name != run_folder.LOCK_NAME for entry in path.iterdir()):
        return
    try:
        there: dict[str, object] = json.loads((path / SETTINGS).read_bytes())
    except (OSError, ValueError):
        raise RunError(f"{path} is not empty and holds no ranking; choose another --run-dir") from None
    changed = run_config.difference(there, json.loads(json.dumps(settings)))
    if changed:
        raise RunError(
            f"{path} has scores under other settings: {'; '.join(changed)}; choose another --run-dir"
        )


@dataclass(frozen=True)
class _Scoring:
    """Scores from the log where they are known, else from whatever evaluates."""

    config: Config
    problem: Problem
    genomes: Mapping[str, Any]
    sources: Mapping[str, str]
    """Fingerprint of the code of each proxy, by name."""

    def scores(
        self, architecture_ids: Sequence[str], *, seed: int, log: ScoreLog, folder: Path, reporter: Reporter
    ) -> Scores:
        """The score of each architecture by every proxy, with the first weights of `seed`.

        What takes too long, or kills its worker, is not logged: it is tried again by the next command.
        """
        to_do: dict[tuple[str, ...], list[str]] = {}
        for i in architecture_ids:
            known = self._known(i, seed=seed, log=log)
            unknown = tuple(name for name in self.sources if name not in known)
            if unknown:
                to_do.setdefault(unknown, []).append(i)
        n_total, n_done, unfinished = sum(map(len, to_do.values())), 0, dict[str, str]()
        if architecture_ids:
            reporter.scoring(folder=folder, text=_work(len(architecture_ids), to_do, seed=seed))
        started = time.monotonic()
        for names, members in to_do.items():
            task = replace(self.problem.task, objectives=names, limits={}, seed=seed, apart=True)
            with executor(self.config, replace(self.problem, task=task)) as workers:
                for position, evaluation in evaluated(workers, [self.genomes[i] for i in members]):
                    i = members[position]
                    if evaluation.status in ("timeout", "worker_died"):
                        unfinished[i] = evaluation.reason
                    else:
                        values = {name: evaluation.objectives.get(name) for name in names}
                        sources = {name: self.sources[name] for name in names}
                        log.append(
                            Scored(i, seed, values, sources, evaluation.reason, evaluation.core_seconds)
                        )
                    n_done += 1
                    reporter.scored(n_done=n_done, n_total=n_total, seconds=time.monotonic() - started)
        return self._found(architecture_ids, unfinished, seed=seed, log=log)

    def _known(self, architecture_id: str, *, seed: int, log: ScoreLog) -> dict[str, Scored]:
        """The evaluations that have the values of an architecture, by proxy."""
        found = {n: log.find(architecture_id, seed=seed, name=n, source=s) for n, s in self.sources.items()}
        return {name: scored for name, scored in found.items() if scored is not None}

    def _found(
        self, architecture_ids: Sequence[str], unfinished: Mapping[str, str], *, seed: int, log: ScoreLog
    ) -> Scores:
        values, core_seconds, reasons = {}, list[float](), dict(unfinished)
        for i in architecture_ids:
            known = self._known(i, seed=seed, log=log)
            values[i] = {name: scored.values[name] for name, scored in known.items()}
            for scored in {id(scored): scored for scored in known.values()}.values():
                if set(scored.values) == set(self.sources):
                    core_seconds.append(scored.core_seconds)
                if scored.reason and any(scored.values[name] is None for name in known):
                    reasons[i] = scored.reason
        return Scores(values, fmean(core_seconds) if core_seconds else math.nan, reasons)


def _work(n: int, to_do: Mapping[tuple[str, ...], Sequence[str]], *, seed: int) -> str:
    """What is to be done, in words."""
    text = f"{n} networks with the weights of seed {seed}"
    jobs = [f"{len(members)} to score by {', '.join(names)}" for names, members in to_do.items()]
    return f"{text}: {'; '.join(jobs) or 'all scores are there'}"


def _tell(report: Report, reporter: Reporter, *, title: str) -> None:
    reporter.table(
        report.correlation_cells(), title=f"{title}: rank correlation with accuracy [95 % interval]"
    )
    if len(leads := report.lead_cells()) > 1:
        reporter.table(leads, title=f"{title}: differences of tau [95 % interval, paired]")
    reporter.table(report.choice_cells(), title=f"{title}: what choosing by a score brings")
    if report.predictions is not None and len(report.predictions):
        reporter.table(report.prediction_cells(), title=f"{title}: ordered after a few trainings")
    for line in report.lines():
        reporter.note(line)
