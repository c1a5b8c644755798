"""What hangs together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..runtime.compiled import numba_works

Nodes = NDArray[np.signedinteger[Any]]


def components(groups: Nodes, n: int) -> tuple[int, Nodes]:
    """Connected components of ``n`` nodes, where those in one row of ``groups`` (m, k) are joined.

    Sparse matrices pass several times over what disjoint sets (`disjoint_sets.py`) look at once; they are the way without
    numba.

    Returns
    -------
    count, labels : how many, and (n,) which one each node belongs to, numbered by their first nodes
    """
    if numba_works():
        from . import disjoint_sets

        labels, count = disjoint_sets.united(np.ascontiguousarray(groups), n)
        return int(count), labels
    rows, cols = groups[:, :-1].reshape(-1), groups[:, 1:].reshape(-1)
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, cols)), (n, n))
    count, labels = connected_components(graph, directed=False)
    return count, labels
