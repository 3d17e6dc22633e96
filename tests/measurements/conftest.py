"""Runs on the digits whose genomes are given, and small networks with and without feedback."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import evonas.data
from evonas.data import Dataset, Split
from evonas.evolution.fitness import ObjectiveSpec
from evonas.runs.config import resolve
from evonas.runs.folder import RunRecord, create, write_record
from evonas.runs.log import Row
from evonas.runs.results import Run
from genomes.architecture import Architecture, Draft, InputSpec, Synapse, canonical
from genomes.genome import Genome, Slot, Stage, Stem
from genomes.meso import MOTIFS
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution
from genomes.serial import build_space

SPECS = (ObjectiveSpec(name="parameters", direction="min", unit="", scale="log10", bounds=(10.0, 1e5)),)
LIF = Neuron("lif", v_threshold=0.5, tau=2.0, reset="hard")


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """200 of the digits to train on and 120 to test on."""
    whole = evonas.data.load("digits")

    def part(split: Split, n: int) -> Split:
        return Split(split.inputs[:n], split.labels[:n])

    return replace(whole, train=part(whole.train, 200), test=part(whole.test, 120))


@pytest.fixture
def make_genome() -> Callable[..., Genome]:
    """Builds a genome of the default space: slots with the given motifs in a chain, all of one stage."""

    def build(
        *motifs: str, feedback: Sequence[tuple[int, int]] = (), width: int = 8, neuron: Neuron = LIF
    ) -> Genome:
        kernel = Kernel(3)
        slots = []
        for i, name in enumerate(motifs):
            motif = MOTIFS.get(name)
            slots.append(Slot(name, (neuron,) * len(motif.nodes), (kernel,) * len(motif.edges), (i,)))
        return Genome(Stem(neuron, kernel, 1), (Stage(width, tuple(slots)),), tuple(feedback))

    return build


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Builds a run of generations of genomes; without `objectives` all that its front holds are equally good."""

    def build(
        *generations: Sequence[object],
        space: str = "evonas",
        time_steps: int = 3,
        objectives: Sequence[float] | None = None,
        settings: Sequence[str] = (),
    ) -> Run:
        config = resolve(
            assignments=[
                f"space.name={space}",
                *(["space.min_stages=1"] if space == "evonas" else []),
                "evolution.objectives=parameters",
                "evolution.seed=5",
                f"evaluation.time_steps={time_steps}",
                "training.batch=32",
                *settings,
            ]
        )
        record = RunRecord(config=config, input_shape=(1, 8, 8), n_classes=10, objectives=SPECS)
        where = create(tmp_path / f"run{len(list(tmp_path.iterdir()))}")
        write_record(where, record)
        built = build_space(space, input_spec=InputSpec((1, 8, 8), 10), options=config.space.options)
        rows: list[Row] = []
        for generation, members in enumerate(generations):
            for genome in members:
                rows.append(
                    Row(
                        index=len(rows),
                        generation=generation,
                        architecture_id=built.architecture_id(genome),
                        status="ok",
                        objectives={"parameters": objectives[len(rows)] if objectives else 1000.0},
                        violation=0.0,
                        diagnostics={},
                        reason="",
                        genome=json.loads(json.dumps(built.to_dict(genome))),
                        parents=(),
                        seconds=0.1,
                        worker="serial",
                        attempts=1,
                    )
                )
        return Run(folder=where, record=record, rows=tuple(rows))

    return build


@pytest.fixture
def feedback_run(make_run: Callable[..., Run], make_genome: Callable[..., Genome]) -> Run:
    """A run of one genome that has neurons off and on feedback cycles."""
    genome = make_genome("feedforward_excitation", "feedback_inhibition", "lateral_inhibition")
    return make_run([genome])


@pytest.fixture
def chain() -> Callable[..., Architecture]:
    """Builds `n` spiking layers one after another; with `loop` the last feeds back to the first, a step later."""

    def build(n: int, *, loop: bool = False, neuron: Neuron = LIF) -> Architecture:
        conv = Convolution(Kernel(3), channels=4)
        synapses = [Synapse(i, i + 1, conv) for i in range(n)]
        if loop:
            synapses.append(Synapse(n, 1, conv, delay=1))
        return canonical(
            input_spec=InputSpec((2, 6, 6), 3),
            nodes=[Draft("input"), *(Draft("add", neuron) for _ in range(n))],
            synapses=synapses,
            outputs=[n],
        )

    return build
