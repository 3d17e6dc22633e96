"""The answer of an experiment as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from evonas.runs.experiment_table import ExperimentResult

PAIRED = "Differences by seed with 95 % intervals (Student's t); n is the number of seeds."
RESAMPLED = "Rank correlations with 95 % intervals (resamples of architectures); n is the number of networks."


def report(result: ExperimentResult) -> str:
    """Question, verdict, comparisons and table, with the command, commit, machine and minutes that they took."""
    asked = result.experiment
    provenance = result.provenance()
    commits = dict.fromkeys(commit or "unknown" for commit, _ in provenance)
    machines = dict.fromkeys(
        f"{environment.get('machine', 'unknown')}, torch {environment.get('torch', 'unknown')}"
        for _, environment in provenance
    )
    n_done, n_members = (
        len(set(result.observations()[["variant", "seed"]].itertuples(index=False))),
        len(asked.members),
    )
    parts = [
        f"# {asked.name}, size {asked.size}",
        f"{asked.question} ({asked.source})",
        "\n".join(
            [
                f"- command: `make experiment NAME={asked.name} SIZE={asked.size}`",
                f"- commit: {', '.join(commits)}",
                f"- machine: {'; '.join(machines)}",
                f"- minutes of evaluation and training, summed: {result.core_minutes():.0f}",
                f"- {result.extent()}",
                f"- runs that are over: {n_done} of {n_members}",
            ]
        ),
    ]
    if asked.comparisons:
        verdict, cells = result.verdict(), result.effect_cells()
        parts += [f"Verdict: **{verdict}**"] if verdict else []
        ranked = len(result.ranking_cells()) > 1
        parts += [RESAMPLED if ranked else PAIRED, _table(cells)]
    parts += [_table(cells) for cells in (result.ranking_cells(), result.cells()) if len(cells) > 1]
    return "\n\n".join(parts) + "\n"


def _table(cells: Sequence[Sequence[str]]) -> str:
    header, *rows = cells
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
