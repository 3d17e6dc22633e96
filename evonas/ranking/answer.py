"""From scores to the answer: the report, and the files that were asked for."""

from __future__ import annotations

from collections.abc import Sequence

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
    found_first, found_again = (scored(networks, of, names) for of in (scores, again))
    columns = {
        str(name): dict(zip(column.index, column, strict=True)) for name, column in found_first.items()
    }
    rows = with_scores(networks.rows, columns)
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
            "core_seconds_per_network": scores.core_seconds,
            "seed_tau": {name: tau_between(found_first[name], found_again[name]) for name in names},
            "n_seed_tau": len(again.values),
            "n_failed": {name: int(found_first[name].isna().sum()) for name in names},
            "reasons": dict(scores.reasons),
        },
        predictions=_predictions(networks, known, names, seed=seed) if request.predict else None,
    )
    if request.figure is not None:
        draw_ranking(found, report, request.figure)
    if request.report is not None:
        atomic_write(request.report, report.to_json())
    return report


def scored(networks: Networks, scores: Scores, names: Sequence[str]) -> pd.DataFrame:
    """A row for each scored architecture: the proxies among `names` and their parts, and what merges these by rank."""
    each = networks.rows.drop_duplicates(ID).set_index(ID).loc[[*scores.values]]
    singles = [name for name in parts(names) if name not in BASELINES]
    columns = {name: [of.get(name) for of in scores.values.values()] for name in singles}
    found = pd.DataFrame(columns, index=each.index, dtype=float)
    known = found.join(each[[*BASELINES]])
    mergers = {name: rank_merge(known[[*parts([name])]]) for name in names if PLUS in name}
    return found.assign(**mergers)


def _predictions(networks: Networks, known: pd.DataFrame, names: Sequence[str], *, seed: int) -> pd.DataFrame:
    from evonas.ranking.predictor import feature_table, predictions  # scikit-learn takes a second to import

    # By architecture whatever else says that networks differ: who has seen one has seen its equals.
    found = distinct(known, scores=names)
    inputs = feature_table([networks.architectures[i] for i in found[ID]])
    inputs = inputs.join(found[[*names]].reset_index(drop=True))
    return predictions(found, inputs, seed=seed, first=names[0] if names else None)
