import pytest

from genomes.architecture import INPUT, Architecture, Draft, InputSpec, Synapse, canonical
from genomes.canvas import Canvas
from genomes.errors import IllegalGeneError
from genomes.micro import Kernel, Neuron
from genomes.operations import (
    AveragePool,
    BareConvolution,
    Convolution,
    Identity,
    MaxPool,
    Operation,
    SpatialAttention,
)

SPEC = InputSpec((3, 8, 8), 10)
LIF = Neuron("lif", 0.5, 2.0, "hard")
IF = Neuron("if", 0.5, None, "hard")


def conv(channels: int, size: int = 3, sign: int = 0) -> Convolution:
    return Convolution(Kernel(size), channels=channels, sign=sign)


def build(nodes: list[Draft], synapses: list[Synapse], outputs: list[int]) -> Architecture:
    return canonical(input_spec=SPEC, nodes=[Draft("input"), *nodes], synapses=synapses, outputs=outputs)


def plain() -> Architecture:
    nodes = [Draft("add", LIF), Draft("add", IF)]
    return build(nodes, [Synapse(0, 1, conv(8)), Synapse(1, 2, conv(4))], [2])


def test_parameters_macs_depth_and_memory_are_counted_by_hand() -> None:
    a = plain()
    assert a.n_parameters == (3 * 9 * 8 + 16) + (8 * 9 * 4 + 8) + (4 + 1) * 10
    assert a.macs_per_step == 64 * (3 * 9 * 8 + 8 * 9 * 4)
    assert a.depth == 2
    assert a.n_neurons == 64 * 12
    assert a.memory_bytes == 4 * (a.n_parameters + 64 * 12)


def chained(*synapses: Synapse, spiking: int = 3) -> Architecture:
    """The input, then `spiking` layers of neurons joined as `synapses` say; the last is the output."""
    return build([Draft("add", LIF)] * spiking, list(synapses), [spiking])


def test_a_chain_counts_the_spiking_layers_that_a_convolution_reads() -> None:
    row = chained(Synapse(0, 1, conv(8)), Synapse(1, 2, conv(8)), Synapse(2, 3, conv(8)))
    assert (row.chain_length, row.n_convolutions, row.depth) == (2, 3, 3)
    pooled = chained(Synapse(0, 1, conv(8)), Synapse(1, 2, AveragePool(2, 2)), Synapse(2, 3, conv(8)))
    assert (pooled.chain_length, pooled.n_convolutions) == (1, 2)


def test_a_chain_goes_the_longest_way_and_a_skipped_layer_adds_nothing_to_the_short_one() -> None:
    both = chained(
        Synapse(0, 1, conv(8)), Synapse(1, 2, conv(8)), Synapse(2, 3, conv(8)), Synapse(1, 3, conv(8, 1))
    )
    assert (both.chain_length, both.n_convolutions) == (2, 4)


def test_a_convolution_behind_a_pool_or_a_stack_reads_the_spikes_before_it() -> None:
    nodes = [Draft("add", LIF), Draft("add", LIF), Draft("concatenate"), Draft("add"), Draft("add", IF)]
    synapses = [
        *(Synapse(0, i, conv(8)) for i in (1, 2)),
        *(Synapse(i, 3, Identity()) for i in (1, 2)),
        Synapse(3, 4, AveragePool(2, 2)),
        Synapse(4, 5, conv(4)),
    ]
    assert build(nodes, synapses, [5]).chain_length == 1


def test_feedback_makes_no_chain_longer_but_is_a_convolution() -> None:
    back = chained(Synapse(0, 1, conv(8)), Synapse(1, 2, conv(8)), Synapse(2, 1, conv(8), 1), spiking=2)
    assert (back.chain_length, back.n_convolutions) == (1, 3)


def test_a_bare_convolution_is_one_and_a_network_without_neurons_before_it_has_no_chain() -> None:
    bare = build([Draft("add", LIF)], [Synapse(0, 1, BareConvolution(3, 8))], [1])
    assert (bare.chain_length, bare.n_convolutions) == (0, 1)


def test_a_learnt_time_constant_is_a_parameter_and_a_fixed_one_is_not() -> None:
    def with_model(model: str) -> int:
        neuron = Neuron(model, 0.5, 2.0, "hard")
        return build([Draft("add", neuron)], [Synapse(0, 1, conv(8))], [1]).n_parameters

    assert with_model("plif") == with_model("lif") + 1


def test_renumbering_keeps_the_id() -> None:
    nodes = [Draft("add", IF), Draft("add", LIF)]
    assert build(nodes, [Synapse(2, 1, conv(4)), Synapse(0, 2, conv(8))], [1]).id == plain().id


def test_an_identity_slot_keeps_the_id() -> None:
    nodes = [Draft("add", LIF), Draft("concatenate"), Draft("add", IF), Draft("add")]
    synapses = [
        Synapse(0, 1, conv(8)),
        Synapse(1, 2, Identity()),
        Synapse(2, 3, conv(4)),
        Synapse(3, 4, Identity()),
    ]
    assert build(nodes, synapses, [4]).id == plain().id


def test_parts_that_reach_no_output_or_that_nothing_drives_keep_the_id() -> None:
    nodes = [Draft("add", LIF), Draft("add", IF), Draft("add", LIF), Draft("add", LIF)]
    synapses = [Synapse(0, 1, conv(8)), Synapse(1, 2, conv(4))]
    synapses += [Synapse(1, 3, conv(5)), Synapse(4, 2, conv(4))]
    assert build(nodes, synapses, [2]).id == plain().id


def test_nested_stacks_mean_one_stack() -> None:
    branches = [Draft("add", LIF)] * 3
    drive = [Synapse(0, i, conv(4, size)) for i, size in ((1, 1), (2, 3), (3, 5))]
    nested = build(
        [*branches, Draft("concatenate"), Draft("concatenate"), Draft("add", IF)],
        [
            *drive,
            *(Synapse(a, b, Identity()) for a, b in ((1, 4), (2, 4), (4, 5), (3, 5))),
            Synapse(5, 6, conv(4)),
        ],
        [6],
    )
    flat = build(
        [*branches, Draft("concatenate"), Draft("add", IF)],
        [*drive, *(Synapse(i, 4, Identity()) for i in (1, 2, 3)), Synapse(4, 5, conv(4))],
        [5],
    )
    assert nested.id == flat.id


def test_a_sum_is_not_skipped_where_that_would_double_weights() -> None:
    nodes = [Draft("add"), Draft("add", LIF), Draft("add", IF)]
    shared = [Synapse(0, 1, conv(4)), Synapse(1, 2, Identity()), Synapse(1, 3, Identity())]
    assert len(build(nodes, shared, [2, 3]).nodes) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"neuron": Neuron("lif", 1.0, 2.0, "hard")},
        {"neuron": Neuron("lif", 0.5, 3.0, "hard")},
        {"neuron": Neuron("lif", 0.5, 2.0, "soft")},
        {"operation": conv(8, 5)},
        {"operation": conv(9)},
        {"operation": conv(8, sign=1)},
        {"delay": 1},
    ],
)
def test_every_difference_in_meaning_changes_the_id(change: dict[str, object]) -> None:
    def drawn(**change: object) -> str:
        values = {"neuron": LIF, "operation": conv(8), "delay": 0} | change
        nodes = [Draft("add", values["neuron"]), Draft("add", IF)]  # type: ignore[arg-type]
        first = Synapse(0, 1, values["operation"], values["delay"])  # type: ignore[arg-type]
        return build(nodes, [first, Synapse(1, 2, conv(4))], [2]).id

    assert drawn(**change) != drawn()


def test_an_output_that_the_input_does_not_reach_is_refused() -> None:
    with pytest.raises(IllegalGeneError, match="no output is reached"):
        build([Draft("add", LIF), Draft("add", LIF)], [Synapse(0, 1, conv(8))], [2])


def test_a_loop_without_delay_is_refused() -> None:
    nodes = [Draft("add", LIF), Draft("add", LIF)]
    loop = [Synapse(0, 1, conv(8)), Synapse(1, 2, conv(8)), Synapse(2, 1, conv(8))]
    with pytest.raises(IllegalGeneError, match="cycle without delay"):
        build(nodes, loop, [2])
    late = [*loop[:2], Synapse(2, 1, conv(8), delay=1)]
    assert build(nodes, late, [2]).schedule == ((0,), (1, 2))


def test_signals_of_different_shape_cannot_be_added() -> None:
    with pytest.raises(IllegalGeneError, match="its synapses bring"):
        build([Draft("add", LIF)], [Synapse(0, 1, conv(8)), Synapse(0, 1, conv(4, 5))], [1])


def test_pooled_and_stacked_spikes_are_binary_and_sums_are_not() -> None:
    nodes = [Draft("add", LIF), Draft("add", LIF), Draft("concatenate"), Draft("add"), Draft("add", IF)]
    synapses = [
        Synapse(0, 1, conv(4)),
        Synapse(0, 2, conv(4, 1)),
        Synapse(1, 3, MaxPool(2)),
        Synapse(2, 3, MaxPool(2)),
        Synapse(1, 4, conv(4)),
        Synapse(2, 4, conv(4)),
        Synapse(4, 5, conv(4)),
    ]
    a = build(nodes, synapses, [3, 5])
    by_kind = {(n.merge, n.neuron is not None, n.shape): a.binary[i] for i, n in enumerate(a.nodes)}
    assert by_kind["concatenate", False, (8, 4, 4)]
    assert not by_kind["add", False, (4, 8, 8)]
    assert not a.binary[0]


def test_synapses_of_one_kind_have_weights_of_their_own_and_share_them_with_other_networks() -> None:
    def chain(n: int) -> Architecture:
        synapses = [Synapse(0, 1, conv(4)), *(Synapse(i, i + 1, conv(4)) for i in range(1, n))]
        return build([Draft("add", LIF)] * n, synapses, [n])

    short, long = chain(3), chain(4)
    assert len(set(long.weight_keys)) == 4
    assert set(short.weight_keys) < set(long.weight_keys)


def test_dead_parts_on_nodes_that_only_hand_on_keep_the_id() -> None:
    def drawn(*extra: Synapse) -> str:
        nodes = [Draft("add", LIF), Draft("add"), Draft("add", IF), Draft("add", LIF), Draft("concatenate")]
        synapses = [Synapse(0, 1, conv(8)), Synapse(1, 2, conv(8)), Synapse(2, 3, Identity())]
        return build(nodes, [*synapses, *extra], [3]).id

    reads_a_passive_node = Synapse(2, 4, conv(3))
    stacks_it_with_nothing = (Synapse(2, 5, Identity()), Synapse(4, 5, Identity()))
    assert drawn(reads_a_passive_node) == drawn()
    assert drawn(*stacks_it_with_nothing) == drawn()


def test_equal_numbers_give_equal_ids_however_they_are_written() -> None:
    whole, real = Neuron("lif", 1, 2, "hard"), Neuron("lif", 1.0, 2.0, "hard")
    ids = {build([Draft("add", neuron)], [Synapse(0, 1, conv(8))], [1]).id for neuron in (whole, real)}
    assert len(ids) == 1


def test_an_image_stays_still_until_a_neuron_or_a_delay() -> None:
    nodes = [Draft("add"), Draft("add", LIF), Draft("add")]
    synapses = [Synapse(0, 1, MaxPool(2)), Synapse(1, 2, conv(4)), Synapse(2, 3, MaxPool(2))]
    a = build(nodes, synapses, [3])
    assert a.static == (True, True, False, False)
    attended = build(
        [Draft("add"), Draft("add"), Draft("add", LIF)],
        [Synapse(0, 1, conv(4)), Synapse(1, 2, SpatialAttention("asa")), Synapse(2, 3, conv(4))],
        [3],
    )
    assert attended.static == (True, True, False, False)


def test_the_input_alone_is_no_network() -> None:
    with pytest.raises(IllegalGeneError, match="no output is reached"):
        build([Draft("add")], [Synapse(0, 1, Identity())], [1])


def test_stacks_cannot_be_added_channel_by_channel_since_their_order_is_not_kept() -> None:
    def added(*behind: Operation) -> Architecture:
        canvas = Canvas()
        parts = [canvas.spikes(canvas.through(INPUT, Convolution(Kernel(n), 4)), IF) for n in (1, 3, 5, 7)]
        stacks = [canvas.stacked(parts[:2]), canvas.stacked(parts[2:])]
        total = canvas.join([canvas.through(stack, *behind) for stack in stacks], Identity())
        return canvas.architecture(SPEC, outputs=[canvas.spikes(total, IF)])

    for behind in ((), (MaxPool(2),), (AveragePool(3, 1), MaxPool(2))):
        with pytest.raises(IllegalGeneError, match="adds stacks channel by channel"):
            added(*behind)
    assert added(Convolution(Kernel(1), 8)).spiking
