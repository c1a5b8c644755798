"""What a scan has at its points, carried over to the vertices of its mesh: colours and intensity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..runtime.kdtree import KDTree
from .mesh import TriangleMesh


def carry_attributes(
    mesh: TriangleMesh,
    tree: KDTree,
    colours: NDArray[np.uint8] | None,
    intensity: NDArray[np.float32] | None,
    neighbours: int = 4,
) -> TriangleMesh:
    """The mesh with the attributes of the nearest points, weighted by the inverse of the squared distance.

    Parameters
    ----------
    tree : of the points (n, 3), in the coordinates of the mesh
    colours : (n, 3) of the points, or None; intensity : (n,), or None
    neighbours : so many points have a say at each vertex
    """
    if colours is None and intensity is None:
        return mesh
    near, weight = _nearest(tree, mesh.vertices, neighbours, 0.0)
    if colours is not None:
        mesh = replace(mesh, colours=_mixed(colours, near, weight))
    if intensity is not None:
        mesh = replace(mesh, intensity=(intensity[near] * weight).sum(1).astype(np.float32))
    return mesh


def blended(
    tree: KDTree, colours: NDArray[np.uint8], at: NDArray[np.float64], neighbours: int, reach: float
) -> NDArray[np.uint8]:
    """Colours (n, 3) at places ``at`` (n, 3), by the same weights; points within ``reach`` count alike."""
    return _mixed(colours, *_nearest(tree, at, neighbours, reach))


def _nearest(
    tree: KDTree, at: NDArray[np.float64], neighbours: int, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of the nearest points: (n, k) indices, and weights whose sum is 1."""
    distance, near = tree.query(at, [*range(1, min(neighbours, tree.n) + 1)])
    weight = 1 / np.maximum(distance, max(reach, 1e-12)) ** 2
    weight /= weight.sum(1, keepdims=True)
    return near, weight


def _mixed(colours: NDArray[np.uint8], near: NDArray[np.int64], weight: NDArray[np.float64]) -> NDArray[np.uint8]:
    mixed = np.einsum("nk,nkc->nc", weight, colours[near].astype(np.float64))
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
