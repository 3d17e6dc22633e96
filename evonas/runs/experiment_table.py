"""The table that answers an experiment, read from the folders of its runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from evonas.runs import experiment as experiments
from evonas.runs.comparison import Comparison, Effect
from evonas.runs.experiment import REPORTABLE, Experiment, Member
from evonas.runs.experiment_effects import effect
from evonas.runs.experiment_networks import networks, ranked
from evonas.runs.folder import RunFolder
from evonas.runs.results import Run, load_run
from evonas.runs.table import MARK, amount

if TYPE_CHECKING:
    import pandas as pd

NOT_KNOWN = "not known"
MEASURED = ("parameters", "memory_mb", "energy_nj", "firing_rate", "search_seconds", "evaluations")
TRAINED = ("test_accuracy", "train_seconds", *MEASURED)
"""What every network of an experiment has a number for, or NaN."""


@dataclass(frozen=True)
class ExperimentResult:
    """An experiment as far as it has come."""

    path: Path
    experiment: Experiment

    def __repr__(self) -> str:
        n = sum(1 for _ in self.runs())
        return f"ExperimentResult({self.path}: {n} of {len(self.experiment.members)} runs begun)"

    @property
    def csv(self) -> Path:
        """The file of the table: `table.csv`."""
        return self.path / "table.csv"

    def runs(self) -> Iterator[tuple[Member, Run]]:
        """The runs that have begun, with what they are in the experiment.

        Raises:
            RunError: a run whose record or log is damaged.
        """
        for member in self.experiment.members:
            path = self.experiment.folder(member, path=self.path)
            if RunFolder(path).record.is_file():
                yield member, load_run(path)

    def provenance(self) -> list[tuple[str, Mapping[str, str]]]:
        """Commit and environment of every run that has begun, and of every ranking that is over."""
        runs = [(run.record.commit, run.record.environment) for _, run in self.runs()]
        paths = (self._ranking(member) for member in self.experiment.members)
        rankings = [json.loads(path.read_bytes()) for path in paths if path.is_file()]
        return runs + [(found.get("commit", ""), found.get("environment", {})) for found in rankings]

    def table(self) -> pd.DataFrame:
        """One row per variant and network, over the seeds whose search and training are over.

        Where a run trains nothing, its row is what it would train first, without an accuracy.

        Columns: variant, network ("knee", "elite 2" ..., or the name of an initial genome), reported_<column> (the
        paper's figure as text, or "not known"), n (seeds), test_accuracy (a share, mean), test_accuracy_sd (sample
        standard deviation, NaN below two seeds), the objectives of the search that are not among what follows (as it
        measured them), parameters, memory_mb (10^6 bytes), energy_nj and firing_rate (after training on validation
        examples; else as the search measured them, NaN where it did not), search_seconds (of all evaluations) and
        evaluations (per run; cached and infeasible genomes are none), each a mean; device (of the training),
        architecture_ids (distinct, in order of seed), chosen (True for the highest mean accuracy on each data set;
        among equal ones that of least memory).
        """
        import pandas as pd

        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for member, run in self.runs():
            for network, found in networks(run, measures=self.experiment.measures):
                groups.setdefault((member.variant, network), []).append(found)
        figures = self._reported_columns()
        scores = _scores(groups.values())
        rows = [
            {
                "variant": variant,
                "network": network,
                **{f"reported_{name}": self._reported(variant).get(name, NOT_KNOWN) for name in figures},
                **_summary(found),
                **{name: fmean(seed["scores"].get(name, math.nan) for seed in found) for name in scores},
            }
            for (variant, network), found in groups.items()
        ]
        chosen = _chosen(rows, data=[found[0]["data"] for found in groups.values()])
        columns = {"variant": "str", "network": "str", **{f"reported_{name}": "str" for name in figures}}
        columns |= {"n": "int64", "test_accuracy": "float64", "test_accuracy_sd": "float64"}
        columns |= dict.fromkeys([*scores, *MEASURED], "float64")
        columns |= {"device": "str", "architecture_ids": "str", "chosen": "bool"}
        for i, row in enumerate(rows):
            row["chosen"] = i in chosen
        return pd.DataFrame(
            {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in columns.items()}
        )

    def observations(self) -> pd.DataFrame:
        """One row per variant, network and seed whose search and training are over: what `table` averages.

        Columns: variant, network, seed, architecture_id, test_accuracy, train_seconds (wall time of the training), then
        the numbers of `table` and whatever was measured of the trained network beside. A ranking has a row for each
        score, as its network, with n_networks, tau, tau_low and tau_high (over all), the same of the better half and at
        equal chain length (tau_better_half ..., tau_equal_chain_length ...).
        """
        import pandas as pd

        rows = [
            {
                "variant": member.variant,
                "network": network,
                "seed": member.seed,
                "architecture_id": found["architecture_id"],
                # What a search measured before the training gives way to what was measured after it.
                **found["scores"],
                **{name: float(found[name]) for name in TRAINED},
            }
            for member, run in self.runs()
            for network, found in networks(run, measures=self.experiment.measures)
        ]
        rows += [
            {"variant": member.variant, "network": score, "seed": member.seed, "architecture_id": "", **found}
            for member in self.experiment.members
            for score, found in ranked(self._ranking(member)).items()
        ]
        first = ("variant", "network", "seed", "architecture_id", *TRAINED)
        return pd.DataFrame(rows, columns=[*dict.fromkeys([*first, *(name for row in rows for name in row)])])

    def effects(self) -> list[tuple[Comparison, Effect]]:
        """Every comparison of the experiment with its effect, over the seeds that both sides have.

        A name that a variant and a network share is the variant's.

        Raises:
            ConfigError: a comparison names a network or a measure that is not there.
        """
        found = self.observations()
        lacking = self._lacking(found)
        return [(asked, effect(asked, found, lacking=lacking)) for asked in self.experiment.comparisons]

    def effect_cells(self) -> list[list[str]]:
        """The comparisons as a person reads them, the header first."""
        rows = [
            [
                asked.title,
                *(
                    _signed(value, percent=asked.relative)
                    for value in (effect.value, effect.low, effect.high)
                ),
                str(effect.n),
                asked.claim,
                effect.verdict,
            ]
            for asked, effect in self.effects()
        ]
        return [["comparison", "difference", "from", "to", "n", "expected", "verdict"], *rows]

    def verdict(self) -> str:
        """The verdict on the claim, that of the first comparison; '' where nothing is claimed."""
        return self.effects()[0][1].verdict if self.experiment.comparisons else ""

    def ranking_cells(self) -> list[list[str]]:
        """The rank correlations of all rankings as a person reads them, the header first; that alone without any."""
        found = self.observations()
        subsets = {"": "tau, all", "_better_half": "better half", "_equal_chain_length": "equal chain length"}
        rows = [
            [
                f"{row['variant']}/{row['network']}",
                f"{row['n_networks']:.0f}",
                *(
                    _interval(row[f"tau{key}"], row[f"tau{key}_low"], row[f"tau{key}_high"])
                    for key in subsets
                ),
            ]
            for row in found.to_dict("records")
            if "tau" in found and not math.isnan(row["tau"])
        ]
        return [["score", "networks", *subsets.values()], *rows]

    def core_minutes(self) -> float:
        """Minutes of evaluations and trainings, summed over all that counts here."""
        found = self.observations()
        searches = found.groupby(["variant", "seed"])["search_seconds"].first().sum() if len(found) else 0.0
        return float((searches + found["train_seconds"].sum()) / 60)

    def cells(self) -> list[list[str]]:
        """The table as a person reads it, without ids, its header first; the chosen network carries a star.

        Accuracies are mean +- standard deviation.
        """
        table = self.table()
        accuracy = [
            _cell(mean) if math.isnan(sd) else f"{_cell(mean)} +- {_cell(sd)}"
            for mean, sd in zip(table["test_accuracy"], table["test_accuracy_sd"], strict=True)
        ]
        table = table.assign(test_accuracy=accuracy).drop(columns=["test_accuracy_sd", "architecture_ids"])
        rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
        return [[name.replace("_", " ") for name in table.columns], *rows]

    def extent(self) -> str:
        """How much its size is, one line: genomes a run, epochs of a training, training examples."""
        configs = [run.record.config for _, run in self.runs()]
        if not configs:
            return f"size {self.experiment.size}"
        evolutions, trainings = [c.evolution for c in configs], [c.training for c in configs]
        counted: dict[str, Sequence[object]] = {
            "genome{s} a run": [e.population * (e.generations + 1) for e in evolutions],
            "epoch{s}": [t.epochs if t.elites else 0 for t in trainings],
            "training example{s}": [c.data.n_train or "all" for c in configs],
        }
        parts = []
        for unit, numbers in counted.items():
            number = " or ".join(dict.fromkeys(str(number) for number in numbers))
            parts.append(f"{number} {unit.format(s='' if number == '1' else 's')}")
        asked = self.experiment
        compares = asked.size == "paper" or not (asked.published or any(asked.reported.values()))
        return f"size {asked.size}: {', '.join(parts)}{'' if compares else '; no comparison with the paper'}"

    def _lacking(self, found: pd.DataFrame) -> set[str]:
        """The variants, and the networks to be trained by either name, that have no row in `found`."""
        variants, full = {*found["variant"]}, {*(found["variant"] + "/" + found["network"])}
        networks = set[str]()
        for member, run in self.runs():
            networks |= {name for network in run.elites for name in (network, f"{member.variant}/{network}")}
        return {member.variant for member in self.experiment.members} - variants | (
            networks - full - variants - {*found["network"]}
        )

    def _ranking(self, member: Member) -> Path:
        return self.path / f"{member.name}-{experiments.RANKED}"

    def _reported(self, variant: str) -> Mapping[str, str]:
        return self.experiment.reported.get(variant, {})

    def _reported_columns(self) -> list[str]:
        """The columns that the paper has a figure for in some variant; that of the accuracy if it has none at all."""
        there = set[str]().union(*self.experiment.reported.values())
        if not self.experiment.published:
            there.add("test_accuracy")
        return [name for name in REPORTABLE if name in there]


def load_experiment(path: str | Path) -> ExperimentResult:
    """The experiment in the folder `path`, finished or not.

    Raises:
        RunError: no experiment there, or a record that is damaged.
    """
    folder = Path(path)
    return ExperimentResult(folder, experiments.from_json(folder / experiments.RECORD))


def _interval(value: float, low: float, high: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _signed(value: float, *, percent: bool) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:+.3g} %" if percent else f"{value:+.4g}"


def _scores(groups: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """The objectives that have a column of their own, in the order in which the runs name them."""
    named = dict.fromkeys(name for found in groups for seed in found for name in seed["scores"])
    return [name for name in named if name not in MEASURED]


def _summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row from what the seeds found."""
    accuracies = [seed["test_accuracy"] for seed in found]
    return {
        "n": len(found),
        "test_accuracy": fmean(accuracies),
        "test_accuracy_sd": float(np.std(accuracies, ddof=1)) if len(found) > 1 else math.nan,
        **{name: fmean(seed[name] for seed in found) for name in MEASURED},
        "device": "; ".join(dict.fromkeys(seed["device"] for seed in found)),
        "architecture_ids": " ".join(dict.fromkeys(seed["architecture_id"] for seed in found)),
    }


def _chosen(rows: Sequence[Mapping[str, Any]], *, data: Sequence[str]) -> set[int]:
    """For each data set the row of the highest accuracy, the one of least memory among equals; none if untrained.

    `data` has the data set of each row.
    """
    trained = [i for i, row in enumerate(rows) if not math.isnan(row["test_accuracy"])]
    return {
        min(
            (i for i in trained if data[i] == name),
            key=lambda i: (-rows[i]["test_accuracy"], rows[i]["memory_mb"]),
        )
        for name in {data[i] for i in trained}
    }


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return MARK if value else ""
    if isinstance(value, float):
        return amount(None if math.isnan(value) else value)
    return str(value)
