"""Which motifs a search comes to prefer: those of its front, against random genomes of about the same size.

Each genome of the front is matched with the `N_PARTNERS` of `N_RANDOM` random genomes of the space whose numbers of
parameters are nearest to its own by ratio. All is about the run, and the same whichever of its networks is asked for.

Every share is a quotient of two counts that are added up over the genomes first: slots with a motif over slots,
inhibitory edges over signed edges of the motifs in all slots, feedback edges between slots over genomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evonas.data import Dataset
from evonas.errors import RunError
from evonas.measurements.measurement import MEASUREMENTS
from evonas.rng import generator
from evonas.runs.results import Run
from genomes.genome import Genome
from genomes.meso import MOTIFS
from genomes.spaces.evonas import EvonasSpace

N_RANDOM = 2_000
N_PARTNERS = 10
N_PERMUTATIONS = 10_000

INHIBITORY_SHARE = "inhibitory_share"
FEEDBACK_EDGES = "feedback_edges"


@dataclass(frozen=True, eq=False)
class Matched:
    """The front of a run and its partners, counted."""

    names: tuple[str, ...]
    """What the K shares are of: the motifs of the space, `INHIBITORY_SHARE`, `FEEDBACK_EDGES`."""
    counts: np.ndarray
    """Numerators and denominators (S, 1 + N_PARTNERS, 2, K): in each of S sets one of the front, its partners."""


@dataclass(frozen=True)
class Enrichment:
    """A share in the front less that among the partners, and where 95 % of it lie if the front is nothing special."""

    value: float
    low: float
    high: float


def motifs(run: Run, architecture_id: str, dataset: Dataset) -> dict[str, float]:
    """Shares in the front by motif, of inhibitory edges, and feedback edges per genome; each less that of partners.

    Columns: each motif of the space by its name, inhibitory_share, feedback_edges, and for each the difference:
    <motif>_excess, inhibitory_excess, feedback_edges_excess.

    Raises:
        RunError: the run is not one of the space "evonas", or its front is empty.
    """
    found = matched(run)
    front, excess = shares(found.counts[:, 0]), _enrichment(found.counts)
    named = [f"{name.removesuffix('_share')}_excess" for name in found.names]
    return {name: float(x) for name, x in zip([*found.names, *named], [*front, *excess], strict=True)}


def matched(run: Run) -> Matched:
    """The genomes of a run's front, each with its partners.

    Raises:
        RunError: as in `motifs`.
    """
    space = _space(run)
    if not run.front:
        raise RunError(f"{run.folder.path} has no front; motifs are counted in runs that found something")
    front = [space.from_dict(run.genome(member.architecture_id)) for member in run.front]
    rng = generator(run.record.config.evolution.seed, "motifs")
    random = [space.sample(rng=rng) for _ in range(N_RANDOM)]
    sizes = np.array([space.decode(genome).n_parameters for genome in random])
    sets = []
    for genome in front:
        distance = np.abs(np.log(sizes / space.decode(genome).n_parameters))
        nearest = np.argsort(distance, kind="stable")[:N_PARTNERS]
        members = [genome, *(random[i] for i in nearest)]
        sets.append([counted(member, names=space.motifs) for member in members])
    return Matched((*space.motifs, INHIBITORY_SHARE, FEEDBACK_EDGES), np.array(sets))


def counted(genome: Genome, *, names: Sequence[str]) -> np.ndarray:
    """Numerators and denominators (2, K) of the shares of one genome; see `Matched`."""
    filled = [slot.motif for slot in genome.slots()]
    signs = [edge.sign for motif in filled for edge in MOTIFS.get(motif).edges]
    n_inhibitory, n_signed = signs.count(-1), len(signs) - signs.count(0)
    return np.array(
        [
            [*(filled.count(name) for name in names), n_inhibitory, len(genome.feedback)],
            [*(len(filled) for _ in names), n_signed, 1],
        ]
    )


def shares(counts: np.ndarray) -> np.ndarray:
    """The K shares of the genomes in `counts` (..., 2, K) taken together."""
    numerator, denominator = counts.reshape(-1, *counts.shape[-2:]).sum(0)
    result: np.ndarray = numerator / denominator
    return result


def permutation_interval(
    fronts: Sequence[Matched], *, rng: np.random.Generator, n: int = N_PERMUTATIONS
) -> dict[str, Enrichment]:
    """By name what the fronts of several runs, taken together, have more of than their partners.

    The interval is that of `n` permutations, in each of which any member of a set, with equal chance, stands for the
    front. They take the sets for independent, but genomes of one front have ancestors in common: outside the interval
    means more than chance among these genomes, and whether another run would show it the differences by run must tell.

    Raises:
        RunError: no fronts, or runs with different motifs.
    """
    names = {found.names for found in fronts}
    if len(names) != 1:
        raise RunError(
            f"fronts: expected runs of a space with the same motifs, got {len(names)} sets of motifs"
        )
    counts = np.concatenate([found.counts for found in fronts])
    n_sets, n_members = counts.shape[:2]
    chosen = rng.integers(n_members, size=(n, n_sets))
    null = np.stack([_enrichment(counts, chosen=row) for row in chosen])
    low, high = np.percentile(null, [2.5, 97.5], axis=0)
    found = zip(_enrichment(counts), low, high, strict=True)
    return {name: Enrichment(*map(float, row)) for name, row in zip(names.pop(), found, strict=True)}


def _enrichment(counts: np.ndarray, *, chosen: np.ndarray | None = None) -> np.ndarray:
    """The K shares of the chosen members of the sets in `counts` (S, 1 + N_PARTNERS, 2, K), less those of the rest.

    Without `chosen` (S,) they are the genomes of the front.
    """
    front = counts[:, 0] if chosen is None else counts[np.arange(len(counts)), chosen]
    rest = counts.sum(1) - front
    result: np.ndarray = shares(front) - shares(rest)
    return result


def balance(run: Run) -> np.ndarray:
    """The inhibitory share in the genomes proposed in each generation of a run (n_generations,), from the first.

    Raises:
        RunError: the run is not one of the space "evonas".
    """
    space = _space(run)
    by_generation: dict[int, list[np.ndarray]] = {}
    for row in run.rows:
        counts = counted(space.from_dict(row.genome), names=())
        by_generation.setdefault(row.generation, []).append(counts[:, :1])
    return np.array([shares(np.array(by_generation[i]))[0] for i in sorted(by_generation)])


def _space(run: Run) -> EvonasSpace:
    space = run.space()
    if not isinstance(space, EvonasSpace):
        raise RunError(
            f"{run.folder.path} is a run of the space '{space.name}'; motifs are counted in runs of 'evonas'"
        )
    return space


MEASUREMENTS.register("motifs", motifs)
