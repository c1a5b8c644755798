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
    distance, near = tree.query(mesh.vertices, [*range(1, min(neighbours, tree.n) + 1)])
    weight = 1 / np.maximum(distance, 1e-12) ** 2
    weight /= weight.sum(1, keepdims=True)
    if colours is not None:
        blended = np.einsum("nk,nkc->nc", weight, colours[near].astype(np.float64))
        mesh = replace(mesh, colours=np.clip(np.rint(blended), 0, 255).astype(np.uint8))
    if intensity is not None:
        mesh = replace(mesh, intensity=(intensity[near] * weight).sum(1).astype(np.float32))
    return mesh
