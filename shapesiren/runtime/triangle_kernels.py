"""Queries of `triangles.py` in machine code (numba): a walk down the tree for each point or ray, by itself.

Boxes are those of a complete binary tree: node i has children 2 i + 1 and 2 i + 2, and leaf j, node ``leaves - 1 + j``, the
triangles ``starts[j]`` to ``starts[j + 1]``. All of it is double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_COMPILED: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
STACK = 128  # nodes that wait, at most: one for each level


@njit(**_COMPILED)
def _box_distance(low, high, node, x, y, z):  # type: ignore[no-untyped-def]
    """Squared, of a point from a box; 0 inside."""
    dx = max(low[node, 0] - x, 0.0, x - high[node, 0])
    dy = max(low[node, 1] - y, 0.0, y - high[node, 1])
    dz = max(low[node, 2] - z, 0.0, z - high[node, 2])
    return dx * dx + dy * dy + dz * dz


@njit(**_COMPILED)
def _nearest_on(corners, t, x, y, z):  # type: ignore[no-untyped-def]
    """Squared distance of a point from a triangle, and weights of its second and third corner there (Ericson 2005, 5.1.5)."""
    ax, ay, az = corners[t, 0, 0], corners[t, 0, 1], corners[t, 0, 2]
    bx, by, bz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
    cx, cy, cz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
    px, py, pz = x - ax, y - ay, z - az
    d1, d2 = bx * px + by * py + bz * pz, cx * px + cy * py + cz * pz
    bb, bc, cc = bx * bx + by * by + bz * bz, bx * cx + by * cy + bz * cz, cx * cx + cy * cy + cz * cz
    d3, d4, d5, d6 = d1 - bb, d2 - bc, d1 - bc, d2 - cc
    vc, vb, va = d1 * d4 - d3 * d2, d5 * d2 - d1 * d6, d3 * d6 - d5 * d4
    if d1 <= 0.0 and d2 <= 0.0:
        u, v = 0.0, 0.0
    elif d3 >= 0.0 and d4 <= d3:
        u, v = 1.0, 0.0
    elif d6 >= 0.0 and d5 <= d6:
        u, v = 0.0, 1.0
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0 and bb > 0.0:
        u, v = d1 / bb, 0.0
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0 and cc > 0.0:
        u, v = 0.0, d2 / cc
    elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0 and (d4 - d3) + (d5 - d6) > 0.0:
        v = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        u = 1.0 - v
    else:
        total = va + vb + vc
        u, v = (vb / total, vc / total) if total > 0.0 else (0.0, 0.0)
    dx, dy, dz = px - u * bx - v * cx, py - u * by - v * cy, pz - u * bz - v * cz
    return dx * dx + dy * dy + dz * dz, u, v


@njit(**_COMPILED)
def closest(corners, low, high, starts, points, bounds, face, uv):  # type: ignore[no-untyped-def]
    """points (n, 3) -> face (n,) and uv (n, 2), written; neighbours among the points should follow each other: each starts from
    the triangle of the one before it. ``bounds`` are for the twin."""
    leaves = len(starts) - 1
    waiting, bound = np.empty(STACK, np.int64), np.empty(STACK)
    last = 0
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        best, best_u, best_v = _nearest_on(corners, last, x, y, z)
        found = last
        waiting[0], bound[0], size = 0, _box_distance(low, high, 0, x, y, z), 1
        while size:
            size -= 1
            if bound[size] > best:
                continue
            node = waiting[size]
            if node < leaves - 1:
                left = 2 * node + 1
                a, b = _box_distance(low, high, left, x, y, z), _box_distance(low, high, left + 1, x, y, z)
                near, far, of_near, of_far = left, left + 1, a, b
                if b < a:
                    near, far, of_near, of_far = left + 1, left, b, a
                if of_far <= best:
                    waiting[size], bound[size] = far, of_far
                    size += 1
                if of_near <= best:
                    waiting[size], bound[size] = near, of_near
                    size += 1
                continue
            leaf = node - (leaves - 1)
            for t in range(starts[leaf], starts[leaf + 1]):
                d, u, v = _nearest_on(corners, t, x, y, z)
                if d < best or (d == best and t < found):
                    best, found, best_u, best_v = d, t, u, v
        face[i], uv[i, 0], uv[i, 1] = found, best_u, best_v
        last = found


@njit(**_COMPILED)
def _enters(low, high, node, ox, oy, oz, ix, iy, iz, near, far):  # type: ignore[no-untyped-def]
    """Where a ray of inverse direction i enters a box, or infinity if it does not between near and far."""
    # a ray in the plane of a side makes 0 * inf, which is no number: fmin and fmax go by the other one
    a, b = (low[node, 0] - ox) * ix, (high[node, 0] - ox) * ix
    enter, leave = min(a, b), max(a, b)
    if a != a or b != b:
        enter, leave = -np.inf, np.inf
    a, b = (low[node, 1] - oy) * iy, (high[node, 1] - oy) * iy
    if a == a and b == b:
        enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    a, b = (low[node, 2] - oz) * iz, (high[node, 2] - oz) * iz
    if a == a and b == b:
        enter, leave = max(enter, min(a, b)), min(leave, max(a, b))
    # 2 ulp wider, so that rounding drops no box that is touched (Ize 2013)
    leave *= 1.0 + 4e-16 if leave > 0 else 1.0
    return enter if enter <= leave and leave >= near and enter <= far else np.inf


@njit(**_COMPILED)
def _hit(corners, t, ox, oy, oz, kx, ky, kz, sx, sy, sz):  # type: ignore[no-untyped-def]
    """Distance along a ray to a triangle, and weights of its second and third corner; infinity where it passes by.

    Edge functions in the plane across the ray, which two triangles with a common edge compute alike: nothing slips between
    them (Woop, Benthin and Wald 2013).
    """
    az, bz, cz = corners[t, 0, kz] - oz, corners[t, 1, kz] - oz, corners[t, 2, kz] - oz
    ax, ay = corners[t, 0, kx] - ox - sx * az, corners[t, 0, ky] - oy - sy * az
    bx, by = corners[t, 1, kx] - ox - sx * bz, corners[t, 1, ky] - oy - sy * bz
    cx, cy = corners[t, 2, kx] - ox - sx * cz, corners[t, 2, ky] - oy - sy * cz
    a, b, c = cx * by - cy * bx, ax * cy - ay * cx, bx * ay - by * ax
    if (a < 0.0 or b < 0.0 or c < 0.0) and (a > 0.0 or b > 0.0 or c > 0.0):
        return np.inf, 0.0, 0.0
    total = a + b + c
    if total == 0.0:
        return np.inf, 0.0, 0.0
    return sz * (a * az + b * bz + c * cz) / total, b / total, c / total


@njit(**_COMPILED)
def _sheared(direction):  # type: ignore[no-untyped-def]
    """Axes and shear that turn a ray into the third axis."""
    kz = 0
    for k in (1, 2):
        if abs(direction[k]) > abs(direction[kz]):
            kz = k
    kx, ky = (kz + 1) % 3, (kz + 2) % 3
    return kx, ky, kz, direction[kx] / direction[kz], direction[ky] / direction[kz], 1.0 / direction[kz]


@njit(**_COMPILED)
def cast(corners, low, high, starts, origins, directions, near, far, any_hit, distance, face, uv):  # type: ignore[no-untyped-def]
    """Rays (n, 3) each -> distance (n,), infinite for none, face (n,) and uv (n, 2), written: the first hit, or any."""
    leaves = len(starts) - 1
    waiting, bound = np.empty(STACK, np.int64), np.empty(STACK)
    for i in range(len(origins)):
        ox, oy, oz = origins[i, 0], origins[i, 1], origins[i, 2]
        ix, iy, iz = 1.0 / directions[i, 0], 1.0 / directions[i, 1], 1.0 / directions[i, 2]
        kx, ky, kz, sx, sy, sz = _sheared(directions[i])
        best, found, best_u, best_v = np.inf, -1, 0.0, 0.0
        waiting[0], bound[0], size = 0, _enters(low, high, 0, ox, oy, oz, ix, iy, iz, near, far), 1
        while size:
            size -= 1
            if bound[size] > min(best, far):
                continue
            node = waiting[size]
            if node < leaves - 1:
                left = 2 * node + 1
                a = _enters(low, high, left, ox, oy, oz, ix, iy, iz, near, min(best, far))
                b = _enters(low, high, left + 1, ox, oy, oz, ix, iy, iz, near, min(best, far))
                one, other, of_one, of_other = left, left + 1, a, b
                if b < a:
                    one, other, of_one, of_other = left + 1, left, b, a
                if of_other < np.inf:
                    waiting[size], bound[size] = other, of_other
                    size += 1
                if of_one < np.inf:
                    waiting[size], bound[size] = one, of_one
                    size += 1
                continue
            leaf = node - (leaves - 1)
            for t in range(starts[leaf], starts[leaf + 1]):
                d, u, v = _hit(corners, t, origins[i, kx], origins[i, ky], origins[i, kz], kx, ky, kz, sx, sy, sz)
                if near <= d <= far and (d < best or (d == best and t < found)):
                    best, found, best_u, best_v = d, t, u, v
            if any_hit and found >= 0:
                break
        distance[i], face[i], uv[i, 0], uv[i, 1] = best, found, best_u, best_v


@njit(**_COMPILED)
def crossings(corners, low, high, starts, origins, direction, count):  # type: ignore[no-untyped-def]
    """How many triangles the ray from each of (n, 3) in one direction crosses: count (n,), written."""
    leaves = len(starts) - 1
    waiting = np.empty(STACK, np.int64)
    ix, iy, iz = 1.0 / direction[0], 1.0 / direction[1], 1.0 / direction[2]
    kx, ky, kz, sx, sy, sz = _sheared(direction)
    for i in range(len(origins)):
        ox, oy, oz = origins[i, 0], origins[i, 1], origins[i, 2]
        waiting[0], size, total = 0, 1, 0
        while size:
            size -= 1
            node = waiting[size]
            if _enters(low, high, node, ox, oy, oz, ix, iy, iz, 0.0, np.inf) == np.inf:
                continue
            if node < leaves - 1:
                waiting[size], waiting[size + 1] = 2 * node + 1, 2 * node + 2
                size += 2
                continue
            leaf = node - (leaves - 1)
            for t in range(starts[leaf], starts[leaf + 1]):
                d, _, _ = _hit(corners, t, origins[i, kx], origins[i, ky], origins[i, kz], kx, ky, kz, sx, sy, sz)
                if 0.0 <= d < np.inf:
                    total += 1
        count[i] = total
