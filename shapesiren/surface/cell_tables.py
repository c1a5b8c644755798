"""A cell of a grid as tables: its corners, its edges, the sets of negative corners that several surfaces have; and a leaf of
2 x 2 x 2 cells."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# (8, 3) The corners of a cell
CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.int64)
# (12, 3) The edges of a cell: lower corner, upper corner, axis
EDGES = np.array([(c, c + (4, 2, 1)[axis], axis) for axis in range(3) for c in range(8) if CORNERS[c, axis] == 0], np.int64)

LEAF = 2  # cells along a leaf's side
# (27, 3) The corners of a leaf; (27,) which of the 8 corner blocks of a band holds each, and (27,) where in that block it is
PLACES = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
BLOCK, INNER = (PLACES // 2) @ np.array([4, 2, 1]), (PLACES % 2) @ np.array([4, 2, 1])
LOW_CORNERS = CORNERS @ np.array([9, 3, 1])  # (8,) of those 27: the lower corner of each of the leaf's 8 cells


@cache
def ambiguous() -> NDArray[np.bool_]:
    """(256,) For each set of negative corners (bit c: corner c is negative) whether it belongs to several surfaces.

    It does if the negative or the positive corners are not connected along the cell's edges; then the values decide, those
    of corners without a crossed edge among them (Lewiner et al. 2003, cases 3, 4, 6, 7, 10, 12 and 13).
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
