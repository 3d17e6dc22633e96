import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomes.graph import canonical_order, components, levels, reachable


def test_levels_are_longest_paths() -> None:
    assert levels(4, [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)]) == [0, 1, 2, 3]


def test_a_cycle_has_no_levels() -> None:
    with pytest.raises(ValueError, match="cycle without delay"):
        levels(3, [(0, 1), (1, 2), (2, 1)])


def test_reachable_follows_edges_forward_only() -> None:
    assert reachable([1], [(0, 1), (1, 2), (2, 3), (4, 3)]) == {1, 2, 3}


def test_components_come_sources_first_and_hold_whole_cycles() -> None:
    found = components(6, [(0, 1), (1, 2), (2, 3), (3, 1), (3, 4), (5, 4)])
    assert [1, 2, 3] in found
    assert sorted(map(tuple, found)) == [(0,), (1, 2, 3), (4,), (5,)]
    position = {node: i for i, group in enumerate(found) for node in group}
    assert position[0] < position[1] < position[4]
    assert position[5] < position[4]


@given(st.integers(2, 8), st.integers(0, 10_000))
def test_the_order_of_a_graph_does_not_depend_on_how_it_was_numbered(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b and rng.random() < 0.4]
    edges = [(a, b, str(rng.integers(2))) for a, b in pairs]
    colours = [int(c) for c in rng.integers(3, size=n)]
    shuffled = [int(i) for i in rng.permutation(n)]  # new number of each node
    other_edges = [(shuffled[a], shuffled[b], label) for a, b, label in edges]
    other_colours = [0] * n
    for old, new in enumerate(shuffled):
        other_colours[new] = colours[old]

    def picture(order: list[int], colours: list[int], edges: list[tuple[int, int, str]]) -> object:
        place = {node: i for i, node in enumerate(order)}
        return [colours[i] for i in order], sorted((place[a], place[b], label) for a, b, label in edges)

    first = picture(canonical_order(colours, edges), colours, edges)
    second = picture(canonical_order(other_colours, other_edges), other_colours, other_edges)
    assert first == second
