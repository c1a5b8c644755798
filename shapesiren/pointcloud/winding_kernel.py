"""The walk down the tree of `winding_number.py` for each place by itself, in machine code (numba)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_COMPILED: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
STACK = 128  # nodes that wait, at most: two for each level


@njit(**_COMPILED)
def add_up(nodes, starts, points, weighted, width, places, out):  # type: ignore[no-untyped-def]
    """places (m, 3) -> out (m,), written: the sum of the kernels, not yet over 4 pi."""
    leaves = len(starts) - 1
    waiting = np.empty(STACK, np.int64)
    flat = width * width
    for i in range(len(places)):
        x, y, z = places[i, 0], places[i, 1], places[i, 2]
        total = 0.0
        waiting[0], size = 0, 1
        while size:
            size -= 1
            node = waiting[size]
            dx, dy, dz = nodes[node, 0] - x, nodes[node, 1] - y, nodes[node, 2] - z
            d2 = dx * dx + dy * dy + dz * dz
            if d2 > nodes[node, 6]:
                d2 = max(d2, flat)
                total += (dx * nodes[node, 3] + dy * nodes[node, 4] + dz * nodes[node, 5]) / (d2 * np.sqrt(d2))
            elif node < leaves - 1:
                waiting[size], waiting[size + 1] = 2 * node + 2, 2 * node + 1
                size += 2
            else:
                leaf = node - (leaves - 1)
                for k in range(starts[leaf], starts[leaf + 1]):
                    dx, dy, dz = points[k, 0] - x, points[k, 1] - y, points[k, 2] - z
                    d2 = max(dx * dx + dy * dy + dz * dz, flat)
                    total += (dx * weighted[k, 0] + dy * weighted[k, 1] + dz * weighted[k, 2]) / (d2 * np.sqrt(d2))
        out[i] = total
