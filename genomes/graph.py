"""Graph algorithms that architectures need: levels, cycles, and a numbering that does not depend on the old one.

A graph is given as its number of nodes and a list of (source, target) pairs, or of (source, target, label) triples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any


def levels(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Length of the longest path that ends in each node.

    Raises:
        ValueError: the edges form a cycle.

    >>> levels(3, [(0, 1), (1, 2), (0, 2)])
    [0, 1, 2]
    """
    incoming = [0] * n
    following: list[list[int]] = [[] for _ in range(n)]
    for source, target in edges:
        incoming[target] += 1
        following[source].append(target)
    level = [0] * n
    ready = [node for node in range(n) if not incoming[node]]
    for node in ready:
        for target in following[node]:
            level[target] = max(level[target], level[node] + 1)
            incoming[target] -= 1
            if not incoming[target]:
                ready.append(target)
    if len(ready) < n:
        raise ValueError("a cycle without delay: an edge that closes a loop needs a delay of one time step")
    return level


def reachable(start: Sequence[int], edges: Sequence[tuple[int, int]]) -> set[int]:
    """The nodes that can be reached from `start`, itself included.

    >>> sorted(reachable([0], [(0, 1), (2, 1)]))
    [0, 1]
    """
    following: dict[int, list[int]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    found, stack = set(start), list(start)
    while stack:
        for target in following.get(stack.pop(), ()):
            if target not in found:
                found.add(target)
                stack.append(target)
    return found


def components(n: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The strongly connected components, sources first, each sorted (Tarjan 1972).

    >>> components(4, [(0, 1), (1, 2), (2, 1), (2, 3)])
    [[0], [1, 2], [3]]
    """
    following: list[list[int]] = [[] for _ in range(n)]
    for source, target in edges:
        following[source].append(target)
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    found: list[list[int]] = []
    for root in range(n):
        if root in order:
            continue
        work = [(root, iter(following[root]))]
        order[root] = low[root] = len(order)
        path.append(root)
        on_path.add(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in order:
                    order[target] = low[target] = len(order)
                    path.append(target)
                    on_path.add(target)
                    work.append((target, iter(following[target])))
                    break
                if target in on_path:
                    low[node] = min(low[node], order[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    group = [path.pop()]
                    while group[-1] != node:
                        group.append(path.pop())
                    on_path.difference_update(group)
                    found.append(sorted(group))
    return found[::-1]


def canonical_order(colours: Sequence[Any], edges: Sequence[tuple[int, int, str]]) -> list[int]:
    """The nodes in an order that depends on colours and wiring only, not on how they were numbered.

    Colour refinement (Weisfeiler and Leman 1968): nodes are told apart by colour, then by the colours of their
    neighbours over labelled edges, until nothing changes. Where nodes remain alike, one of them is singled out and
    refinement goes on. Nodes that remain alike are interchangeable in every graph with distinct enough parts; where
    they were not, two numberings of one graph could get two orders (a missed duplicate, never a false one).

    `colours` are hashable and of one sortable type.

    >>> canonical_order(["b", "a"], [(1, 0, "x")])
    [1, 0]
    """
    n = len(colours)
    rank = _ranks(colours)
    before: list[list[tuple[int, str]]] = [[] for _ in range(n)]
    after: list[list[tuple[int, str]]] = [[] for _ in range(n)]
    for source, target, label in edges:
        before[target].append((source, label))
        after[source].append((target, label))
    while True:
        n_classes = len(set(rank))
        rank = _ranks(
            [
                (
                    rank[node],
                    tuple(sorted((label, rank[other]) for other, label in before[node])),
                    tuple(sorted((label, rank[other]) for other, label in after[node])),
                )
                for node in range(n)
            ]
        )
        if len(set(rank)) == n:
            return sorted(range(n), key=rank.__getitem__)
        if len(set(rank)) == n_classes:
            size = Counter(rank)
            tied = min(r for r in rank if size[r] > 1)
            chosen = rank.index(tied)
            rank = _ranks([(r, node != chosen) for node, r in enumerate(rank)])


def _ranks(values: Sequence[Any]) -> list[int]:
    """The position of each value among the sorted distinct values."""
    position = {value: i for i, value in enumerate(sorted(set(values)))}
    return [position[value] for value in values]
