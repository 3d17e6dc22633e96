from __future__ import annotations

from itertools import combinations

import pytest

from genomes.architecture import INPUT, Architecture, InputSpec
from genomes.micro import Kernel, Neuron
from genomes.operations import AveragePool, Convolution, Identity
from genomes.units import CONNECTIONS, STEMS, UNITS, draw_stack

LIF = Neuron("lif", 0.5, 2.0, "hard")
KINDS = UNITS.names()
RULES = CONNECTIONS.names()


def stack(kind: str, rule: str, *stages: tuple[int, int], side: int = 8, stem: str = "small") -> Architecture:
    return draw_stack(
        InputSpec((3, side, side), 10),
        stem=STEMS.get(stem),
        stages=stages,
        unit=UNITS.get(kind),
        connection=CONNECTIONS.get(rule),
        neuron=LIF,
    )


def sums(a: Architecture) -> list[int]:
    return [i for i, n in enumerate(a.nodes) if n.merge == "add" and len(a.incoming[i]) > 1]


def convolutions(a: Architecture) -> list[Convolution]:
    return [s.operation for s in a.synapses if isinstance(s.operation, Convolution)]


def test_there_are_units_and_connections() -> None:
    assert KINDS == ["bottleneck", "depthwise", "residual", "vgg"]
    assert RULES == ["concatenate", "dense_add", "ms", "none", "plain", "sew"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_joins_every_kind_with_one_layer_of_neurons_per_convolution(kind: str, rule: str) -> None:
    a = stack(kind, rule, (8, 3), (8, 3))
    n_convolutions = 1 + 6 * len(UNITS.get(kind).layers)
    adapters = len(convolutions(a)) - n_convolutions
    # Between currents the stem drives no neurons, and a last layer stands before the readout instead.
    assert len(a.spiking) == n_convolutions + (adapters if rule == "sew" else 0)
    assert adapters == 0 or CONNECTIONS.get(rule).bridges


@pytest.mark.parametrize(
    ("kind", "rule", "n"),
    [
        ("residual", "none", 0),
        ("residual", "concatenate", 0),
        ("residual", "plain", 3),
        ("residual", "sew", 3),
        ("residual", "ms", 3),
        ("residual", "dense_add", 6),
        ("vgg", "dense_add", 3),
        ("depthwise", "dense_add", 3),
        ("bottleneck", "ms", 3),
        ("bottleneck", "dense_add", 6),
    ],
)
def test_shortcuts_bridge_units_or_under_dense_add_convolutions(kind: str, rule: str, n: int) -> None:
    a = stack(kind, rule, (8, 3))
    assert len(sums(a)) == n
    # Neurons that alone read a sum take it over; none stands on a sum that goes on, but under "plain".
    carried = {s.source for s in a.synapses if isinstance(s.operation, Identity) and s.source in sums(a)}
    assert all((a.nodes[i].neuron is not None) == (rule == "plain") for i in carried)


def test_a_narrow_convolution_has_a_shortcut_of_its_own_under_dense_add() -> None:
    a = stack("bottleneck", "dense_add", (8, 2))
    assert sorted(a.nodes[i].shape[0] for i in sums(a)) == [8, 8, 32, 32]
    narrow = [i for i in sums(a) if a.nodes[i].shape[0] == 8]
    for i in narrow:
        kernels = {op.kernel for s in a.incoming[i] if isinstance(op := a.synapses[s].operation, Convolution)}
        assert kernels == {Kernel(3)}


@pytest.mark.parametrize(("kind", "n"), [("residual", 8), ("vgg", 4), ("depthwise", 4)])
def test_dense_addition_is_one_running_sum_from_the_stem_to_the_readout(kind: str, n: int) -> None:
    a = stack(kind, "dense_add", (8, 4))
    (node,), n_added = a.outputs, 0
    while a.synapses[a.incoming[node][0]].source != INPUT:
        into = [a.synapses[s] for s in a.incoming[node]]
        assert sorted(type(s.operation).__name__ for s in into) == ["Convolution", "Identity"]
        n_added += 1
        (node,) = (s.source for s in into if isinstance(s.operation, Identity))
    assert n_added == n


def test_sums_of_spikes_are_unrolled_so_that_each_unit_reads_the_sum_of_all_before() -> None:
    a = stack("residual", "sew", (8, 3))
    assert sorted(len(a.incoming[i]) for i in sums(a)) == [2, 3, 4]
    assert not any(a.binary[i] for i in sums(a))


def test_stacking_reads_two_units_and_keeps_the_width() -> None:
    a = stack("residual", "concatenate", (8, 5))
    widths = [n.shape[0] for n in a.nodes if n.merge == "concatenate"]
    assert widths == [16] * 4
    assert {a.nodes[i].shape[0] for i in a.spiking} == {8}


@pytest.mark.parametrize(
    ("rule", "pools", "adapters", "extra_neurons"),
    [("plain", 0, 1, 0), ("sew", 0, 1, 1), ("ms", 1, 1, 0), ("dense_add", 1, 1, 0), ("none", 0, 0, 0)],
)
def test_a_shortcut_to_another_shape_is_a_1x1_convolution(
    rule: str, pools: int, adapters: int, extra_neurons: int
) -> None:
    a = stack("residual", rule, (8, 1), (16, 1))
    found = [op for op in convolutions(a) if op.kernel == Kernel(1)]
    assert [op.channels for op in found] == [16] * adapters
    assert all(op.stride == (1 if pools else 2) for op in found)
    assert sum(isinstance(s.operation, AveragePool) for s in a.synapses) == pools
    assert len(a.spiking) == 5 + extra_neurons


@pytest.mark.parametrize("side", [7, 9, 34])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sides_fit(kind: str, rule: str, side: int) -> None:
    a = stack(kind, rule, (4, 1), (8, 1), (16, 2), side=side)
    assert a.nodes[a.outputs[0]].shape[1] in (side // 4, -(-side // 4))


@pytest.mark.parametrize("n_units", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_rules_mean_the_same_exactly_where_they_draw_the_same(kind: str, n_units: int) -> None:
    unit = UNITS.get(kind)
    n_equal = 0
    for first, second in combinations(RULES, 2):
        meanings = {CONNECTIONS.get(rule).within(unit, n_units=n_units) for rule in (first, second)}
        ids = {stack(kind, rule, (8, n_units)).id for rule in (first, second)}
        assert len(meanings) == len(ids), (first, second)
        n_equal += len(ids) == 1
    assert n_equal >= (kind in ("vgg", "depthwise")) + (n_units == 1)


def test_the_large_stem_quarters_the_resolution() -> None:
    a = stack("vgg", "none", (8, 1), side=32, stem="imagenet")
    assert a.nodes[a.outputs[0]].shape == (8, 8, 8)
