"""Normals of points that were measured in lines, farther apart than the points on them: their nearest ones have no plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree

Array = NDArray[np.float64]

THIN = 0.3  # second deviation, of the first, up to which neighbours lie on a line
IN_LINES = 0.1  # share of points with such neighbours from which a cloud counts as measured in lines
MOST = 256  # neighbours
SAMPLE, AT_ONCE = 2000, 20_000  # points by which that is known; neighbourhoods at a time


class Spanning(NamedTuple):
    """normals : (n, 3) of either sign; share : of points whose neighbours lay on a line; most : neighbours that were taken"""

    normals: Array
    share: float
    most: int


def spanning_normals(tree: KDTree, normals: Array, neighbours: int) -> Spanning | None:
    """Normals of planes through as many more neighbours as span one; None where the cloud was not measured in lines.

    Parameters
    ----------
    normals : (n, 3) of planes through so many ``neighbours``
    """
    points = np.asarray(tree.data)
    some = np.random.default_rng(0).permutation(len(points))[:SAMPLE]
    if _planes(tree, points[some], neighbours)[1].mean() < IN_LINES:
        return None
    lines = np.concatenate([_planes(tree, part, neighbours)[1] for part in _parts(points)])
    left, out, most = np.flatnonzero(lines), normals.copy(), neighbours
    while len(left) and 2 * most <= min(MOST, len(points)):
        most *= 2
        found = [_planes(tree, part, most) for part in _parts(points[left])]
        out[left] = np.concatenate([f[0] for f in found])
        left = left[np.concatenate([f[1] for f in found])]
    return Spanning(out, float(lines.mean()), most)


def _parts(points: Array) -> list[Array]:
    return np.array_split(points, max(1, len(points) // AT_ONCE))


def _planes(tree: KDTree, at: Array, neighbours: int) -> tuple[Array, NDArray[np.bool_]]:
    """Normals (m, 3) of the planes through the neighbours of places (m, 3), and whether those lie on a line."""
    local = np.asarray(tree.data)[tree.query(at, min(neighbours, tree.n))[1]]
    local = local - local.mean(1, keepdims=True)
    variance, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", local, local))
    return axes[:, :, 0], np.sqrt(np.maximum(variance[:, 1], 0)) < THIN * np.sqrt(np.maximum(variance[:, 2], 1e-300))
