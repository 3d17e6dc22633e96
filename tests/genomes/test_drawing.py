from __future__ import annotations

import pytest

from genomes.drawing import Draft, Drawing, Synapse, shapes
from genomes.errors import IllegalGeneError
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Identity, MaxPool

IF = Neuron("if", 0.5, None, "hard")
CONV = Convolution(Kernel(3), channels=3)


def running_sums(n: int) -> Drawing:
    """n convolutions, each bridged, its result handed on through a node that does nothing."""
    nodes, synapses, signal = [Draft("input")], [], 0
    for _ in range(n):
        fires, adds, relay = len(nodes), len(nodes) + 1, len(nodes) + 2
        nodes += [Draft("add", IF), Draft("add"), Draft("add")]
        synapses += [Synapse(signal, fires, Identity()), Synapse(fires, adds, CONV)]
        synapses += [Synapse(signal, adds, Identity()), Synapse(adds, relay, Identity())]
        signal = relay
    nodes.append(Draft("add", IF))
    return Drawing(nodes, [*synapses, Synapse(signal, len(nodes) - 1, Identity())], [len(nodes) - 1])


def test_the_effort_of_skipping_grows_no_faster_than_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_at(n: int) -> int:
        count = 0
        is_passive = Drawing._is_passive

        def counting(self: Drawing, node: int) -> bool:
            nonlocal count
            count += 1
            return is_passive(self, node)

        with monkeypatch.context() as patch:
            patch.setattr(Drawing, "_is_passive", counting)
            drawing = running_sums(n)
            drawing.skip_what_hands_on()
        # What hands on is gone: neurons and sums are left; the last sum has one reader, which takes it over.
        assert len(drawing.alive) == 1 + 2 * n
        return count

    assert looked_at(200) <= 2 * looked_at(100) + 10


def test_a_sum_that_several_read_keeps_its_weights_in_one_place() -> None:
    drawing = running_sums(2)
    drawing.skip_what_hands_on()
    nodes, synapses, _ = drawing.renumbered()
    assert sum(s.operation == CONV for s in synapses) == 2
    assert [len([s for s in synapses if s.target == i]) for i in range(len(nodes))] == [0, 1, 2, 1, 2]


def test_an_output_that_comes_down_to_the_input_is_refused() -> None:
    drawing = Drawing([Draft("input"), Draft("add")], [Synapse(0, 1, Identity())], [1])
    with pytest.raises(IllegalGeneError, match="no output is reached"):
        drawing.skip_what_hands_on()


def test_shapes_follow_from_the_input_whatever_the_order_of_the_nodes() -> None:
    nodes = [Draft("input"), Draft("concatenate"), Draft("add", IF), Draft("add", IF)]
    synapses = [Synapse(3, 1, Identity()), Synapse(2, 1, Identity())]
    synapses += [Synapse(0, 3, MaxPool(2)), Synapse(3, 2, CONV), Synapse(2, 2, CONV, 1)]
    assert shapes(nodes, synapses, input_shape=(2, 8, 8)) == [(2, 8, 8), (5, 4, 4), (3, 4, 4), (2, 4, 4)]


def test_a_stack_that_holds_itself_has_no_shape() -> None:
    nodes = [Draft("input"), Draft("concatenate")]
    synapses = [Synapse(0, 1, Identity()), Synapse(1, 1, Identity(), 1)]
    with pytest.raises(IllegalGeneError, match="form a cycle"):
        shapes(nodes, synapses, input_shape=(2, 8, 8))
