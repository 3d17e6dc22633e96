from __future__ import annotations

from collections import Counter
from itertools import permutations, product

import pytest

from genomes.cells import (
    PAIRS,
    SNASNET_CODES,
    SPIKENAS_BENCH_CODES,
    Cell,
    Edge,
    cell_id,
    cleaned,
    from_code,
    from_con_mat,
)
from genomes.errors import GenomeError, GenomeFormatError, IllegalGeneError, UnknownNameError


def cell(*edges: tuple[int, int, str]) -> Cell:
    return Cell(tuple(Edge(*edge) for edge in edges))


def from_signs(codes: tuple[int, ...]) -> Cell:
    """The cell of one signed code per pair, negative for feedback, in SNASNet's numbers."""
    found = []
    for pair, code in zip(PAIRS, codes, strict=True):
        if code:
            found.append(Edge(*(pair if code > 0 else pair[::-1]), SNASNET_CODES[abs(code)]))
    return Cell(tuple(found))


def accepted(codes: list[tuple[int, ...]]) -> set[Cell]:
    cells = (cleaned(from_signs(code)) for code in codes)
    return {c for c in cells if c.between((0, 3))}


def test_cells_do_not_depend_on_the_order_of_their_edges() -> None:
    assert cell((2, 3, "conv1"), (0, 2, "conv3")) == cell((0, 2, "conv3"), (2, 3, "conv1"))


def test_two_edges_between_two_nodes_are_refused() -> None:
    with pytest.raises(IllegalGeneError, match="at most one edge between nodes 0 and 1"):
        cell((0, 1, "conv1"), (1, 0, "conv3"))


@pytest.mark.parametrize("ends", [(0, 4), (-1, 2), (2, 2)])
def test_an_edge_between_nodes_that_do_not_exist_is_refused(ends: tuple[int, int]) -> None:
    with pytest.raises(IllegalGeneError, match="two different nodes of 0 to 3"):
        Edge(*ends, "conv3")


def test_an_operation_that_does_not_exist_is_refused_with_the_nearest_in_one_line() -> None:
    with pytest.raises(
        UnknownNameError, match="unknown edge operation 'conv33'; did you mean 'conv3'"
    ) as error:
        Edge(0, 1, "conv33")
    assert "\n" not in str(error.value)


def test_connection_matrices_read_forward_above_the_diagonal_and_feedback_below() -> None:
    assert from_con_mat("0303 0030 2002 0200") == cell(
        (0, 1, "conv3"), (0, 3, "conv3"), (1, 2, "conv3"), (2, 0, "conv1"), (2, 3, "conv1"), (3, 1, "conv1")
    )
    assert from_con_mat("0140 0000 0000 0000") == cell((0, 1, "identity"), (0, 2, "average_pool"))


@pytest.mark.parametrize(
    "text",
    ["", "0303 0030 2002", "0303 0030 2002 02000", "0305 0030 2002 0200", "1303 0030 2002 0200", "abcd"],
)
def test_what_is_no_connection_matrix_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(GenomeFormatError, match="con_mat: expected four rows of four codes") as error:
        from_con_mat(text)
    assert "\n" not in str(error.value)


def test_a_connection_matrix_with_edges_both_ways_is_refused() -> None:
    with pytest.raises(GenomeError, match="at most one edge between nodes 0 and 1"):
        from_con_mat("0303 1000 0000 0000")


def test_benchmark_codes_read_in_the_order_of_the_pairs() -> None:
    assert from_code("123400") == cell(
        (0, 1, "identity"), (0, 2, "conv3_at_0.5"), (0, 3, "conv3"), (1, 2, "conv3_at_1.5")
    )
    assert from_code("000012") == cell((1, 3, "identity"), (2, 3, "conv3_at_0.5"))


@pytest.mark.parametrize("text", ["", "00000", "0000000", "000005", "00 000"])
def test_what_is_no_benchmark_code_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(GenomeFormatError, match="code: expected six digits") as error:
        from_code(text)
    assert "\n" not in str(error.value)


def test_the_codes_of_both_publications_begin_with_no_edge() -> None:
    assert SNASNET_CODES[0] == SPIKENAS_BENCH_CODES[0] == "zero"


def test_cleaning_drops_what_does_not_reach_the_output_or_is_not_reached() -> None:
    direct = (0, 3, "conv3")
    assert cleaned(cell(direct, (0, 1, "conv1"), (1, 2, "conv1"))) == cell(direct)
    assert cleaned(cell(direct, (2, 3, "conv1"), (2, 1, "conv1"))) == cell(direct)
    assert cleaned(cell((0, 1, "conv1"), (2, 3, "conv1"))) == cell()


def test_feedback_is_a_way_from_input_to_output() -> None:
    whole = cell((0, 2, "conv1"), (2, 1, "conv1"), (1, 3, "conv1"))
    assert cleaned(whole) == whole


def test_cleaning_twice_changes_nothing_more() -> None:
    for code in product((-1, 0, 1), repeat=6):
        once = cleaned(from_signs(code))
        assert cleaned(once) == once


def test_without_feedback_12500_codes_are_accepted_and_7556_cells_are_left() -> None:
    codes = list(product(range(5), repeat=6))
    assert sum(cleaned(from_signs(code)).between((0, 3)) is not None for code in codes) == 12500
    assert len(accepted(codes)) == 7556


@pytest.mark.slow
def test_with_feedback_104708_cells_are_left_of_236196_codes() -> None:
    signed = range(-4, 5)
    codes = [(a, b, direct, d, e, f) for direct in range(1, 5) for a, b, d, e, f in product(signed, repeat=5)]
    assert len(codes) == 236196
    assert len(accepted(codes)) == 104708


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # The middle nodes swapped.
        ("0302 0002 0000 0000", "0032 0000 0002 0000"),
        # An identity before or behind a convolution.
        ("0103 0002 0000 0000", "0203 0001 0000 0000"),
        # A longer chain of identities.
        ("0103 0010 0001 0000", "0103 0001 0000 0000"),
    ],
)
def test_cells_that_do_the_same_have_one_id(first: str, second: str) -> None:
    assert cell_id(from_con_mat(first)) == cell_id(from_con_mat(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0003 0000 0000 0000", "0002 0000 0000 0000"),
        # Feedback into the input is not feedback into a middle node.
        ("0303 0030 3003 0000", "0303 0000 0303 0000"),
        # A second identity beside the first doubles the signal.
        ("0001 0000 0000 0000", "0101 0001 0000 0000"),
    ],
)
def test_cells_that_differ_have_two(first: str, second: str) -> None:
    assert cell_id(cleaned(from_con_mat(first))) != cell_id(cleaned(from_con_mat(second)))


def function(cell: Cell) -> object:
    """What a forward cell computes, however it is wired: equal for cells that give equal results for equal weights.

    A node is a sum of signals (n, a): the input or convolution a, pooled n times, since pooling a sum is summing
    what is pooled. Convolutions are numbered so that the description is the smallest.
    """
    nodes: list[Counter[tuple[int, int]]] = [Counter({(0, -1): 1}), Counter(), Counter(), Counter()]
    convolutions: list[tuple[str, Counter[tuple[int, int]]]] = []
    for target in (1, 2, 3):
        for edge in cell.edges:
            if edge.target == target:
                signals = nodes[edge.source]
                if edge.operation == "identity":
                    nodes[target] += signals
                elif edge.operation == "average_pool":
                    nodes[target] += Counter({(n + 1, a): times for (n, a), times in signals.items()})
                else:
                    convolutions.append((edge.operation, signals))
                    nodes[target][0, len(convolutions) - 1] += 1

    def described(number: tuple[int, ...]) -> object:
        def words(signals: Counter[tuple[int, int]]) -> list[tuple[int, int, int]]:
            return sorted((n, number[a] if a >= 0 else a, times) for (n, a), times in signals.items())

        listed = sorted((number[i], name, words(into)) for i, (name, into) in enumerate(convolutions))
        return words(nodes[3]), listed

    return repr(min(described(number) for number in permutations(range(len(convolutions)))))  # type: ignore[type-var]


@pytest.mark.slow
def test_ids_of_forward_cells_are_equal_only_where_the_functions_are() -> None:
    cells = accepted(list(product(range(5), repeat=6)))
    both = {(cell_id(c), function(c)) for c in cells}
    assert len(both) == len({found for found, _ in both}) == 4397
    # Less than one in twenty differ in nothing but whether a sum is pooled or what is summed.
    assert len({computed for _, computed in both}) == 4243
    plain = {c for c in cells if all(edge.operation != "average_pool" for edge in c.edges)}
    assert len({cell_id(c) for c in plain}) == len({function(c) for c in plain}) == 808


@pytest.mark.slow
def test_no_change_of_a_single_edge_leaves_the_function_and_changes_the_id() -> None:
    cells = accepted(list(product(range(5), repeat=6)))
    for c in sorted(cells, key=str)[::10]:
        for pair, name in product(PAIRS, SNASNET_CODES):
            other = cleaned(c.with_edge(pair, None if name == "zero" else Edge(*pair, name)))
            if other in cells and cell_id(other) != cell_id(c):
                assert function(other) != function(c)
