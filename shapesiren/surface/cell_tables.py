"""A cell of a grid: its corners, its edges, and the sets of negative corners that leave its inside open; and a leaf of eight
cells."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.int64)
# the 12 edges of a cell: lower and upper corner, axis
EDGES = np.array([(c, c + (4, 2, 1)[axis], axis) for axis in range(3) for c in range(8) if CORNERS[c, axis] == 0], np.int64)

# The 3 x 3 x 3 corners of a leaf: which of the 8 corner blocks holds each, and where in it
PLACES = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
BLOCK, INNER = (PLACES // 2) @ np.array([4, 2, 1]), (PLACES % 2) @ np.array([4, 2, 1])
LOW_CORNERS = CORNERS @ np.array([9, 3, 1])  # of those 27: the lower corners of the leaf's 8 cells


@cache
def ambiguous() -> NDArray[np.bool_]:
    """(256,) For each set of negative corners (bit c: corner c) whether several surfaces have it.

    They do if the negative or the positive corners do not hang together along the cell's edges; then the values decide,
    those of corners without a crossed edge among them (Lewiner et al. 2003, cases 3, 4, 6, 7, 10, 12 and 13).
    """
    table = np.zeros(256, bool)
    for config in range(256):
        for sign in (0, 1):
            corners = {c for c in range(8) if config >> c & 1 == sign}
            reached, edge = set(), list(corners)[:1]
            while edge:
                c = edge.pop()
                reached.add(c)
                edge += [n for n in (c ^ 1, c ^ 2, c ^ 4) if n in corners and n not in reached]
            table[config] |= reached != corners
    return table
