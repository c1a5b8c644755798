"""What people ask for after meshing: fewer faces, a smoother surface. Each result is measured and verified like the mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.open3d_loader import open3d, ray_scene

Array = NDArray[np.float64]
Index = NDArray[np.int64]

FEWEST = 64  # faces


def decimate(vertices: Array, faces: Index, count: int) -> tuple[Array, Index]:
    """At most about ``count`` faces, by edge collapses that cost the least quadric error (Garland and Heckbert 1997)."""
    if len(faces) <= count:
        return vertices, faces
    made = _legacy(vertices, faces).simplify_quadric_decimation(count)
    made.remove_degenerate_triangles()
    made.remove_unreferenced_vertices()
    return np.asarray(made.vertices), np.asarray(made.triangles, np.int64)


def decimate_to_error(vertices: Array, faces: Index, error: float) -> tuple[Array, Index]:
    """As few faces as keep every vertex of the original within ``error`` of the result, found by bisection to a tenth.

    ``error`` is in the unit of the vertices (box coordinates: distances are measured in float32).
    """
    low, high, best = FEWEST, len(faces), (vertices, faces)
    while high > 1.1 * low:
        middle = round((low * high) ** 0.5)
        made = decimate(vertices, faces, middle)
        if len(made[1]) and farthest(vertices, *made) <= error:
            high, best = middle, made
        else:
            low = middle
    return best


def farthest(points: Array, vertices: Array, faces: Index) -> float:
    """The largest distance from ``points`` (n, 3) to a mesh."""
    return float(ray_scene(vertices, faces).compute_distance(points.astype(np.float32)).numpy().max())


def smooth(vertices: Array, faces: Index, rounds: int) -> Array:
    """Taubin's smoothing (1995), which does not shrink: ``rounds`` of a step in and a step out. Faces stay as they are."""
    made = _legacy(vertices, faces).filter_smooth_taubin(rounds)
    return np.asarray(made.vertices)


def _legacy(vertices: Array, faces: Index) -> Any:
    o3d = open3d()
    return o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(faces.astype(np.int32)))
