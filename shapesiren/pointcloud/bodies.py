"""Meshes given as input: whether they are closed, which way their bodies face, and what of them lies inside another body."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LOOKS = 32  # faces of a body by which it is known to lie inside another one
PROBES = 4000  # points by which it is known that nothing reaches into anything
BESIDE = 1e-7  # of the longest side: how far in front of a face what lies before it is looked at
CELLS, MOST_CELLS = 3, 512  # a side, of the grid over the triangles' shadows: times the root of their number, and at most
FEW = 4  # cells under a triangle's bounds, up to which it counts for all of them
PAIRS = 1 << 20  # of a place and a triangle, at a time
# Rays go along no axis: those of parts drawn by hand would run along edges
_AXES = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]


class Bodies(NamedTuple):
    """label : (m,) the body of each face, from 0: faces that hang together by edges
    closed : (k,) whether a body has as many faces on one side of each edge as on the other
    """

    label: Index
    closed: NDArray[np.bool_]


def bodies_of(faces: Index) -> Bodies:
    """The bodies of (m, 3) faces, whose corners are numbers of vertices that are there once."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    m = len(faces)
    ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    face = np.repeat(np.arange(m), 3)
    forward = ends[:, 0] < ends[:, 1]
    low, high = ends.min(1), ends.max(1)
    edge = np.unique(low * (int(high.max()) + 1) + high, return_inverse=True)[1].reshape(-1)
    order = np.argsort(edge, kind="stable")
    same = edge[order][1:] == edge[order][:-1]
    one, other = face[order][:-1][same], face[order][1:][same]
    count, label = connected_components(coo_matrix((np.ones(len(one)), (one, other)), (m, m)), directed=False)
    balance = np.bincount(edge, np.where(forward, 1, -1))
    closed = np.bincount(label[face], np.abs(balance[edge]), count) == 0
    return Bodies(label.astype(np.int64), closed)


class MeshWinding:
    """How often closed surfaces wind round places that are on none of them: 1 inside one that faces outward, 0 outside.

    Counted exactly: a ray leaves through faces that it meets from behind, and enters by others. Which it may meet is looked up
    in a grid over their shadows.

    Parameters
    ----------
    vertices, faces : (v, 3), (m, 3), at least one face
    """

    def __init__(self, vertices: Array, faces: Index) -> None:
        self.low = vertices.min(0)
        self.size = max(float((vertices.max(0) - self.low).max()), 1e-300)
        self.corners = self._turned(vertices)[faces]
        self.base, self.top = self.corners.min((0, 1)), self.corners.max((0, 1))
        self.side = int(np.clip(CELLS * np.sqrt(len(faces)), 1, MOST_CELLS))
        self.step = np.maximum((self.top - self.base)[:2], 1e-300) / self.side
        first, last = (self._cell(edge) for edge in (self.corners[..., :2].min(1), self.corners[..., :2].max(1)))
        wide = last - first + 1
        many = wide.prod(1)
        triangle = np.repeat(np.arange(len(faces)), many)
        inner = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        x, y = first[triangle, 0] + inner // wide[triangle, 1], first[triangle, 1] + inner % wide[triangle, 1]
        met = np.ones(len(triangle), bool)
        large = np.flatnonzero((many > FEW)[triangle])
        middle = self.base[:2] + (np.stack([x[large], y[large]], 1) + 0.5) * self.step
        met[large] = _shadows_meet(self.corners[..., :2], triangle[large], middle, self.step / 2)
        place = (x * self.side + y)[met]
        order = np.argsort(place, kind="stable")
        self.triangle = triangle[met][order]  # of each cell, one after another
        self.bounds = np.searchsorted(place[order], np.arange(self.side**2 + 1))

    def _turned(self, x: Array) -> Array:
        return (x - self.low) / self.size @ _AXES

    def _cell(self, x: Array) -> Index:
        return np.clip((x - self.base[:2]) / self.step, 0, self.side - 1).astype(np.int64)

    def __call__(self, at: Array, own: Index | None = None, label: Index | None = None) -> Index:
        """(n,) numbers of places (n, 3). own, label : (n,) and (m,) bodies: the faces of a place's own one do not count."""
        total = np.zeros(len(at), np.int64)
        p = self._turned(at)
        over = np.flatnonzero(((p >= self.base) & (p <= self.top))[:, :2].all(1) & (p[:, 2] <= self.top[2]))
        where = self._cell(p[over, :2]) @ [self.side, 1]
        start, count = self.bounds[where], self.bounds[where + 1] - self.bounds[where]
        cuts = [*np.searchsorted(np.cumsum(count), np.arange(0, int(count.sum()), PAIRS)), len(over)]
        for a, b in pairwise(cuts):
            n = count[a:b]
            point = np.repeat(over[a:b], n)
            triangle = self.triangle[np.repeat(start[a:b] - (np.cumsum(n) - n), n) + np.arange(n.sum())]
            if own is not None and label is not None:
                foreign = own[point] != label[triangle]
                point, triangle = point[foreign], triangle[foreign]
            corner = np.moveaxis(self.corners[triangle] - p[point][:, None], 1, 0)
            pairs = ((corner[1], corner[2]), (corner[2], corner[0]), (corner[0], corner[1]))
            # twice the areas between the ray and each side: of one side, as two faces have it, exactly opposite
            sides = np.stack([u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] for u, v in pairs], 1)
            area = sides.sum(1)
            hit = np.flatnonzero(((sides > 0).all(1) | (sides < 0).all(1)) & (area != 0))
            above = hit[(sides[hit] * corner[:, hit, 2].T).sum(1) / area[hit] > 0]
            np.add.at(total, point[above], np.sign(area[above]).astype(np.int64))
        return total


def _shadows_meet(corners: Array, triangle: Index, middle: Array, half: Array) -> NDArray[np.bool_]:
    """Whether each ``triangle`` (e,) of ``corners`` (m, 3, 2) may meet a rectangle that reaches ``half`` (2,) from a ``middle``
    (e, 2): it does not if one of its sides has that beyond it."""
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    turn = np.sign(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    met = np.ones(len(triangle), bool)
    for i in range(3):
        side = (corners[:, (i + 1) % 3] - corners[:, i]) * turn[:, None]
        inner = np.stack([-side[:, 1], side[:, 0]], 1)
        met &= (inner[triangle] * (middle - corners[triangle, i])).sum(1) >= -(np.abs(inner) @ half)[triangle] - 1e-12
    return met


def outward(vertices: Array, faces: Index, bodies: Bodies, trusted: bool) -> tuple[Index, int]:
    """The faces, with those of closed bodies turned to look out of what is solid; and how many bodies were turned.

    A body inside another one is a cavity if it looks inward; where the file's own order of corners cannot be ``trusted``, if
    it lies inside an odd number. Where all that lie inside none look inward, everything is inside out.
    """
    label, closed = bodies
    corners = vertices[faces] - vertices[faces[:, 0]].mean(0)
    volume = np.bincount(label, np.einsum("ni,ni->n", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])), len(closed))
    inward = closed & (volume < 0)
    if closed.sum() < 2:
        return _flipped(faces, inward[label]), int(inward.sum())
    out = _flipped(faces, inward[label])
    mine = closed[label]
    depth = _depth(vertices, out[mine], label[mine], len(closed))
    if not trusted:
        wanted = closed & (depth % 2 == 1)
    else:
        outer = closed & (depth == 0)
        wanted = np.where(depth > 0, inward != inward[outer].all(), False) & closed
    return _flipped(out, wanted[label]), int((wanted != inward).sum())


def _flipped(faces: Index, which: NDArray[np.bool_]) -> Index:
    return np.where(which[:, None], faces[:, ::-1], faces)


def _depth(vertices: Array, faces: Index, label: Index, count: int) -> Index:
    """(count,) in how many others, that face outward, each body lies as a whole."""
    order = np.argsort(label, kind="stable")
    first = np.searchsorted(label[order], np.arange(count))
    rank = np.arange(len(label)) - first[label[order]]
    sizes = np.bincount(label, minlength=count)
    stride = np.maximum(1, sizes // LOOKS)[label[order]]
    some = order[(rank % stride == 0) & (rank // stride < LOOKS)]
    number = MeshWinding(vertices, faces)(vertices[faces[some]].mean(1), label[some], label)
    depth = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(depth, label[some], number)
    return np.where(sizes > 0, depth, 0)


class Outside:
    """Which points of a mesh bound the union of its closed bodies."""

    def __init__(self, vertices: Array, faces: Index, bodies: Bodies) -> None:
        self.mine = bodies.closed[bodies.label]
        self.beside = BESIDE * float(np.ptp(vertices, 0).max())
        self.winding = MeshWinding(vertices, faces[self.mine]) if self.mine.any() else None

    def __call__(self, points: Array, normals: Array, face: Index) -> NDArray[np.bool_]:
        """Of points (n, 3) in any order, on the ``face`` (n,) with these normals; those of bodies that are open always do.
        Where the first `PROBES` do, nothing reaches into anything, and all do."""
        out = np.ones(len(points), bool)
        some = np.flatnonzero(self.mine[face])
        if self.winding is None or not len(some):
            return out
        before = points[some] + normals[some] * self.beside
        for part in (slice(0, PROBES), slice(PROBES, None)):
            out[some[part]] = self.winding(before[part]) == 0
            if out.all():
                break
        return out
