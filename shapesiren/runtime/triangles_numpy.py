"""The queries of `triangle_kernels`, by numpy alone: all points, or rays, go down the tree together, level by level.

A point, or ray, and a node that it may find something in are a pair; a level makes of each pair those with the node's two
children that are still near enough. Formulas and sources are those of `triangle_kernels`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

AT_ONCE = 4000  # points or rays; bounds the memory


def closest(
    corners: Array, low: Array, high: Array, starts: Index, points: Array, bound: Array, face: Index, uv: Array
) -> None:
    """See `triangle_kernels.closest`. bound : (n,) distances of the points (n, 3) that theirs are not above, and close to."""
    for i in range(0, len(points), AT_ONCE):
        part = slice(i, i + AT_ONCE)
        squared = (bound[part] * (1 + 1e-9)) ** 2 + 1e-300
        which, node = np.arange(len(squared)), np.zeros(len(squared), np.int64)
        for _ in range((len(starts) - 1).bit_length() - 1):
            which, node = np.repeat(which, 2), np.repeat(2 * node + 1, 2)
            node[1::2] += 1
            keep = _box_distance(low, high, node, points[part][which]) <= squared[which]
            which, node = which[keep], node[keep]
        _, face[part], uv[part] = _nearest_in(corners, starts, node - (len(starts) - 2), which, points[part])


def _box_distance(low: Array, high: Array, node: Index, points: Array) -> Array:
    off = np.maximum(low[node] - points, points - high[node])
    np.maximum(off, 0.0, out=off)
    return np.asarray(np.einsum("ij,ij->i", off, off))


def _in_leaves(starts: Index, leaf: Index, which: Index) -> tuple[Index, Index]:
    """Pairs of triangles and of whoever is paired with their leaves."""
    size = starts[leaf + 1] - starts[leaf]
    first = np.cumsum(size) - size
    return np.repeat(starts[leaf] - first, size) + np.arange(int(size.sum())), np.repeat(which, size)


def _nearest_in(corners: Array, starts: Index, leaf: Index, which: Index, points: Array) -> tuple[Array, Index, Array]:
    """Of each point the least squared distance to a triangle of its leaves, that triangle, and its weights there; ``which`` is
    ascending and holds every point."""
    t, which = _in_leaves(starts, leaf, which)
    squared, uv = _nearest_on(corners[t], points[which])
    order = np.lexsort((t, squared, which))
    first = order[np.searchsorted(which, np.arange(len(points)))]
    return squared[first], t[first], uv[first]


def _nearest_on(corners: Array, points: Array) -> tuple[Array, Array]:
    """Squared distances (k,) of points from triangles (k, 3, 3), one from each, and weights (k, 2)."""
    a = corners[:, 0]
    b, c, p = corners[:, 1] - a, corners[:, 2] - a, points - a

    def dot(x: Array, y: Array) -> Array:
        return np.asarray(np.einsum("ij,ij->i", x, y))

    d1, d2, bb, bc, cc = dot(b, p), dot(c, p), dot(b, b), dot(b, c), dot(c, c)
    d3, d4, d5, d6 = d1 - bb, d2 - bc, d1 - bc, d2 - cc
    vc, vb, va = d1 * d4 - d3 * d2, d5 * d2 - d1 * d6, d3 * d6 - d5 * d4
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        total = va + vb + vc
        zero = np.zeros_like(d1)
        case = [
            (d1 <= 0) & (d2 <= 0),
            (d3 >= 0) & (d4 <= d3),
            (d6 >= 0) & (d5 <= d6),
            (vc <= 0) & (d1 >= 0) & (d3 <= 0) & (bb > 0),
            (vb <= 0) & (d2 >= 0) & (d6 <= 0) & (cc > 0),
            (va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0) & ((d4 - d3) + (d5 - d6) > 0),
        ]
        u = np.select(case, [zero, zero + 1, zero, d1 / bb, zero, 1 - along], np.where(total > 0, vb / total, 0))
        v = np.select(case, [zero, zero, zero + 1, zero, d2 / cc, along], np.where(total > 0, vc / total, 0))
    rest = p - u[:, None] * b - v[:, None] * c
    return dot(rest, rest), np.stack([u, v], 1)


def cast(
    corners: Array,
    low: Array,
    high: Array,
    starts: Index,
    origins: Array,
    directions: Array,
    near: float,
    far: float,
    any_hit: bool,
    distance: Array,
    face: Index,
    uv: Array,
) -> None:
    """See `triangle_kernels.cast`. Always the first hit, which is any too."""
    for i in range(0, len(origins), AT_ONCE):
        part = slice(i, i + AT_ONCE)
        t, which, d, weights = _hits(corners, low, high, starts, origins[part], directions[part], near, far)
        order = np.lexsort((t, d, which))
        who, first = np.unique(which[order], return_index=True)
        first = order[first]
        distance[part][who], face[part][who], uv[part][who] = d[first], t[first], weights[first]


def crossings(corners: Array, low: Array, high: Array, starts: Index, origins: Array, direction: Array, count: Index) -> None:
    """See `triangle_kernels.crossings`."""
    for i in range(0, len(origins), AT_ONCE):
        part = slice(i, i + AT_ONCE)
        along = np.broadcast_to(direction, origins[part].shape)
        which = _hits(corners, low, high, starts, origins[part], along, 0.0, np.inf)[1]
        count[part] = np.bincount(which, minlength=len(along))


def _hits(
    corners: Array, low: Array, high: Array, starts: Index, origins: Array, directions: Array, near: float, far: float
) -> tuple[Index, Index, Array, Array]:
    """All hits: triangles (k,), the ray of each (k,), distances (k,) and weights (k, 2)."""
    leaves = len(starts) - 1
    with np.errstate(divide="ignore"):
        inverse = 1 / directions
    which, node = np.arange(len(origins)), np.zeros(len(origins), np.int64)
    for level in range(leaves.bit_length()):
        if level:
            which, node = np.repeat(which, 2), np.repeat(2 * node + 1, 2)
            node[1::2] += 1
        keep = _enters(low[node], high[node], origins[which], inverse[which], near, far)
        which, node = which[keep], node[keep]
    t, which = _in_leaves(starts, node - (leaves - 1), which)
    d, uv = _hit(corners[t], origins[which], directions[which])
    keep = (d >= near) & (d <= far) & np.isfinite(d)
    return t[keep], which[keep], d[keep], uv[keep]


def _enters(low: Array, high: Array, origins: Array, inverse: Array, near: float, far: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        a, b = (low - origins) * inverse, (high - origins) * inverse
        level = np.isnan(a) | np.isnan(b)
        enter, leave = np.minimum(a, b), np.maximum(a, b)
    if level.any():
        enter[level], leave[level] = -np.inf, np.inf
    first, last = enter.max(1), leave.min(1)
    last = last * np.where(last > 0, 1 + 4e-16, 1.0)
    return np.asarray((first <= last) & (last >= near) & (first <= far))


def _hit(corners: Array, origins: Array, directions: Array) -> tuple[Array, Array]:
    k = np.abs(directions).argmax(1)
    axes = np.stack([(k + 1) % 3, (k + 2) % 3, k], 1)
    d = np.take_along_axis(directions, axes, 1)
    p = np.take_along_axis(corners - origins[:, None], np.broadcast_to(axes[:, None], corners.shape), 2)
    shear = d[:, :2] / d[:, 2:]
    x, y = p[:, :, 0] - shear[:, :1] * p[:, :, 2], p[:, :, 1] - shear[:, 1:] * p[:, :, 2]
    edge = np.stack([x[:, i] * y[:, j] - y[:, i] * x[:, j] for i, j in ((2, 1), (0, 2), (1, 0))], 1)
    total = edge.sum(1)
    beside = ((edge < 0).any(1) & (edge > 0).any(1)) | (total == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = edge / total[:, None]
        distance = (weights * p[:, :, 2]).sum(1) / d[:, 2]
    return np.where(beside, np.inf, distance), weights[:, 1:]
