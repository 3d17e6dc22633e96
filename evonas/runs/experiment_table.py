"""The table that answers an experiment, read from the folders of its runs."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from evonas.errors import ConfigError, RunError
from evonas.runs import experiment as experiments
from evonas.runs.comparison import Comparison, Effect, judged, paired
from evonas.runs.experiment import REPORTABLE, Experiment, Member
from evonas.runs.folder import RunFolder
from evonas.runs.log import Row
from evonas.runs.results import Run, load_run
from evonas.runs.table import MARK, amount
from genomes.registry import nearest

if TYPE_CHECKING:
    import pandas as pd

NOT_KNOWN = "not known"
MEASUREMENTS = "measurements"
"""The folder of a run that keeps what was measured of its networks."""
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

    def table(self) -> pd.DataFrame:
        """One row per variant and network, over the seeds whose search and training are over.

        Where a run trains nothing, its row is what it would train first, without an accuracy.

        Columns: variant, network ("knee", "elite 2" ..., or the name of an initial genome), reported_<column> (the
        paper's figure as text, or "not known"), n (seeds), test_accuracy (a share, mean), test_accuracy_sd (sample
        standard deviation, NaN below two seeds), the objectives of the search that are not among what follows (as it
        measured them), parameters, memory_mb (10^6 bytes), energy_nj and firing_rate (after
        training on validation examples; else as the search measured them, NaN where it did not), search_seconds (of
        all evaluations) and evaluations (per run), each a mean; device (of the training), architecture_ids (distinct,
        in order of seed), chosen (True for the highest mean accuracy on each data set; among equal ones that of
        least memory).
        """
        import pandas as pd

        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for member, run in self.runs():
            for network, found in _networks(run):
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
            for network, found in _networks(run)
        ]
        rows += [
            {"variant": member.variant, "network": score, "seed": member.seed, "architecture_id": "", **found}
            for member in self.experiment.members
            for score, found in _ranked(self.path / f"{member.name}-{experiments.RANKED}").items()
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


def measured_file(run: Run, architecture_id: str, *, measure: str) -> Path:
    """Where it is kept what `measure` found of a network."""
    return run.folder.path / MEASUREMENTS / f"{measure}-{architecture_id}.json"


def measured(run: Run, architecture_id: str) -> dict[str, float]:
    """Everything that was measured of a network beside, by column.

    Raises:
        RunError: a file that is damaged.
    """
    found: dict[str, float] = {}
    for path in sorted((run.folder.path / MEASUREMENTS).glob(f"*-{architecture_id}.json")):
        try:
            values: dict[str, float | None] = json.loads(path.read_bytes())
            found |= {name: math.nan if value is None else float(value) for name, value in values.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            raise RunError(f"{path} is damaged; delete it to have it measured anew") from None
    return found


def _ranked(path: Path) -> dict[str, dict[str, float]]:
    """The rank correlations in the report of a ranking, by score; none where it is not over."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
        facts = content["facts"]
        seconds = (facts["core_seconds_per_network"] or 0.0) * facts["n_architectures"]
        found: dict[str, dict[str, float]] = {}
        for row in content["correlations"]:
            subset = "" if row["subset"] == "all" else f"_{row['subset'].replace(' ', '_')}"
            start = {"search_seconds": seconds, "n_networks": float(row["n"])}
            of = found.setdefault(row["score"], start)
            for end in ("", "_low", "_high"):
                value = row[f"tau{end}"]
                of[f"tau{subset}{end}"] = math.nan if value is None else float(value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(f"{path} is damaged; delete it to have it ranked anew") from None
    return found


def effect(asked: Comparison, found: pd.DataFrame, *, lacking: Collection[str] = ()) -> Effect:
    """What the rows of `ExperimentResult.observations` say of one comparison.

    `lacking` are the variants and networks that have no row, for they are not over yet, diverged, or found nothing.

    Raises:
        ConfigError: the comparison names a network or a measure that is not there.
    """
    if not len(found):
        return paired(asked, [], [])
    if asked.measure not in found:
        numbers = [str(name) for name in found.columns[4:]]
        raise ConfigError(
            f"comparisons: unknown measure '{asked.measure}'; {nearest(asked.measure, numbers)}"
        )
    if {f"{asked.measure}_low", f"{asked.measure}_high"} <= {*found} and not asked.against:
        # Measured once, with an interval of its own.
        ends = (
            _by_seed(replace(asked, measure=asked.measure + end), asked.of, found, lacking=lacking)
            for end in ("", "_low", "_high")
        )
        value, low, high = (fmean(end.values()) if end else math.nan for end in ends)
        ranked = _by_seed(replace(asked, measure="n_networks"), asked.of, found, lacking=lacking)
        return judged(asked, value=value, low=low, high=high, n=int(min(ranked.values(), default=0)))
    sides = [_by_seed(asked, arms, found, lacking=lacking) for arms in (asked.of, asked.against) if arms]
    seeds = sorted(set(sides[0]).intersection(*sides))
    of, *against = [[side[seed] for seed in seeds] for side in sides]
    return paired(asked, of, against[0] if against else [0.0] * len(of))


def _by_seed(
    asked: Comparison, arms: Sequence[str], found: pd.DataFrame, *, lacking: Collection[str]
) -> dict[int, float]:
    """The mean of the measure over `arms`, by seed; seeds that lack one of them are left out."""
    if not {name for arm in arms for name in (arm, arm.split("/")[0])}.isdisjoint(lacking):
        return {}
    each = []
    full = found["variant"] + "/" + found["network"]
    for arm in arms:
        named = (found[names == arm] for names in (full, found["variant"], found["network"]))
        rows = next((rows for rows in named if len(rows)), found[:0])
        names = sorted(set(full[rows.index]))
        if len(names) != 1:
            hint = nearest(arm, sorted(set(full))) if not names else f"it can be {' or '.join(names)}"
            raise ConfigError(f"comparisons: '{arm}' is not the name of one network; {hint}")
        each.append(dict(zip(rows["seed"], rows[asked.measure], strict=True)))
    seeds = set(each[0]).intersection(*each)
    return {int(seed): fmean(float(values[seed]) for values in each) for seed in seeds}


def _interval(value: float, low: float, high: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _signed(value: float, *, percent: bool) -> str:
    if math.isnan(value):
        return "-"
    return f"{100 * value:+.3g} %" if percent else f"{value:+.4g}"


def _networks(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    """The networks of a run that is over, by what they are called, with everything that was measured of them.

    Nothing where no network was feasible.
    """
    from evonas.objectives.memory import memory_mb  # imports torch

    if not run.is_complete or not run.front:
        return
    n_untrained = len(run.record.initial) if run.compares_initial else 1
    shown = run.elites or dict(islice(run.candidates.items(), n_untrained))
    search = {
        "search_seconds": sum(row.seconds for row in run.rows),
        "evaluations": sum(row.status != "cached" for row in run.rows),
    }
    for network, architecture_id in shown.items():
        trained = _trained(run, architecture_id) if run.elites else _untrained(run, architecture_id)
        if trained is not None:
            architecture = run.architecture(architecture_id)
            yield (
                network,
                {
                    "architecture_id": architecture_id,
                    "data": run.record.config.data.name,
                    "parameters": architecture.n_parameters,
                    "memory_mb": memory_mb(architecture),
                    "scores": {**_scored(run, architecture_id).objectives, **measured(run, architecture_id)},
                    **search,
                    **trained,
                },
            )


def _trained(run: Run, architecture_id: str) -> dict[str, Any] | None:
    """What the training of an elite found, None where it is not over."""
    if not run.is_trained(architecture_id):
        return None
    folder = run.folder.elite(architecture_id)
    try:
        result = json.loads((folder / "result.json").read_bytes())
        cost = json.loads((folder / "inference.json").read_bytes())
        return {
            "test_accuracy": float(result["test_accuracy"]),
            "train_seconds": float(result["seconds"]),
            "energy_nj": float(cost["energy_nj"]),
            "firing_rate": float(cost["firing_rate"]),
            "device": str(cost.get("device", run.record.config.training.device)),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"the results in {folder} cannot be read ({type(error).__name__}); delete the folder to train anew"
        ) from None


def _untrained(run: Run, architecture_id: str) -> dict[str, Any]:
    """What the search measured of an architecture."""
    row = _scored(run, architecture_id)
    measured = {**row.diagnostics, **row.objectives}
    numbers = {name: measured.get(name, math.nan) for name in ("energy_nj", "firing_rate")}
    return {"test_accuracy": math.nan, "train_seconds": math.nan, **numbers, "device": "cpu"}


def _scored(run: Run, architecture_id: str) -> Row:
    """What the search logged of an architecture first."""
    return next(row for row in run.rows if row.architecture_id == architecture_id)


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
