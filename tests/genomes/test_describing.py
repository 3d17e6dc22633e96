from __future__ import annotations

import pytest

from genomes import library
from genomes.describing import describe


@pytest.mark.parametrize("name", library.names("evonas"))
def test_the_totals_are_those_of_the_architecture_and_the_sum_of_the_parts(name: str) -> None:
    genome, space = library.load(name)
    architecture = space.decode(genome)
    text = describe(genome, space)
    lines = text.splitlines()
    assert lines[0] == f"architecture {architecture.id}, space evonas"
    shape = " x ".join(map(str, space.input.shape))
    assert lines[1] == f"input {shape}, {space.input.n_classes} classes"
    assert (
        f"{architecture.n_parameters:,} parameters, {architecture.macs_per_step:,} MACs per time step" in text
    )
    assert f"{architecture.memory_bytes:,} bytes, depth {architecture.depth}" in text
    synapses = [line for line in lines if line.startswith("    from ")]
    assert len(synapses) == len(architecture.synapses)
    macs = [
        int(line.rsplit(", ", 1)[1].removesuffix(" MACs").replace(",", ""))
        for line in synapses
        if "MACs" in line
    ]
    assert len(macs) == sum(architecture.macs(s) > 0 for s in architecture.synapses)
    assert sum(macs) == architecture.macs_per_step


@pytest.mark.parametrize("name", library.names("evonas"))
def test_every_part_has_a_line(name: str) -> None:
    genome, space = library.load(name)
    architecture = space.decode(genome)
    lines = describe(genome, space).splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("node ")] == [
        f"node {i}" for i in range(len(architecture.nodes))
    ]
    for number, slot in enumerate(genome.slots(), start=1):
        (line,) = [line for line in lines if line.startswith(f"slot {number}:")]
        assert slot.motif in line
        assert ("with attention" in line) == (slot.attention is not None)
        assert all(str(kernel) in line for kernel in slot.kernels)
        assert all(str(neuron) in line for neuron in slot.neurons)
    (stem,) = [line for line in lines if line.startswith("stem:")]
    assert str(genome.stem.kernel) in stem


def test_delays_signs_and_feedback_are_told() -> None:
    text = describe(*library.load("feedback_loop"))
    assert "1 step late" in text
    assert "inhibitory" in text
    assert (
        "slot 1: feedforward_excitation, stage 0, 16 channels, reads stem, feedback from slot 2 and slot 3;"
        in text
    )
    assert "reads slot 1 + slot 2 (concatenate)" in text
    assert "resize to 16x16" in text


def test_the_readout_says_what_it_reads() -> None:
    genome, space = library.load("spiking_vgg")
    architecture = space.decode(genome)
    last = describe(genome, space).splitlines()[-1]
    assert last.startswith(f"readout: mean over time and space of {architecture.outputs[0]}; linear ")
    assert last.endswith(f"{(architecture.n_features + 1) * 10:,} parameters")
