"""Triangles that are asked for their nearest point, and for what a ray hits: the one way to either.

A tree of boxes over the triangles in Z-order, in double precision. Where numba is at hand it is walked in machine code
(`triangle_kernels`), else by numpy, for many points at a time (`triangles_numpy`, the readable twin); both give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .compiled import numba_works
from .kdtree import KDTree
from .threads import count as cores

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LEAF = 4  # triangles, at most nearly
BITS = 20  # of each axis in a place along the Z-order curve
AT_ONCE = 20_000  # points or rays that one thread is given
# of the rays whose crossings tell what is inside: in no plane of a grid, and at right angles to each other
DIRECTIONS = np.array([[0.5626, 0.6781, 0.4733], [-0.8253, 0.4226, 0.3756], [0.0547, -0.6019, 0.7967]])


class Closest(NamedTuple):
    """Of each of n points: the nearest point of the triangles (n, 3), the face that it lies on (n,), and the weights of that
    face's second and third corner (n, 2)."""

    points: Array
    faces: Index
    uvs: Array


class Hits(NamedTuple):
    """Of each of n rays: how far along it the first hit is, in lengths of its direction (n,), infinite where there is none; the
    face (n,), -1 where there is none; and the weights of that face's second and third corner (n, 2)."""

    distance: Array
    faces: Index
    uvs: Array

    @property
    def found(self) -> NDArray[np.bool_]:
        return self.faces >= 0


class Triangles:
    """A mesh to be asked: vertices (n, 3), faces (m, 3), at least one. Lengths are in the units of the vertices."""

    def __init__(self, vertices: ArrayLike, faces: ArrayLike) -> None:
        self.vertices = np.ascontiguousarray(vertices, np.float64)
        self.faces = np.ascontiguousarray(faces, np.int64)
        if not len(self.faces):
            raise ValueError("there are no triangles")
        corners = self.vertices[self.faces]
        order = z_order(corners.mean(1))
        self.number = order  # of the faces, in the order of the tree
        self.corners = corners[order]
        leaves = 1 << max(0, int(np.ceil(np.log2(max(1, len(order) / LEAF)))))
        self.starts = np.arange(leaves + 1) * len(order) // leaves
        self.low, self.high = _boxes(self.corners, self.starts)

    @cached_property
    def normals(self) -> Array:
        """(m, 3) of the faces, of length 1; 0 of those without area."""
        a, b, c = self.vertices[self.faces].transpose(1, 0, 2)
        normal = np.cross(b - a, c - a)
        return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)

    def closest(self, points: ArrayLike) -> Closest:
        """The nearest point of the triangles to each of (n, 3) points."""
        points = np.ascontiguousarray(points, np.float64)
        face, uv = np.empty(len(points), np.int64), np.empty((len(points), 2))
        order = z_order(points)  # those that follow each other go through the same part of the tree
        asked, of, at = points[order], np.empty_like(face), np.empty_like(uv)

        bound = np.empty(len(points)) if numba_works() or not len(points) else self._corner_tree.query(asked)[0]

        def ask(some: slice) -> None:
            self._queries.closest(*self._tree, asked[some], bound[some], of[some], at[some])

        _in_parts(ask, len(points))
        face[order], uv[order] = of, at
        face = self.number[face]
        return Closest(self._at(face, uv), face, uv)

    def distance(self, points: ArrayLike) -> Array:
        """(n,) of (n, 3) points from the triangles."""
        points = np.asarray(points, np.float64)
        return np.asarray(np.linalg.norm(self.closest(points).points - points, axis=1))

    def crossings(self, points: ArrayLike, direction: ArrayLike) -> Index:
        """(n,) how many triangles the ray from each of (n, 3) points along one direction (3,) crosses."""
        points, along = np.ascontiguousarray(points, np.float64), np.ascontiguousarray(direction, np.float64)
        order = z_order(points)
        asked, counted, out = points[order], np.empty(len(points), np.int64), np.empty(len(points), np.int64)

        def ask(some: slice) -> None:
            self._queries.crossings(*self._tree, asked[some], along, counted[some])

        _in_parts(ask, len(points))
        out[order] = counted
        return out

    def inside(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether (n, 3) points lie inside the closed mesh that they are: most of three rays cross it at odd counts."""
        points = np.ascontiguousarray(points, np.float64)
        odd = [(self.crossings(points, direction) & 1).astype(bool) for direction in DIRECTIONS[:2]]
        out, open_ = odd[0], np.flatnonzero(odd[0] != odd[1])  # where two agree, they are most of three
        out[open_] = (self.crossings(points[open_], DIRECTIONS[2]) & 1).astype(bool)
        return out

    def signed_distance(self, points: ArrayLike) -> Array:
        """(n,) of (n, 3) points from a closed mesh, negative inside."""
        distance = self.distance(points)
        return np.where(self.inside(points), -distance, distance)

    def cast(self, origins: ArrayLike, directions: ArrayLike) -> Hits:
        """The first hit of each of n rays, from (n, 3) along (n, 3), which need not be of length 1."""
        return self._cast(origins, directions, 0.0, np.inf, False)

    def blocked(self, origins: ArrayLike, directions: ArrayLike, near: float = 0.0, far: float = np.inf) -> NDArray[np.bool_]:
        """(n,) whether rays hit anything between ``near`` and ``far``, in lengths of their directions."""
        return self._cast(origins, directions, near, far, True).found

    def _cast(self, origins: ArrayLike, directions: ArrayLike, near: float, far: float, any_hit: bool) -> Hits:
        o, d = np.ascontiguousarray(origins, np.float64), np.ascontiguousarray(directions, np.float64)
        hits = Hits(np.full(len(o), np.inf), np.full(len(o), -1), np.zeros((len(o), 2)))

        def ask(some: slice) -> None:
            with np.errstate(divide="ignore", invalid="ignore"):
                self._queries.cast(*self._tree, o[some], d[some], near, far, any_hit, *(part[some] for part in hits))

        _in_parts(ask, len(o))
        return hits._replace(faces=np.where(hits.faces >= 0, self.number[hits.faces], -1))

    def _at(self, face: Index, uv: Array) -> Array:
        a, b, c = self.vertices[self.faces[face]].transpose(1, 0, 2)
        return a + uv[:, :1] * (b - a) + uv[:, 1:] * (c - a)

    @cached_property
    def _corner_tree(self) -> KDTree:
        return KDTree(self.vertices[np.unique(self.faces)])

    @property
    def _tree(self) -> tuple[Array, Array, Array, Index]:
        return self.corners, self.low, self.high, self.starts

    @property
    def _queries(self) -> Any:
        if numba_works():
            from . import triangle_kernels

            return triangle_kernels
        from . import triangles_numpy

        return triangles_numpy


def z_order(points: Array) -> Index:
    """The order of (n, 3) points along a Z-order curve (Morton 1966)."""
    if not len(points):
        return np.empty(0, np.int64)
    low = points.min(0)
    size = max(float((points.max(0) - low).max()), 1e-300)
    cell = np.minimum((points - low) * (2**BITS / size), 2**BITS - 1).astype(np.uint64)
    place = np.zeros(len(points), np.uint64)
    for axis in range(3):
        x = cell[:, axis]
        for shift, mask in ((32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F), (4, 0x10C30C30C30C30C3)):
            x = (x | x << np.uint64(shift)) & np.uint64(mask)
        x = (x | x << np.uint64(2)) & np.uint64(0x1249249249249249)
        place |= x << np.uint64(axis)
    return np.argsort(place, kind="stable")


def _boxes(corners: Array, starts: Index) -> tuple[Array, Array]:
    """Low and high corners (2 leaves - 1, 3) of the nodes, the root first."""
    low = [np.minimum.reduceat(corners.min(1), starts[:-1])]
    high = [np.maximum.reduceat(corners.max(1), starts[:-1])]
    while len(low[-1]) > 1:
        low.append(np.minimum(low[-1][::2], low[-1][1::2]))
        high.append(np.maximum(high[-1][::2], high[-1][1::2]))
    return np.concatenate(low[::-1]), np.concatenate(high[::-1])


def _in_parts(ask: Callable[[slice], None], size: int) -> None:
    """``ask`` for slices of ``size`` things, on as many threads as there are cores."""
    parts = [slice(i, min(i + AT_ONCE, size)) for i in range(0, size, AT_ONCE)]
    if len(parts) < 2 or cores() == 1:
        for part in parts:
            ask(part)
        return
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(ask, parts):
            pass
