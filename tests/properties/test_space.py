"""What holds for every genome that the default space samples, with the default options and with all of them."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evonas.data import load, scoring_batch
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.snn.synapses import ConvolutionSynapse
from genomes import canvas, decoding
from genomes.architecture import Architecture, InputSpec, canonical
from genomes.attention import ATTENTIONS
from genomes.errors import IllegalGeneError
from genomes.genome import MERGES, Genome
from genomes.macro import off_cycles, with_slot
from genomes.operations import Convolution, SpatialAttention
from genomes.space import Gene
from genomes.spaces.evonas import EvonasSpace

T = 4
SPACES = {
    "16x16": EvonasSpace(InputSpec((3, 16, 16), 10)),
    "8x8": EvonasSpace(InputSpec((1, 8, 8), 10)),
    "combined 16x16": EvonasSpace(
        InputSpec((2, 16, 16), 10),
        kernel_sizes=(1, 3, 5, 7),
        merges=MERGES,
        attention=tuple(ATTENTIONS.names()),
    ),
    "combined 8x8": EvonasSpace(
        InputSpec((1, 8, 8), 10), max_slots=3, merges=MERGES, attention=("asa", "half")
    ),
    "near 8x8": EvonasSpace(InputSpec((1, 8, 8), 10), max_slots=4, max_predecessors=2, max_reach=2),
}

spaces = st.sampled_from(sorted(SPACES)).map(SPACES.__getitem__)
seeds = st.integers(0, 2**32 - 1)


def sampled(space: EvonasSpace, seed: int, purpose: str = "sample") -> Genome:
    return space.sample(rng=generator(seed, purpose))


@given(spaces, seeds)
@settings(max_examples=60)
def test_a_sampled_genome_is_in_the_space_and_decodes(space: EvonasSpace, seed: int) -> None:
    genome = sampled(space, seed)
    space.check(genome)
    architecture = space.decode(genome)
    assert architecture.input == space.input
    assert architecture.n_parameters > 0
    # Every population of every motif, every merging layer and the stem survives: nothing drawn is cut off.
    slots = list(genome.slots())
    merging = sum(slot.merge is not None and slot.merge.neuron is not None for slot in slots)
    assert len(architecture.spiking) == 1 + merging + sum(len(slot.neurons) for slot in slots)
    attended = sum(isinstance(s.operation, SpatialAttention) for s in architecture.synapses)
    assert attended == sum(len(slot.neurons) for slot in slots if slot.attention)


@given(spaces, seeds)
@settings(max_examples=30)
def test_sampling_depends_on_the_stream_alone(space: EvonasSpace, seed: int) -> None:
    assert sampled(space, seed) == sampled(space, seed)


def test_different_streams_sample_different_genomes() -> None:
    for space in SPACES.values():
        assert len({space.architecture_id(sampled(space, seed)) for seed in range(100)}) == 100


@given(spaces, seeds)
@settings(max_examples=60)
def test_mutants_stay_in_the_space_and_leave_the_parent_alone(space: EvonasSpace, seed: int) -> None:
    parent = sampled(space, seed)
    before = pickle.dumps(parent)
    child = parent
    rng = generator(seed, "mutate")
    for _ in range(5):
        child = space.mutate(child, rng=rng)
        space.check(child)
        space.decode(child)
    assert pickle.dumps(parent) == before


@given(spaces, seeds)
@settings(max_examples=60)
def test_children_stay_in_the_space_and_leave_their_parents_alone(space: EvonasSpace, seed: int) -> None:
    first, second = sampled(space, seed, "first"), sampled(space, seed, "second")
    before = pickle.dumps((first, second))
    child = space.crossover(first, second, rng=generator(seed, "crossover"))
    space.check(child)
    space.decode(child)
    assert pickle.dumps((first, second)) == before


@given(spaces, seeds)
@settings(max_examples=30)
def test_a_child_of_equal_parents_is_their_equal(space: EvonasSpace, seed: int) -> None:
    parent = sampled(space, seed)
    assert space.crossover(parent, parent, rng=generator(seed, "crossover")) == parent


@given(spaces, seeds)
@settings(max_examples=30)
def test_a_child_keeps_the_wiring_of_the_first_parent(space: EvonasSpace, seed: int) -> None:
    first, second = sampled(space, seed, "first"), sampled(space, seed, "second")
    child = space.crossover(first, second, rng=generator(seed, "crossover"))
    assert [s.predecessors for s in child.slots()] == [s.predecessors for s in first.slots()]
    assert child.feedback == first.feedback


def test_variation_brings_every_attention_and_every_merge() -> None:
    space = SPACES["combined 16x16"]
    rng = generator(0, "walk")
    attention, rules = set(), set()
    genome = sampled(space, 0)
    for seed in range(300):
        genome = space.mutate(genome, rng=rng)
        if seed % 10 == 0:
            genome = space.crossover(genome, sampled(space, seed), rng=rng)
        space.check(genome)
        attention |= {slot.attention for slot in genome.slots()}
        rules |= {slot.merge.rule for slot in genome.slots() if slot.merge}
    assert attention == {None, *space.attention}
    assert rules == set(space.merges)


def test_a_change_that_closes_a_cycle_takes_the_attention_on_it_away_and_no_other() -> None:
    space = SPACES["combined 16x16"]
    taken = {"feedback": 0, "motif": 0, "edge": 0}
    for seed in range(200):
        genome = sampled(space, seed)
        for gene in space.genes(genome):
            for kind in taken:
                if kind not in gene.name:
                    continue
                for value in gene.alternatives:
                    other = gene.change(value, generator(seed, "change"))
                    legal = off_cycles(other)
                    both = zip(genome.slots(), other.slots(), strict=True)
                    for number, (before, after) in enumerate(both, start=1):
                        assert after.attention == (before.attention if number in legal else None)
                        taken[kind] += before.attention != after.attention
    assert min(taken.values()) > 0, taken


def test_attention_on_a_cycle_is_refused_with_what_to_do() -> None:
    space = SPACES["combined 8x8"]
    for seed in range(50):
        genome = sampled(space, seed)
        blocked = sorted({k + 1 for k in range(genome.n_slots)} - off_cycles(genome))
        if blocked:
            slot = replace(list(genome.slots())[blocked[0] - 1], attention="asa")
            with pytest.raises(IllegalGeneError, match=f"slot {blocked[0]}: attention needs all time steps"):
                space.check(with_slot(genome, blocked[0], slot))
            assert f"slot {blocked[0]} attention" not in {gene.name for gene in space.genes(genome)}
            return
    pytest.fail("no sampled genome has a cycle")


def test_a_merge_rule_that_the_space_does_not_offer_is_refused() -> None:
    genome = next(
        genome
        for genome in (sampled(SPACES["combined 8x8"], seed) for seed in range(200))
        if any(slot.merge and slot.merge.rule == "dense_add" for slot in genome.slots())
    )
    with pytest.raises(IllegalGeneError, match="got dense_add, this space offers add, concatenate"):
        replace(SPACES["combined 8x8"], merges=("add", "concatenate")).check(genome)


def walk(space: EvonasSpace, n: int) -> list[Genome]:
    """Genomes of `n` mutations in a row, every tenth crossed with a sampled one."""
    rng, genomes = generator(0, "walk"), [sampled(space, 0)]
    for step in range(n):
        genome = space.mutate(genomes[-1], rng=rng)
        genomes.append(space.crossover(genome, sampled(space, step), rng=rng) if step % 10 == 0 else genome)
    return genomes


def reaches(genome: Genome) -> list[int]:
    """How many slots back each edge reads."""
    return [number - k for number, slot in enumerate(genome.slots(), start=1) for k in slot.predecessors]


def test_no_slot_reads_farther_back_than_the_space_allows_wherever_slots_come_and_go() -> None:
    space = SPACES["near 8x8"]
    genomes = [*walk(space, 300), *(sampled(space, seed) for seed in range(100))]
    assert {reach for genome in genomes for reach in reaches(genome)} == {1, 2}
    for genome in genomes[::20]:
        for gene in space.genes(genome):
            changed = [gene.change(value, generator(0, "change")) for value in gene.alternatives]
            assert max(reach for other in changed for reach in reaches(other)) <= 2, gene.name


def test_a_reach_of_one_and_one_predecessor_make_a_chain_of_any_length() -> None:
    space = replace(SPACES["8x8"], max_predecessors=1, max_reach=1, max_feedback=0, max_slots=3)
    genomes = walk(space, 200)
    assert {reach for genome in genomes for reach in reaches(genome)} == {1}
    assert len({genome.n_slots for genome in genomes}) > 4
    assert not any("edge" in gene.name for genome in genomes for gene in space.genes(genome))


def test_an_edge_out_of_reach_is_refused() -> None:
    far = next(
        genome for genome in (sampled(SPACES["8x8"], seed) for seed in range(50)) if 3 in reaches(genome)
    )
    with pytest.raises(IllegalGeneError, match=r"slot \d predecessor: got \d, this space offers \d, \d$"):
        replace(SPACES["8x8"], max_reach=2).check(far)


def test_the_default_options_vary_genomes_as_they_did_before_there_were_more() -> None:
    space = SPACES["8x8"]
    genomes = [sampled(space, seed) for seed in range(50)]
    assert not any(gene.name.endswith("attention") for genome in genomes for gene in space.genes(genome))
    ids = []
    for first, second in pairwise(genomes):
        rng = generator(0, "variation")
        child = space.crossover(space.mutate(first, rng=rng), second, rng=rng)
        ids.append(f"{space.architecture_id(child)} {rng.integers(1 << 30)}")
    assert hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16] == "3573623f836c17d8"


@given(spaces, seeds)
@settings(max_examples=60)
def test_json_brings_back_the_exact_genome(space: EvonasSpace, seed: int) -> None:
    genome = sampled(space, seed)
    text = json.dumps(space.to_dict(genome), allow_nan=False)
    back = space.from_dict(json.loads(text))
    assert back == genome
    assert space.architecture_id(back) == space.architecture_id(genome)
    assert json.dumps(space.to_dict(back)) == text


@given(spaces, seeds)
@settings(max_examples=40)
def test_the_id_does_not_depend_on_the_order_in_which_a_genome_is_drawn(
    space: EvonasSpace, seed: int
) -> None:
    drawings: list[dict[str, Any]] = []

    def capture(**drawing: Any) -> Architecture:
        drawings.append(drawing)
        return canonical(**drawing)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "canonical", capture)
        architecture = decoding.decode(sampled(space, seed), input_spec=space.input)
    (drawing,) = drawings
    n = len(drawing["nodes"])
    rng = generator(seed, "shuffle")
    number = [0, *(1 + int(i) for i in rng.permutation(n - 1))]
    nodes = [drawing["nodes"][number.index(i)] for i in range(n)]
    synapses = [replace(s, source=number[s.source], target=number[s.target]) for s in drawing["synapses"]]
    shuffled = canonical(
        input_spec=space.input,
        nodes=nodes,
        synapses=[synapses[int(i)] for i in rng.permutation(len(synapses))],
        outputs=[number[i] for i in drawing["outputs"]],
    )
    assert shuffled.id == architecture.id


@given(spaces, seeds)
@settings(max_examples=12)
def test_every_alternative_of_every_gene_changes_the_id_and_stays_in_the_space(
    space: EvonasSpace, seed: int
) -> None:
    genome = sampled(space, seed)
    own = space.architecture_id(genome)
    genes = space.genes(genome)
    assert {gene.scale for gene in genes} == {"micro", "meso", "macro"}
    for gene in genes:
        changed = {}
        for value in gene.alternatives:
            assert value != gene.value, gene.name
            other = gene.change(value, generator(seed, "change"))
            space.check(other)
            changed[value] = space.architecture_id(other)
        found = [own, *changed.values()]
        assert len(set(found)) == len(found), f"seed {seed}: gene '{gene.name}' of {gene.value} in {changed}"


@given(spaces, seeds)
@settings(max_examples=15)
def test_a_changed_gene_reads_as_changed_and_changes_back(space: EvonasSpace, seed: int) -> None:
    genome = sampled(space, seed)
    for gene in space.genes(genome):
        if gene.scale != "micro" or gene.name.endswith("model"):
            continue  # other genes may come and go with these
        value = gene.alternatives[0]
        other = gene.change(value, generator(seed, "change"))
        (twin,) = [g for g in space.genes(other) if g.name == gene.name]
        assert twin.value == value
        assert twin.change(gene.value, generator(seed, "change")) == genome


def test_mutation_seldom_proposes_the_architecture_it_started_from() -> None:
    for space in SPACES.values():
        genomes = [sampled(space, seed) for seed in range(200)]
        kept = 0
        for seed, genome in enumerate(genomes):
            mutant = space.mutate(genome, rng=generator(seed, "mutate"))
            kept += space.architecture_id(mutant) == space.architecture_id(genome)
        assert kept <= 6


def test_mutation_reaches_every_scale() -> None:
    space = SPACES["16x16"]
    changed = {"micro": 0, "meso": 0, "macro": 0}
    for seed in range(60):
        genome = sampled(space, seed)
        mutant = space.mutate(genome, rng=generator(seed, "mutate"))
        before, after = list(genome.slots()), list(mutant.slots())
        changed["macro"] += [s.predecessors for s in before] != [s.predecessors for s in after]
        changed["meso"] += [s.motif for s in before] != [s.motif for s in after]
        changed["micro"] += [s.kernels for s in before] != [s.kernels for s in after]
    assert min(changed.values()) >= 5


@pytest.mark.parametrize("name", sorted(SPACES))
def test_the_architecture_counts_the_parameters_of_the_built_network(name: str) -> None:
    space = SPACES[name]
    for seed in range(12):
        architecture = space.decode(sampled(space, seed))
        network = SpikingNetwork(architecture, seed=0)
        assert sum(p.numel() for p in network.parameters()) == architecture.n_parameters, f"seed {seed}"
        drawn = sum(isinstance(s.operation, Convolution) for s in architecture.synapses)
        assert sum(isinstance(s, ConvolutionSynapse) for s in network.synapses) == drawn


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """Still images (1, 64, 1, 8, 8) of scikit-learn's digits."""
    inputs, _ = scoring_batch(load("digits"), size=64)
    return torch.from_numpy(inputs).unsqueeze(0)


def built(space: EvonasSpace, genome: Genome, digits: torch.Tensor) -> tuple[object, object]:
    """What can be seen of a built network, however its parts are numbered: parameter shapes, spikes."""
    network = SpikingNetwork(space.decode(genome), seed=0).eval()
    spikes: list[str] = []

    def observe(node: int, output: torch.Tensor) -> None:
        raw = output.contiguous().to(torch.uint8).numpy().tobytes()
        spikes.append(f"{tuple(output.shape)} {hashlib.sha256(raw).hexdigest()}")

    with torch.no_grad():
        network(digits, time_steps=T, calibrate=True, observe=observe)
    return sorted(tuple(p.shape) for p in network.parameters()), sorted(spikes)


def inert(
    space: EvonasSpace, genome: Genome, gene: Gene[Genome], digits: torch.Tensor, base: tuple[object, object]
) -> list[object]:
    """The alternatives of `gene` that leave the built network as it is."""
    changes = {value: gene.change(value, np.random.default_rng(0)) for value in gene.alternatives}
    return [value for value, other in changes.items() if built(space, other, digits) == base]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["8x8", "combined 8x8"])
def test_one_gene_changed_changes_the_built_network(name: str, seed: int, digits: torch.Tensor) -> None:
    space = SPACES[name]
    genome = sampled(space, seed)
    genes = space.genes(genome)
    gene = genes[int(generator(seed, "gene").integers(len(genes)))]
    idle = inert(space, genome, gene, digits, built(space, genome, digits))
    assert not idle, f"seed {seed}: gene '{gene.name}' = {gene.value} changed to {idle} changes nothing"


# The second of these genomes has attention and a dense sum.
@pytest.mark.parametrize(
    ("seed", "options"), [(1, {}), (1036, {"merges": MERGES, "attention": ("asa", "half")})], ids=str
)
def test_every_gene_of_one_genome_changes_the_built_network(
    seed: int, options: dict[str, Any], digits: torch.Tensor
) -> None:
    # Small, so that all alternatives can be built: two slots, three kernels.
    small = EvonasSpace(
        InputSpec((1, 8, 8), 10), base_width=8, max_stages=2, max_slots=1, kernel_sizes=(1, 3)
    )
    space = replace(small, **options)
    genome = sampled(space, seed)
    base = built(space, genome, digits)
    idle = {gene.name: inert(space, genome, gene, digits, base) for gene in space.genes(genome)}
    assert len(idle) > 20
    last = list(genome.slots())[-1]
    assert (last.attention is not None) == bool(options)
    assert (last.merge is not None and last.merge.rule == "dense_add") == bool(options)
    assert not {name: values for name, values in idle.items() if values}


def test_the_same_genome_twice_builds_the_same_network(digits: torch.Tensor) -> None:
    space = SPACES["8x8"]
    genome = sampled(space, 1)
    assert built(space, genome, digits) == built(space, genome, digits)
