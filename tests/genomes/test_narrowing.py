"""Narrow copies: the same wiring with a fraction of the channels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from genomes.architecture import INPUT, Architecture, Draft, InputSpec, Synapse, canonical
from genomes.canvas import Canvas
from genomes.cells import from_code
from genomes.micro import Kernel, Neuron
from genomes.narrowing import narrowed
from genomes.operations import CONVOLUTIONS, Convolution, Linear, Operation
from genomes.registry import load_modules
from genomes.serial import build_space
from genomes.space import SPACES
from genomes.spaces.spikenas_bench import SpikenasBenchSpace

load_modules("genomes.spaces")
NAMES = SPACES.names()
SPEC = InputSpec((3, 32, 32), 10)
FEW = 2
"""Channels down to which the default space can narrow most of its networks."""

each_sample = pytest.mark.parametrize("seed", range(6))
each_space = pytest.mark.parametrize("name", NAMES)


@cache
def sampled(name: str, seed: int) -> Architecture:
    space = build_space(name, input_spec=SPEC, options={})
    return space.decode(space.sample(rng=np.random.default_rng(seed)))


def widths(architecture: Architecture) -> list[int]:
    """Channels of the convolutions and features of the dense synapses."""
    operations = [synapse.operation for synapse in architecture.synapses]
    convolved = [o.channels for o in operations if isinstance(o, CONVOLUTIONS)]
    return sorted(convolved + [o.features for o in operations if isinstance(o, Linear)])


def least_channels(architecture: Architecture) -> int:
    return min(s.operation.channels for s in architecture.synapses if isinstance(s.operation, CONVOLUTIONS))


def widened(architecture: Architecture, factor: int) -> Architecture:
    """The architecture with every layer `factor` times as wide."""

    def wide(operation: Operation) -> Operation:
        if isinstance(operation, CONVOLUTIONS):
            return replace(operation, channels=operation.channels * factor)
        if isinstance(operation, Linear):
            return replace(operation, features=operation.features * factor)
        return operation

    return canonical(
        input_spec=architecture.input,
        nodes=[Draft(node.merge, node.neuron) for node in architecture.nodes],
        synapses=[replace(synapse, operation=wide(synapse.operation)) for synapse in architecture.synapses],
        outputs=architecture.outputs,
        voters=architecture.voters,
    )


def test_every_space_is_narrowed_somewhere() -> None:
    assert NAMES
    for name in NAMES:
        assert any(
            narrowed(sampled(name, seed), channels=FEW) is not sampled(name, seed) for seed in range(6)
        )


@each_space
@each_sample
def test_the_wiring_stays(name: str, seed: int) -> None:
    wide = sampled(name, seed)
    narrow = narrowed(wide, channels=FEW)
    assert len(narrow.nodes) == len(wide.nodes)
    assert (narrow.depth, narrow.chain_length, narrow.voters) == (wide.depth, wide.chain_length, wide.voters)
    assert Counter(node.shape[1:] for node in narrow.nodes) == Counter(node.shape[1:] for node in wide.nodes)
    # Nodes are numbered by structure and width, so that what is the same is seen when it is as wide again.
    assert widened(narrow, max(widths(wide)) // max(widths(narrow))).id == wide.id


@each_space
@each_sample
def test_all_widths_are_divided_by_one_number_as_far_as_the_channels_allow(name: str, seed: int) -> None:
    wide = sampled(name, seed)
    narrow = narrowed(wide, channels=FEW)
    divisor = max(widths(wide)) // max(widths(narrow))
    assert [width * divisor for width in widths(narrow)] == widths(wide)
    if narrow is wide:
        assert divisor == 1
    else:
        assert divisor > 1
        assert least_channels(narrow) >= FEW
        assert narrow.n_parameters < wide.n_parameters
    common = int(np.gcd.reduce(widths(wide)))
    wider = [n for n in range(divisor + 1, common + 1) if common % n == 0]
    assert all(least_channels(wide) < n * FEW for n in wider)


@each_space
@each_sample
def test_what_is_narrow_already_is_returned_itself(name: str, seed: int) -> None:
    wide = sampled(name, seed)
    narrow = narrowed(wide, channels=FEW)
    assert narrowed(narrow, channels=FEW) is narrow
    assert narrowed(wide, channels=least_channels(wide)) is wide


def bench(*, channels: int, hidden: int) -> SpikenasBenchSpace:
    return SpikenasBenchSpace(SPEC, channels=(channels,), hidden=(hidden,))


@pytest.mark.parametrize("text", ["230004", "003000", "444444", "102304"])
def test_a_cell_made_narrow_is_that_cell_decoded_narrow(text: str) -> None:
    wide, narrow = bench(channels=128, hidden=1024), bench(channels=16, hidden=128)
    found = narrowed(wide.decode(wide.genome(from_code(text))), channels=16)
    assert found.id == narrow.decode(narrow.genome(from_code(text))).id


def test_a_cell_of_two_widths_is_made_the_same_narrow_network() -> None:
    spaces = bench(channels=128, hidden=1024), bench(channels=256, hidden=2048)
    wide = [space.decode(space.genome(from_code("230004"))) for space in spaces]
    assert wide[0].id != wide[1].id
    assert narrowed(wide[0], channels=16).id == narrowed(wide[1], channels=16).id


def branches(*, swapped: bool) -> Architecture:
    """Two branches of neurons that a third layer reads, drawn in either order; one feeds back to the other."""
    conv = Convolution(Kernel(3), channels=32)
    low, high = Neuron("if", 0.5, None, "hard"), Neuron("if", 1.5, None, "hard")
    first, second = (2, 1) if swapped else (1, 2)
    nodes = [
        Draft("input"),
        *(Draft("add", high if swapped else low), Draft("add", low if swapped else high)),
    ]
    synapses = [
        *(Synapse(0, first, conv), Synapse(0, second, conv), Synapse(first, 3, conv)),
        *(Synapse(second, 3, conv), Synapse(second, first, conv, delay=1)),
    ]
    return canonical(
        input_spec=SPEC,
        nodes=[*nodes, Draft("add", low)],
        synapses=synapses[::-1] if swapped else synapses,
        outputs=[3],
    )


def test_drawings_of_one_network_have_one_narrow_network() -> None:
    found = [narrowed(branches(swapped=swapped), channels=8) for swapped in (False, True)]
    assert found[0].id == found[1].id
    assert found[0].has_feedback
    assert widths(found[0]) == [8] * 5


def test_a_width_that_divides_nothing_leaves_the_network_as_it_is() -> None:
    conv = [Convolution(Kernel(3), channels=width) for width in (64, 63)]
    neuron = Neuron("if", 1.0, None, "hard")
    odd = canonical(
        input_spec=SPEC,
        nodes=[Draft("input"), Draft("add", neuron), Draft("add", neuron)],
        synapses=[Synapse(0, 1, conv[0]), Synapse(1, 2, conv[1])],
        outputs=[2],
    )
    assert narrowed(odd, channels=4) is odd


def test_a_network_without_convolutions_is_left_as_it_is() -> None:
    canvas = Canvas()
    dense = canvas.spikes(canvas.through(INPUT, Linear(64)), Neuron("if", 1.0, None, "hard"))
    architecture = canvas.architecture(SPEC, outputs=[dense])
    assert narrowed(architecture, channels=4) is architecture
