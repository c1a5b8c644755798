"""Edge flips in machine code (numba), for `fitted_faces.py`; compiled once on a user's machine and kept on disk.

Half-edge 3 t + k runs from corner k of face t to the next corner; its twin runs back along the same edge in another
face, or is -1 where there is none, or more than one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

_COMPILED: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
LEAST_COSINE = 0.2  # between a new face and the two old ones together: nothing folds over
LEAST_AREA_SHARE = 0.1  # of the smaller old face that both new ones have at least


@njit(**_COMPILED)
def twins(faces, n):  # type: ignore[no-untyped-def]
    """(3 m,) int32 twins of the half-edges of faces (m, 3) on n vertices; less than 2^31 half-edges."""
    count = 3 * len(faces)
    head, following, twin = np.full(n, -1, np.int32), np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    for h in range(count):
        low = min(faces[h // 3, h % 3], faces[h // 3, (h + 1) % 3])
        following[h] = head[low]
        head[low] = h
    for h in range(count):
        a, b = faces[h // 3, h % 3], faces[h // 3, (h + 1) % 3]
        uses, other, g = 0, -1, head[min(a, b)]
        while g >= 0:
            c, d = faces[g // 3, g % 3], faces[g // 3, (g + 1) % 3]
            if min(c, d) == min(a, b) and max(c, d) == max(a, b):
                uses += 1
                if c == b:
                    other = g
            g = following[g]
        if uses == 2:
            twin[h] = other
    return twin


@njit(**_COMPILED)
def _misfit(v, n, a, b, c):  # type: ignore[no-untyped-def]
    """Twice a face's area; its normal, and what that lacks to the normals at its corners, both times twice its area."""
    ux, uy, uz = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1], v[b, 2] - v[a, 2]
    wx, wy, wz = v[c, 0] - v[a, 0], v[c, 1] - v[a, 1], v[c, 2] - v[a, 2]
    x, y, z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
    twice = math.sqrt(x * x + y * y + z * z)
    along = x * (n[a, 0] + n[b, 0] + n[c, 0]) + y * (n[a, 1] + n[b, 1] + n[c, 1]) + z * (n[a, 2] + n[b, 2] + n[c, 2])
    return twice, x, y, z, 3 * twice - along


@njit(**_COMPILED)
def _bend(v, n, a, b):  # type: ignore[no-untyped-def]
    """Eight times the height of the surface over the middle of an edge."""
    total = 0.0
    for i in range(3):
        total += (v[b, i] - v[a, i]) * (n[b, i] - n[a, i])
    return abs(total)


@njit(**_COMPILED)
def _joined(faces, twin, start, vertex):  # type: ignore[no-untyped-def]
    """Whether an edge joins the vertex that half-edge ``start`` begins at to ``vertex``."""
    h = start
    while h >= 0:  # one way round
        if faces[h // 3, (h + 1) % 3] == vertex or faces[h // 3, (h + 2) % 3] == vertex:
            return True
        h = twin[h // 3 * 3 + (h + 2) % 3]
        if h == start:
            return False
    h = twin[start]
    while h >= 0:  # the surface ends there: the other way
        h = h // 3 * 3 + (h + 1) % 3
        if faces[h // 3, (h + 2) % 3] == vertex:
            return True
        h = twin[h]
    return False


@njit(**_COMPILED)
def flip(v, n, faces, twin, gain):  # type: ignore[no-untyped-def]
    """Flip edges until none gains by it; ``faces`` and ``twin`` are changed. Returns the number of flips.

    An edge must bend less by ``gain``, in the unit of `_bend`, or flat parts would lose their shapes of faces for nothing.
    Each flip lowers the sum of the faces' misfits, so this ends.
    """
    count = len(twin)
    waiting, queued = np.empty(count, np.int32), np.zeros(count, np.bool_)
    first, size, done = 0, 0, 0
    for h in range(count):
        if twin[h] > h:
            waiting[size] = h
            queued[h] = True
            size += 1
    while size:
        h = waiting[first]
        first, size = (first + 1) % count, size - 1
        queued[h] = False
        g = twin[h]
        if g < 0:
            continue
        s, t = h // 3, g // 3
        p, q, a, b = faces[s, h % 3], faces[t, g % 3], faces[s, (h + 2) % 3], faces[t, (g + 2) % 3]
        if a == b or _bend(v, n, a, b) + gain > _bend(v, n, p, q):
            continue
        area_s, sx, sy, sz, misfit_s = _misfit(v, n, p, q, a)
        area_t, tx, ty, tz, misfit_t = _misfit(v, n, q, p, b)
        area_1, x1, y1, z1, misfit_1 = _misfit(v, n, p, b, a)
        area_2, x2, y2, z2, misfit_2 = _misfit(v, n, q, a, b)
        if misfit_1 + misfit_2 >= 0.999 * (misfit_s + misfit_t) or min(area_1, area_2) < LEAST_AREA_SHARE * min(area_s, area_t):
            continue
        mx, my, mz = sx + tx, sy + ty, sz + tz
        least = LEAST_COSINE * math.sqrt(mx * mx + my * my + mz * mz)
        if x1 * mx + y1 * my + z1 * mz < least * area_1 or x2 * mx + y2 * my + z2 * mz < least * area_2:
            continue
        if _joined(faces, twin, s * 3 + (h + 2) % 3, b):
            continue
        around = (
            twin[t * 3 + (g + 1) % 3],
            twin[s * 3 + (h + 2) % 3],
            twin[s * 3 + (h + 1) % 3],
            twin[t * 3 + (g + 2) % 3],
        )
        faces[s, 0], faces[s, 1], faces[s, 2] = p, b, a
        faces[t, 0], faces[t, 1], faces[t, 2] = q, a, b
        twin[s * 3 + 1], twin[t * 3 + 1] = t * 3 + 1, s * 3 + 1
        for k, own in enumerate((s * 3, s * 3 + 2, t * 3, t * 3 + 2)):
            beyond = around[k]
            twin[own] = beyond
            if beyond < 0:
                continue
            twin[beyond] = own
            edge = min(own, beyond)
            if not queued[edge] and not queued[max(own, beyond)]:
                waiting[(first + size) % count] = edge
                queued[edge] = True
                size += 1
        done += 1
    return done
