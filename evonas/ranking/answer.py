"""From scores to the answer: the report, and the files that were asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from evonas.atomic import atomic_write
from evonas.ranking.figure import draw_ranking
from evonas.ranking.merging import PLUS, parts, rank_merge
from evonas.ranking.report import Report, choices, correlations, facts_of, tau_between
from evonas.ranking.request import Request
from evonas.ranking.scores import Scores
from evonas.ranking.table import BASELINES, ID, Networks, answers, distinct, with_scores


def answer(
    request: Request, networks: Networks, scores: Scores, again: Scores, *, names: Sequence[str], seed: int
) -> Report:
    """The report on the proxies `names` and their mergers, with every file written that the request asks for.

    `again` are scores of some of the same networks with other first weights.

    Raises:
        ConfigError: the picture cannot be drawn.
        OSError: a file cannot be written.
    """
    by_name = {
        name: {i: of.get(name) for i, of in scores.values.items()}
        for name in parts(names)
        if name not in BASELINES
    }
    rows = with_mergers(with_scores(networks.rows, by_name), names, of=set(scores.values))
    ranked = list(dict.fromkeys([*names, *BASELINES, *request.columns]))
    if request.csv is not None:
        atomic_write(request.csv, answers(rows, ranked).to_csv(index=False).encode())
    known = rows[rows[ID].isin(set(scores.values))]
    found = distinct(known, by=request.distinct, scores=names, columns=request.columns)
    n = len(scores.values)
    report = Report(
        correlations=correlations(found, ranked, seed=seed),
        choices=choices(found, ranked, seed=seed),
        facts={
            **facts_of(found, known, seed=seed),
            "n_disconnected": networks.n_disconnected,
            "n_architectures": n,
            "core_seconds_per_network": scores.core_seconds / n,
            "seed_tau": {name: tau_between(scores.values, again.values, name=name) for name in names},
            "n_seed_tau": len(again.values),
            "n_failed": {name: sum(value is None for value in of.values()) for name, of in by_name.items()},
            "reasons": dict(scores.reasons),
        },
        predictions=_predictions(networks, known, names, seed=seed) if request.predict else None,
    )
    if request.figure is not None:
        draw_ranking(found, report, request.figure)
    if request.report is not None:
        atomic_write(request.report, report.to_json())
    return report


def with_mergers(rows: pd.DataFrame, names: Sequence[str], *, of: Collection[str]) -> pd.DataFrame:
    """The rows with a column for each of `names` that is a merger by rank among the architectures `of`."""
    each = rows[rows[ID].isin(of)].drop_duplicates(ID).set_index(ID)
    mergers = {name: rank_merge(each[[*parts([name])]]) for name in names if PLUS in name}
    return with_scores(
        rows, {name: dict(zip(each.index, merged, strict=True)) for name, merged in mergers.items()}
    )


def _predictions(networks: Networks, known: pd.DataFrame, names: Sequence[str], *, seed: int) -> pd.DataFrame:
    from evonas.ranking.predictor import feature_table, predictions  # scikit-learn takes a second to import

    # By architecture whatever else says that networks differ: who has seen one has seen its equals.
    found = distinct(known, scores=names)
    inputs = feature_table([networks.architectures[i] for i in found[ID]])
    inputs = inputs.join(found[[*names]].reset_index(drop=True))
    return predictions(found, inputs, seed=seed, first=names[0] if names else None)
