"""Disjoint sets in machine code (numba), for `connected_components.py`; compiled once on a user's machine and kept on disk."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def united(groups, n):  # type: ignore[no-untyped-def]
    """(n,) Components of nodes that are joined by standing in one row of ``groups`` (m, k), and their number.

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
