"""One evaluation, from an image batch to the rate RDM: ours beside the same network with another library's neurons."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evonas.proxies import PROXIES, Candidate
from evonas.proxies.rdm import mean_dissimilarity, rdm
from evonas.snn.network import Observer, SpikingNetwork
from evonas.snn.statistics import RATE_GRAM
from genomes.architecture import Architecture
from peers.genomes import TIME_STEPS
from peers.libraries import LIBRARIES
from peers.network import PeerNetwork

PROXY = PROXIES.get("rdm_rates_correlation")
TOLERANCE = 1e-5
CHECKED = 2  # images on which scores are compared in double precision


class ScoresDifferError(Exception):
    """A peer that is not the same function: its time would say nothing."""


@dataclass(frozen=True)
class Form:
    """One way to run a network in one library.

    Stepped forms run the whole network once per time step. No single such pass can calibrate, so they are given the
    batch-norm statistics for nothing: their time is a lower bound.
    """

    library: str
    stepped: bool
    channels_last: bool
    hoisted: bool = True

    @property
    def way(self) -> str:
        """The library and its way of running through time."""
        if self.library == "plain":
            return "one pass per step"
        return f"{LABELS[self.library]}, {'step by step' if self.stepped else 'layer by layer'}"

    def __str__(self) -> str:
        return f"{self.way}, {'channels-last' if self.channels_last else 'NCHW'}"

    def network(self, ours: SpikingNetwork, *, dtype: torch.dtype = torch.float32) -> PeerNetwork:
        """`ours` in this form."""
        return PeerNetwork(
            ours,
            LIBRARIES[self.library](),
            stepped=self.stepped,
            hoisted=self.hoisted,
            channels_last=self.channels_last,
            dtype=dtype,
        )


LABELS = {"spikingjelly": "SpikingJelly", "snntorch": "snnTorch"}

FORMS = tuple(
    Form(library, stepped, channels_last)
    for library in LABELS
    for stepped in (False, True)
    for channels_last in (False, True)
) + tuple(Form("plain", True, channels_last, hoisted=False) for channels_last in (False, True))


class Calibrated(nn.Module):
    """Our network with the statistics it has: a scoring pass alone."""

    def __init__(self, network: SpikingNetwork) -> None:
        super().__init__()
        self.architecture = network.architecture
        self.network = network

    def forward(
        self,
        x: Tensor,
        *,
        time_steps: int,
        calibrate: bool,
        observe: Observer | None = None,
        observe_current: Observer | None = None,
    ) -> Tensor:
        """The logits (B, n_classes)."""
        logits: Tensor = self.network(
            x, time_steps=time_steps, observe=observe, observe_current=observe_current
        )
        return logits


class PeerCandidate(Candidate):
    """A candidate with another network: the same statistics of its spikes, the same score."""

    def __init__(self, network: PeerNetwork | Calibrated, *, inputs: Tensor) -> None:
        super().__init__(
            network.architecture,
            inputs=inputs,
            time_steps=TIME_STEPS,
            seed=0,
            statistics=PROXY.statistics,
        )
        self._peer = network

    @property
    def network(self) -> PeerNetwork | Calibrated:
        """The network that was handed in."""
        return self._peer


def our_candidate(architecture: Architecture, *, inputs: Tensor) -> Candidate:
    """Our candidate with its network built, which no time below includes."""
    candidate = Candidate(
        architecture, inputs=inputs, time_steps=TIME_STEPS, seed=0, statistics=PROXY.statistics
    )
    _ = candidate.network
    return candidate


def score(candidate: Candidate) -> tuple[float, float]:
    """The rate RDM of a fresh candidate and the seconds of processor time it took."""
    start = time.process_time()
    value = PROXY.value(candidate).value
    return value, time.process_time() - start


def exact_score(network: SpikingNetwork | PeerNetwork, *, inputs: Tensor) -> float:
    """The rate RDM of a few images in double precision, with the statistics that the network has."""
    layers: dict[int, float] = {}

    def observe(node: int, spikes: Tensor) -> None:
        if network.architecture.nodes[node].neuron:
            layers[node] = mean_dissimilarity(rdm(RATE_GRAM.measure(spikes), "correlation"))

    with torch.no_grad():
        network(inputs[:, :CHECKED].double(), time_steps=TIME_STEPS, observe=observe)
    return sum(layers.values()) / len(layers)


def check(ours: SpikingNetwork, form: Form, *, inputs: Tensor) -> None:
    """Refuse a form that is another function than the calibrated network `ours`, whatever the rounding.

    In single precision the order of a sum can let one neuron fire more, and that spike changes what follows; in the
    two memory formats torch even sums batch statistics in different precision.

    Raises:
        ScoresDifferError: the scores differ by more than 1e-5 in double precision.
    """
    expected = exact_score(deepcopy(ours).double(), inputs=inputs)
    found = exact_score(form.network(ours, dtype=torch.float64), inputs=inputs)
    if not abs(found - expected) <= TOLERANCE:
        raise ScoresDifferError(
            f"{form}: scores {ours.architecture.id} {found:.7f} where ours is {expected:.7f}; no time is reported"
        )


@dataclass(frozen=True)
class Row:
    """What one architecture took: our seconds, for each form the ratio to ours, and how far its score is from ours.

    `given` is the ratio of our own time without calibration, as in stepped forms, to that with it.
    """

    seconds: float
    given: float
    ratios: dict[Form, float]
    differences: dict[Form, float]


LONG = 1.0
"""Seconds of an evaluation from which a first run need not warm anything up."""


def compare(architecture: Architecture, forms: Sequence[Form], *, inputs: Tensor, rounds: int) -> Row:
    """Each form beside ours, interleaved: every run of a peer between two of ours.

    Raises:
        ScoresDifferError: a form is another function.
    """
    calibrated = our_candidate(architecture, inputs=inputs)
    reference, _ = score(calibrated)
    others: dict[Form | None, PeerNetwork | Calibrated] = {
        form: form.network(calibrated.network) for form in forms
    }
    others[None] = Calibrated(calibrated.network)
    ours: list[float] = []
    ratios: dict[Form | None, list[float]] = {form: [] for form in others}
    differences: dict[Form, float] = {}
    _, before = score(our_candidate(architecture, inputs=inputs))
    warm_up = 0 if before > LONG else 1
    for _ in range(rounds + warm_up):
        for form, network in others.items():
            found, theirs = score(PeerCandidate(network, inputs=inputs))
            _, after = score(our_candidate(architecture, inputs=inputs))
            ratios[form].append(2.0 * theirs / (before + after))
            ours.append(after)
            before = after
            if form is not None:
                differences[form] = found - reference
    for form, difference in differences.items():
        if not abs(difference) <= TOLERANCE:
            check(calibrated.network, form, inputs=inputs)
    medians = {form: statistics.median(found[warm_up:]) for form, found in ratios.items()}
    return Row(
        statistics.median(ours), medians.pop(None), {form: medians[form] for form in forms}, differences
    )


def table(rows: Sequence[Row], forms: Sequence[Form]) -> list[str]:
    """The lines of one table: the median ratio over architectures, its quartiles and extremes."""
    lines = [f"  {'':44s}{'median':>8s}{'quartiles':>14s}{'range':>14s}{'score':>9s}"]

    def line(label: str, ratios: Sequence[float], difference: float | None = None) -> str:
        low, middle, high = (
            statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else [ratios[0]] * 3
        )
        away = "" if difference is None else f"{difference:9.0e}"
        return (
            f"  {label:44s}{middle:8.2f}{f'{low:.2f} .. {high:.2f}':>14s}"
            f"{f'{min(ratios):.2f} .. {max(ratios):.2f}':>14s}{away}"
        )

    for form in forms:
        away = max(abs(row.differences[form]) for row in rows)
        lines.append(line(str(form), [row.ratios[form] for row in rows], away))
    stepped = [form for form in forms if form.stepped]
    groups = {
        "fastest that calibrates itself": [form for form in forms if not form.stepped],
        "SpikingJelly at its fastest": [form for form in forms if form.library == "spikingjelly"],
        "one pass per step at its fastest": [form for form in forms if form.library == "plain"],
        "fastest of all": list(forms),
    }
    for label, group in groups.items():
        lines.append(line(label, [min(row.ratios[form] for form in group) for row in rows]))
    lines.append(line("ours, statistics given", [row.given for row in rows]))
    alike = [min(row.ratios[form] for form in stepped) / row.given for row in rows]
    lines.append(line("fastest step by step / ours, both given", alike))
    return lines


def best_layouts(rows: Sequence[Row], forms: Sequence[Form]) -> list[Form]:
    """Of each way the memory format with the lowest median."""

    def median(form: Form) -> float:
        return statistics.median(row.ratios[form] for row in rows)

    ways = dict.fromkeys(form.way for form in forms)
    return [min((f for f in forms if f.way == way), key=median) for way in ways]
