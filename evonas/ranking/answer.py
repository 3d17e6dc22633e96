"""From scores to the answer: the report, and the files that were asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from evonas.atomic import atomic_write
from evonas.ranking.figure import draw_ranking
from evonas.ranking.report import Report, choices, correlations, facts_of, tau_between
from evonas.ranking.request import Request
from evonas.ranking.scores import Scores
from evonas.ranking.table import BASELINES, ID, Networks, answers, distinct, with_scores


def answer(
    request: Request, networks: Networks, scores: Scores, again: Scores, *, names: Sequence[str], seed: int
) -> Report:
    """The report on the proxies `names`, with every file written that the request asks for.

    `again` are scores of some of the same networks with other first weights.

    Raises:
        ConfigError: the picture cannot be drawn.
        OSError: a file cannot be written.
    """
    by_name = {name: {i: of.get(name) for i, of in scores.values.items()} for name in names}
    rows = with_scores(networks.rows, by_name)
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
            "core_seconds_per_network": scores.seconds / n,
            "seed_tau": {name: tau_between(scores.values, again.values, name=name) for name in names},
            "n_seed_tau": len(again.values),
            "n_failed": {name: sum(value is None for value in of.values()) for name, of in by_name.items()},
            "reasons": dict(scores.reasons),
        },
        predictions=_predictions(networks, found, names, seed=seed) if request.predict else None,
    )
    if request.figure is not None:
        draw_ranking(found, report, request.figure)
    if request.report is not None:
        atomic_write(request.report, report.to_json())
    return report


def _predictions(networks: Networks, found: pd.DataFrame, names: Sequence[str], *, seed: int) -> pd.DataFrame:
    from evonas.ranking.predictor import feature_table, predictions  # scikit-learn takes a second to import

    inputs = feature_table([networks.architectures[i] for i in found[ID]])
    inputs = inputs.join(found[[*names]].reset_index(drop=True))
    return predictions(found, inputs, seed=seed, first=names[0] if names else None)
