"""Connected components of a graph: disjoint sets, compiled by numba where it is at hand, else scipy's sparse matrices."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.compiled import numba_works

Nodes = NDArray[np.signedinteger[Any]]


def connected_components(groups: Nodes, n: int) -> tuple[int, Nodes]:
    """Connected components of ``n`` nodes, where those in one row of ``groups`` (m, k) are joined.

    Returns
    -------
    count, labels : how many, and (n,) which one each node belongs to, numbered by their first nodes
    """
    if numba_works():
        labels, count = _compiled_disjoint_sets()(np.ascontiguousarray(groups), n)
        return int(count), labels
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components as of_graph

    rows, cols = groups[:, :-1].reshape(-1), groups[:, 1:].reshape(-1)
    count, labels = of_graph(coo_matrix((np.ones(len(rows), np.int8), (rows, cols)), (n, n)), directed=False)
    return count, labels


@cache
def _compiled_disjoint_sets() -> Callable[[Nodes, int], tuple[Nodes, int]]:
    """`disjoint_sets` in machine code: compiled once on a user's machine and kept on disk."""
    from numba import njit

    compiled: Callable[[Nodes, int], tuple[Nodes, int]] = njit(nogil=True, cache=True, error_model="numpy")(disjoint_sets)
    return compiled


def disjoint_sets(groups: Nodes, n: int) -> tuple[Nodes, int]:
    """Labels (n,) of the components of ``n`` nodes that are joined by standing in one row of ``groups`` (m, k), and their
    number. It looks at each row once, where sparse matrices pass over all of them several times.

    Sets hang under their smallest member, and every look shortens the way to it (path halving, Tarjan and van Leeuwen 1984).
    """
    parent = np.arange(n).astype(groups.dtype)
    for row in range(len(groups)):
        a = groups[row, 0]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        for k in range(1, groups.shape[1]):
            b = groups[row, k]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if b < a:
                a, b = b, a
            parent[b] = a
    count = 0
    for i in range(n):  # whoever it hangs under comes before it and has its number by now
        if parent[i] == i:
            parent[i] = count
            count += 1
        else:
            parent[i] = parent[parent[i]]
    return parent, count
