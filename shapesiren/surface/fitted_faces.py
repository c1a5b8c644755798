"""Flat triangles on a curved surface: which way the edges run, and where the vertices stand, so that the faces fit it best.

With all its vertices on the surface a mesh is still off it between them, by the square of a cell times the curvature,
and on curved surfaces always to the same side: what is convex comes out too small. At the usual resolutions that is
half of the whole error. Both steps here take it from the vertices' normals alone; the field is not evaluated again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.compiled import numba_works
from .mesh import faces_in_parts

Array = NDArray[np.float64]
Index = NDArray[np.int64]

LEAST_FLIP_GAIN = 3e-3  # of a cell, that the surface is nearer to an edge than to the one it replaces
CREASE_COSINE = 0.5  # between the normals at the ends of an edge; below, the surface is sharp there, and nothing is known
LARGEST_MOVE = 0.25  # of a cell, that a vertex leaves the surface


def flip_edges(vertices: Array, faces: Index, normals: NDArray[np.floating[Any]], step: float) -> tuple[Index, int]:
    """Swap the diagonal of two neighbouring faces wherever the other one fits the surface better.

    That is where the surface bends less along it, and where the two faces it makes agree better with the normals at their
    corners (a data dependent triangulation, Dyn, Levin and Rippa 1990). Vertices and topology stay as they are.

    Parameters
    ----------
    vertices : (n, 3) on the surface; faces : (m, 3); normals : (n, 3) unit normals of the surface at the vertices
    step : side of a grid cell

    Returns
    -------
    faces : (m, 3); the same array if numba is missing
    flips : how many edges were flipped
    """
    if not numba_works() or not len(faces):
        return faces, 0
    from . import edge_flips

    twin = edge_flips.twins(faces, len(vertices))
    out = faces.copy()
    count = int(edge_flips.flip(vertices, normals.astype(np.float64), out, twin, 8 * LEAST_FLIP_GAIN * step))
    return out, count


def balance_vertices(vertices: Array, faces: Index, normals: NDArray[np.floating[Any]], step: float) -> tuple[Array, float]:
    """Vertices moved along their normals, so that the faces are as much outside of the surface as inside.

    The height of the surface over a face is taken as quadratic: nothing at the corners, and at the middle of an edge what the
    normals at its ends tell, an eighth of the edge times their difference (as in curved PN triangles, Vlachos et al. 2001). The
    moves are the least-squares fit of the faces to it, with a lumped mass matrix.

    Parameters
    ----------
    vertices : (n, 3) on the surface; faces : (m, 3); normals : (n, 3) unit, outward
    step : side of a grid cell; no vertex moves farther than `LARGEST_MOVE` of it

    Returns
    -------
    vertices : (n, 3)
    moved : how far, on the mean
    """
    weight, moment = np.zeros(len(vertices)), np.zeros(len(vertices))
    for part in faces_in_parts(faces):
        corner = part.T
        at, facing = vertices[corner], normals[corner].astype(np.float64)
        area = np.linalg.norm(np.cross(at[1] - at[0], at[2] - at[0]), axis=1) / 2
        height = []  # of the edge opposite to each corner
        for k in range(3):
            one, other = facing[k - 1], facing[k - 2]
            rise = np.einsum("ij,ij->i", at[k - 1] - at[k - 2], one - other) / 8
            height.append(np.where(np.einsum("ij,ij->i", one, other) > CREASE_COSINE, rise, 0.0))
        for k in range(3):
            # integral of the corner's hat function times 4 (height) (hat of one end) (hat of the other), summed over the edges
            share = area * (2 * (height[k - 1] + height[k - 2]) + height[k]) / 15
            weight += np.bincount(corner[k], area / 3, len(vertices))
            moment += np.bincount(corner[k], share, len(vertices))
    move = np.clip(moment / np.maximum(weight, 1e-300), -LARGEST_MOVE * step, LARGEST_MOVE * step)
    return vertices + move[:, None] * normals, float(np.abs(move).mean()) if len(move) else 0.0
