"""The digest of a three-generation run. Objectives are counted, not measured: floats differ between processors."""

from __future__ import annotations

import hashlib

from evonas.evolution.evaluation import DirectQueue, Evaluation, Proposal
from evonas.evolution.fitness import ObjectiveSpec
from evonas.evolution.loop import evolve, make_toolbox
from evonas.evolution.state import EvolutionState
from evonas.evolution.strategies import strategy
from genomes.architecture import InputSpec
from genomes.serial import build_space

SPACE = build_space("evonas", input_spec=InputSpec((3, 32, 32), 10), options={})
SPECS = (
    ObjectiveSpec("macs", "max", "", "log10", (1e4, 1e10)),
    ObjectiveSpec("parameters", "min", "", "log10", (1e2, 1e8)),
)


def counted(proposal: Proposal) -> Evaluation:
    found = SPACE.decode(proposal.genome)
    return Evaluation("ok", {"macs": float(found.macs_per_step), "parameters": float(found.n_parameters)})


def test_a_seed_proposes_what_it_always_proposed() -> None:
    proposed: list[str] = []
    evolve(
        toolbox=make_toolbox(space=SPACE),
        queue=DirectQueue(counted),
        strategy=strategy("nsga2"),
        state=EvolutionState(),
        specs=SPECS,
        generations=3,
        population=12,
        seed=7,
        on_generation=lambda generation: proposed.extend(p.architecture_id for p in generation.proposals),
    )
    assert len(proposed) == 48
    assert hashlib.sha256(" ".join(proposed).encode()).hexdigest()[:16] == "4e3824868a60dbb2"
