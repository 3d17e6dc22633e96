"""The saved genomes and what they decode to."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from genomes import library
from genomes.architecture import InputSpec
from genomes.attention import ATTENTIONS
from genomes.errors import UnknownNameError
from genomes.serial import build_space

CIFAR10 = InputSpec((3, 32, 32), 10)
CIFAR100 = InputSpec((3, 32, 32), 100)
N_MNIST = InputSpec((2, 34, 34), 10)
DVS128 = InputSpec((2, 32, 32), 5)
IMAGENET = InputSpec((3, 224, 224), 1000)


@dataclass(frozen=True)
class Golden:
    id: str
    n_parameters: int
    macs_per_step: int
    n_neurons: int
    depth: int
    input: InputSpec = CIFAR10


GOLDEN = {
    "asa_full": Golden("ae2f0d3410efe268e", 38254, 6811976, 31840, 5, N_MNIST),
    "asa_full_dvs128": Golden("a7ab1dad45f30501b", 38089, 6171776, 28672, 5, DVS128),
    "asa_half": Golden("a2a2316e781a130bd", 38090, 6695552, 31840, 5, N_MNIST),
    "asa_half_dvs128": Golden("a911ce8a85283bd94", 37925, 6066176, 28672, 5, DVS128),
    "asa_important": Golden("aeb0f8ea6661057a1", 38182, 6776676, 31840, 5, N_MNIST),
    "asa_important_dvs128": Golden("a7f8e17d483c53177", 38017, 6139776, 28672, 5, DVS128),
    "asa_none": Golden("acf1711ca4185ce2b", 38090, 6672960, 31840, 5, N_MNIST),
    "asa_none_dvs128": Golden("a006b6a5dfcfdf353", 37925, 6045696, 28672, 5, DVS128),
    "asa_rest": Golden("a62a752e1bf133fe6", 38182, 6776676, 31840, 5, N_MNIST),
    "asa_rest_dvs128": Golden("aa01537afd7e50d49", 38017, 6139776, 28672, 5, DVS128),
    "danet_resnet101": Golden("a6385b2a3762becde", 44549160, 7799357440, 14124544, 100, IMAGENET),
    "danet_resnet152": Golden("ad1fbb05261edc974", 60192808, 11511578624, 20446720, 151, IMAGENET),
    "danet_resnet50": Golden("a4875bdb7aaa7e934", 25557032, 4087136256, 9006592, 49, IMAGENET),
    "feedback_loop": Golden("a040b4e63b579697d", 28386, 3452928, 21504, 6),
    "inhibited_chain": Golden("a37020f2b51e44206", 46553, 2101248, 13056, 6),
    "rivals": Golden("a840835e07c41f5d2", 50158, 8091648, 27648, 8),
    "separable": Golden("a41047a89d91d3e28", 12618, 733696, 18432, 7),
    "snasnet_cifar10": Golden("ac0a3aba9b091ecea", 19520356, 5250351104, 2753536, 9),
    "snasnet_cifar100": Golden("ac47d1062058bee93", 20624500, 1564016640, 1180672, 9, CIFAR100),
    "spiking_resnet": Golden("aa499f234ed345b65", 209690, 30588928, 172032, 18),
    "spiking_resnet_narrow": Golden("a245f9d3913643ce6", 53138, 1939456, 21504, 18),
    "spiking_vgg": Golden("ad38324b690ad4611", 298026, 48070656, 147456, 7),
    "spiking_vgg_narrow": Golden("a616a40a8e6c01b00", 54330, 2727936, 17920, 7),
}


def test_every_saved_genome_has_its_golden_numbers() -> None:
    assert library.names() == sorted(GOLDEN)


def test_there_are_five_genomes_or_more_and_a_vgg_and_a_resnet_among_them() -> None:
    assert len(library.names()) >= 5
    assert {"spiking_vgg", "spiking_resnet"} <= set(library.names())


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_it_decodes_to_what_it_always_did(name: str) -> None:
    genome, space = library.load(name)
    a = space.decode(genome)
    assert Golden(a.id, a.n_parameters, a.macs_per_step, a.n_neurons, a.depth, space.input) == GOLDEN[name]


def test_the_parameters_and_macs_of_the_vgg_agree_with_a_count_by_hand() -> None:
    genome, _ = library.load("spiking_vgg")
    n_parameters = macs = 0
    channels, side = 3, 32
    layers = [(genome.stem.kernel, genome.stages[0].width, genome.stem.stride)]
    for s, stage in enumerate(genome.stages):
        for i, slot in enumerate(stage.slots):
            assert slot.motif == "feedforward_excitation"
            first = 2 if s and not i else 1
            layers += [(slot.kernels[0], stage.width, first), (slot.kernels[1], stage.width, 1)]
    for k, (kernel, width, shrink) in enumerate(layers):
        side //= shrink  # by the stride of the stem, then by pooling between stages
        assert not kernel.separable, k
        n_parameters += channels * kernel.size**2 * width + 2 * width
        macs += channels * kernel.size**2 * width * side**2
        channels = width
    n_parameters += (channels + 1) * 10
    assert (n_parameters, macs) == (GOLDEN["spiking_vgg"].n_parameters, GOLDEN["spiking_vgg"].macs_per_step)


@pytest.mark.parametrize("name", library.names("evonas"))
def test_the_default_space_contains_what_was_drawn_for_it(name: str) -> None:
    genome, saved_in = library.load(name)
    options: dict[str, object] = {"attention": tuple(ATTENTIONS.names())} if name.startswith("asa") else {}
    if name.endswith("_narrow"):
        options["base_width"] = 8
    space = build_space("evonas", input_spec=saved_in.input, options=options)
    space.check(genome)


@pytest.mark.parametrize("suffix", ["", "_dvs128"])
def test_the_genomes_of_the_attention_experiment_differ_in_their_attention_alone(suffix: str) -> None:
    plain, _ = library.load(f"asa_none{suffix}")
    variants = {"full": "asa", "important": "asa_important", "rest": "asa_rest", "half": "half"}
    assert set(variants.values()) == set(ATTENTIONS.names())
    for name, attention in variants.items():
        genome, _ = library.load(f"asa_{name}{suffix}")
        assert {slot.attention for slot in genome.slots()} == {attention}
        stages = tuple(
            replace(stage, slots=tuple(replace(slot, attention=None) for slot in stage.slots))
            for stage in genome.stages
        )
        assert replace(genome, stages=stages) == plain


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_it_says_where_it_comes_from(name: str) -> None:
    saved = json.loads((library.FOLDER / f"{name}.json").read_text())
    assert len(saved["provenance"]) > 10


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'spiking_vgg'"):
        library.load("spiking_vg")
