"""The saved genomes and what they decode to."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from genomes import library
from genomes.architecture import InputSpec
from genomes.errors import UnknownNameError
from genomes.serial import build_space

CIFAR10 = InputSpec((3, 32, 32), 10)


@dataclass(frozen=True)
class Golden:
    id: str
    n_parameters: int
    macs_per_step: int
    n_neurons: int
    depth: int
    input: InputSpec = CIFAR10


GOLDEN = {
    "feedback_loop": Golden("a040b4e63b579697d", 28386, 3452928, 21504, 6),
    "inhibited_chain": Golden("a37020f2b51e44206", 46553, 2101248, 13056, 6),
    "rivals": Golden("a840835e07c41f5d2", 50158, 8091648, 27648, 8),
    "separable": Golden("a41047a89d91d3e28", 12618, 733696, 18432, 7),
    "spiking_resnet": Golden("aa499f234ed345b65", 209690, 30588928, 172032, 18),
    "spiking_vgg": Golden("ad38324b690ad4611", 298026, 48070656, 147456, 7),
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


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_default_space_contains_it(name: str) -> None:
    genome, _ = library.load(name)
    space = build_space("evonas", input_spec=InputSpec((3, 32, 32), 10), options={})
    space.check(genome)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_it_says_where_it_comes_from(name: str) -> None:
    saved = json.loads((library.FOLDER / f"{name}.json").read_text())
    assert len(saved["provenance"]) > 10


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'spiking_vgg'"):
        library.load("spiking_vg")
