"""How thick a closed mesh is: along rays that go in from its surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...runtime.triangles import Triangles
from .facts import Walls

Array = NDArray[np.float64]

LEAST_LINES = 2.0  # widths of a nozzle that a wall needs: one line inside, one outside
START = 1e-4  # of the extent: how far inside a ray begins


def thickness(vertices: Array, faces: NDArray[np.int64]) -> Array:
    """(m,) of each face of a closed mesh, vertices (n, 3), faces (m, 3): how far a ray from its centre goes against its normal.

    Infinite where it meets nothing, which on a closed mesh only rounding makes.
    """
    a, b, c = vertices[faces.T]
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    start = START * float(np.ptp(vertices, axis=0).max())
    return Triangles(vertices, faces).cast((a + b + c) / 3 - start * normal, -normal).distance + start


def walls_of(thick: Array, areas: Array, nozzle: float) -> Walls:
    """Of the thickness (m,) and area (m,) of faces, millimetres."""
    least, order = LEAST_LINES * nozzle, np.argsort(thick)
    share = np.cumsum(areas[order]) / areas.sum()
    low, middle = np.interp((0.01, 0.5), share, thick[order]).tolist()
    return Walls(nozzle=nozzle, least=least, thin_share=float(areas[thick < least].sum() / areas.sum()), p01=low, median=middle)
