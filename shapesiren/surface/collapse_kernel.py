"""Edge collapses in machine code (numba), for `locked_decimation.py`; compiled once on a user's machine and kept on disk."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .edge_flips import twins

_COMPILED: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}
RIM_WEIGHT = 10.0  # of the planes that stand on the edges where the surface ends, by their squared length
PULL = 1e-3  # of a vertex to its place, by the area of its faces: short edges go first where all is flat
LEAST_COSINE = 0.3  # between a face before and after
LEAST_QUALITY = 0.02  # of a new face, 1 for an equilateral one: unless it was worse before


@njit(**_COMPILED)
def _add_plane(q, i, x, y, z, d, weight):  # type: ignore[no-untyped-def]
    q[i, 0] += weight * x * x
    q[i, 1] += weight * x * y
    q[i, 2] += weight * x * z
    q[i, 3] += weight * x * d
    q[i, 4] += weight * y * y
    q[i, 5] += weight * y * z
    q[i, 6] += weight * y * d
    q[i, 7] += weight * z * z
    q[i, 8] += weight * z * d
    q[i, 9] += weight * d * d


@njit(**_COMPILED)
def _quadrics(v, faces, twin):  # type: ignore[no-untyped-def]
    """(n, 10) sums of squared distances from planes, by area (Garland and Heckbert 1997), and of distances from the vertex."""
    q = np.zeros((len(v), 10))
    for t in range(len(faces)):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ux, uy, uz = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1], v[b, 2] - v[a, 2]
        wx, wy, wz = v[c, 0] - v[a, 0], v[c, 1] - v[a, 1], v[c, 2] - v[a, 2]
        x, y, z = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        twice = math.sqrt(x * x + y * y + z * z)
        if twice <= 0:
            continue
        x, y, z = x / twice, y / twice, z / twice
        d = -(x * v[a, 0] + y * v[a, 1] + z * v[a, 2])
        for k in range(3):
            i, j = faces[t, k], faces[t, (k + 1) % 3]
            _add_plane(q, i, x, y, z, d, twice)
            pull = PULL * twice
            _add_plane(q, i, 1.0, 0.0, 0.0, -v[i, 0], pull)
            _add_plane(q, i, 0.0, 1.0, 0.0, -v[i, 1], pull)
            _add_plane(q, i, 0.0, 0.0, 1.0, -v[i, 2], pull)
            if twin[3 * t + k] < 0:
                ex, ey, ez = v[j, 0] - v[i, 0], v[j, 1] - v[i, 1], v[j, 2] - v[i, 2]
                px, py, pz = ey * z - ez * y, ez * x - ex * z, ex * y - ey * x  # as long as the edge
                length = math.sqrt(px * px + py * py + pz * pz)
                if length > 0:
                    px, py, pz = px / length, py / length, pz / length
                    away = -(px * v[i, 0] + py * v[i, 1] + pz * v[i, 2])
                    _add_plane(q, i, px, py, pz, away, RIM_WEIGHT * length * length)
                    _add_plane(q, j, px, py, pz, away, RIM_WEIGHT * length * length)
    return q


@njit(**_COMPILED)
def _cost(q, x, y, z):  # type: ignore[no-untyped-def]
    return (
        x * (q[0] * x + 2 * (q[1] * y + q[2] * z + q[3]))
        + y * (q[4] * y + 2 * (q[5] * z + q[6]))
        + z * (q[7] * z + 2 * q[8])
        + q[9]
    )


@njit(**_COMPILED)
def _place(v, q, locked, border, u, w, out):  # type: ignore[no-untyped-def]
    """The cost of joining two vertices, and in ``out`` the place of the one that is left."""
    s = q[u] + q[w]
    held = -1
    if locked[u] or (border[u] and not border[w]):
        held = u
    elif locked[w] or (border[w] and not border[u]):
        held = w
    if held >= 0:
        out[0], out[1], out[2] = v[held, 0], v[held, 1], v[held, 2]
        return max(_cost(s, out[0], out[1], out[2]), 0.0)
    a, b, c, d, e, f = s[0], s[1], s[2], s[4], s[5], s[7]
    p, r, t = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * p + b * r + c * t
    size = (a + d + f) / 3
    if determinant > 1e-12 * size * size * size:
        x = -(p * s[3] + r * s[6] + t * s[8]) / determinant
        y = -(r * s[3] + (a * f - c * c) * s[6] + (b * c - a * e) * s[8]) / determinant
        z = -(t * s[3] + (b * c - a * e) * s[6] + (a * d - b * b) * s[8]) / determinant
        dx, dy, dz = v[u, 0] - v[w, 0], v[u, 1] - v[w, 1], v[u, 2] - v[w, 2]
        mx, my, mz = x - (v[u, 0] + v[w, 0]) / 2, y - (v[u, 1] + v[w, 1]) / 2, z - (v[u, 2] + v[w, 2]) / 2
        if mx * mx + my * my + mz * mz <= 4 * (dx * dx + dy * dy + dz * dz):
            out[0], out[1], out[2] = x, y, z
            return max(_cost(s, x, y, z), 0.0)
    best = np.inf
    for k in range(3):
        share = 0.5 * k
        x = v[u, 0] + share * (v[w, 0] - v[u, 0])
        y = v[u, 1] + share * (v[w, 1] - v[u, 1])
        z = v[u, 2] + share * (v[w, 2] - v[u, 2])
        cost = _cost(s, x, y, z)
        if cost < best:
            best = cost
            out[0], out[1], out[2] = x, y, z
    return max(best, 0.0)


@njit(**_COMPILED)
def _push(cost, ends, stamps, size, c, u, w, su, sw):  # type: ignore[no-untyped-def]
    i = size
    while i > 0:
        up = (i - 1) // 2
        if cost[up] <= c:
            break
        cost[i] = cost[up]
        ends[i, 0], ends[i, 1], stamps[i, 0], stamps[i, 1] = ends[up, 0], ends[up, 1], stamps[up, 0], stamps[up, 1]
        i = up
    cost[i] = c
    ends[i, 0], ends[i, 1], stamps[i, 0], stamps[i, 1] = u, w, su, sw


@njit(**_COMPILED)
def _pop(cost, ends, stamps, size):  # type: ignore[no-untyped-def]
    """Remove the first of ``size`` entries; the caller has read it."""
    last = size - 1
    c, u, w, su, sw = cost[last], ends[last, 0], ends[last, 1], stamps[last, 0], stamps[last, 1]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= last:
            break
        if down + 1 < last and cost[down + 1] < cost[down]:
            down += 1
        if cost[down] >= c:
            break
        cost[i] = cost[down]
        ends[i, 0], ends[i, 1] = ends[down, 0], ends[down, 1]
        stamps[i, 0], stamps[i, 1] = stamps[down, 0], stamps[down, 1]
        i = down
    cost[i] = c
    ends[i, 0], ends[i, 1], stamps[i, 0], stamps[i, 1] = u, w, su, sw


@njit(**_COMPILED)
def _turns(v, faces, alive, head, following, moved, other, at):  # type: ignore[no-untyped-def]
    """Whether a face round ``moved`` that stays would fold over or lose its shape with that vertex at ``at``."""
    h = head[moved]
    while h >= 0:
        t = h // 3
        if alive[t]:
            k = h % 3
            a, b = faces[t, (k + 1) % 3], faces[t, (k + 2) % 3]
            if a != other and b != other:
                ex, ey, ez = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1], v[b, 2] - v[a, 2]
                ox, oy, oz = v[moved, 0] - v[a, 0], v[moved, 1] - v[a, 1], v[moved, 2] - v[a, 2]
                nx, ny, nz = at[0] - v[a, 0], at[1] - v[a, 1], at[2] - v[a, 2]
                px, py, pz = ey * oz - ez * oy, ez * ox - ex * oz, ex * oy - ey * ox
                qx, qy, qz = ey * nz - ez * ny, ez * nx - ex * nz, ex * ny - ey * nx
                before, after = math.sqrt(px * px + py * py + pz * pz), math.sqrt(qx * qx + qy * qy + qz * qz)
                if px * qx + py * qy + pz * qz < LEAST_COSINE * before * after or after <= 0:
                    return True
                edge = ex * ex + ey * ey + ez * ez
                tx, ty, tz = at[0] - v[b, 0], at[1] - v[b, 1], at[2] - v[b, 2]
                sides = edge + nx * nx + ny * ny + nz * nz + tx * tx + ty * ty + tz * tz
                if 3.4641 * after < LEAST_QUALITY * sides:
                    sx, sy, sz = v[moved, 0] - v[b, 0], v[moved, 1] - v[b, 1], v[moved, 2] - v[b, 2]
                    old = edge + ox * ox + oy * oy + oz * oz + sx * sx + sy * sy + sz * sz
                    if after * old < before * sides:
                        return True
        h = following[h]
    return False


@njit(**_COMPILED)
def collapse(v, normals, faces, locked, target, most):  # type: ignore[no-untyped-def]
    """Collapse edges, the least cost first, until ``target`` faces are left or the next costs more than ``most``.

    ``v``, ``normals`` (n, 3) float64 and ``faces`` (m, 3) int32 are changed; locked vertices keep their places and all edges
    between two of them. Returns (m,) which faces are left. An edge-manifold surface stays one: an edge goes only if what its
    ends have in common is what its faces have (the link condition), and no face folds over.
    """
    n, m = len(v), len(faces)
    twin = twins(faces, n)
    q = _quadrics(v, faces, twin)
    alive, gone, border = np.ones(m, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    head, following = np.full(n, -1, np.int32), np.full(3 * m, -1, np.int32)
    for h in range(3 * m):
        i = faces[h // 3, h % 3]
        following[h] = head[i]
        head[i] = h
        if twin[h] < 0:
            border[i] = True
            border[faces[h // 3, (h + 1) % 3]] = True
    stamp, seen, mark = np.zeros(n, np.int32), np.zeros(n, np.int64), 0
    room = 2 * m + 64
    cost, ends, stamps, size = np.empty(room), np.empty((room, 2), np.int32), np.empty((room, 2), np.int32), 0
    at = np.empty(3)
    for h in range(3 * m):
        u, w = faces[h // 3, h % 3], faces[h // 3, (h + 1) % 3]
        if (twin[h] < 0 or h < twin[h]) and not (locked[u] and locked[w]):
            c = _place(v, q, locked, border, u, w, at)
            _push(cost, ends, stamps, size, c, u, w, 0, 0)
            size += 1
    left = m
    while size and left > target:
        c, u, w, su, sw = cost[0], ends[0, 0], ends[0, 1], stamps[0, 0], stamps[0, 1]
        _pop(cost, ends, stamps, size)
        size -= 1
        if gone[u] or gone[w] or stamp[u] != su or stamp[w] != sw:
            continue
        if c > most:
            break
        if locked[w] or (border[w] and not border[u] and not locked[u]):
            u, w = w, u  # u is left
        # ---- what the ends have in common --------------------------------------------------------------
        mark += 1
        shared, around = 0, 0
        h = head[u]
        while h >= 0:
            t, k = h // 3, h % 3
            if alive[t]:
                a, b = faces[t, (k + 1) % 3], faces[t, (k + 2) % 3]
                seen[a], seen[b] = mark, mark
                around += 1
                if a == w or b == w:
                    shared += 1
            h = following[h]
        common = 0
        mark += 1
        h = head[w]
        while h >= 0:
            t, k = h // 3, h % 3
            if alive[t]:
                around += 1
                for j in range(1, 3):
                    a = faces[t, (k + j) % 3]
                    if seen[a] == mark - 1:
                        seen[a] = mark
                        common += 1
            h = following[h]
        if shared < 1 or shared > 2 or common != shared or around - shared <= 4:
            continue
        if shared == 2 and border[u] and border[w]:
            continue  # the surface would be pinched
        _place(v, q, locked, border, u, w, at)
        if _turns(v, faces, alive, head, following, u, w, at) or _turns(v, faces, alive, head, following, w, u, at):
            continue
        # ---- join w to u -------------------------------------------------------------------------------
        v[u, 0], v[u, 1], v[u, 2] = at[0], at[1], at[2]
        if not locked[u]:
            for i in range(3):
                normals[u, i] += normals[w, i]
        q[u] += q[w]
        gone[w] = True
        stamp[u] += 1
        first, last = -1, -1
        for vertex in (u, w):
            h = head[vertex]
            while h >= 0:
                after, t, k = following[h], h // 3, h % 3
                if alive[t]:
                    a, b = faces[t, (k + 1) % 3], faces[t, (k + 2) % 3]
                    if (vertex == u and (a == w or b == w)) or (vertex == w and (a == u or b == u)):
                        alive[t] = False
                        left -= 1
                    else:
                        faces[t, k] = u
                        if first < 0:
                            first = h
                        else:
                            following[last] = h
                        last = h
                h = after
        if last >= 0:
            following[last] = -1
        head[u] = first
        # ---- new costs round u -------------------------------------------------------------------------
        mark += 1
        h = head[u]
        while h >= 0:
            t, k = h // 3, h % 3
            for j in range(1, 3):
                a = faces[t, (k + j) % 3]
                if seen[a] != mark:
                    seen[a] = mark
                    if not (locked[u] and locked[a]):
                        if size == len(cost):
                            cost = np.concatenate((cost, np.empty(size)))
                            ends = np.concatenate((ends, np.empty((size, 2), np.int32)))
                            stamps = np.concatenate((stamps, np.empty((size, 2), np.int32)))
                        c = _place(v, q, locked, border, u, a, at)
                        _push(cost, ends, stamps, size, c, u, a, stamp[u], stamp[a])
                        size += 1
            h = following[h]
    return alive
