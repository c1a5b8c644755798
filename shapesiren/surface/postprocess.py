"""What people ask for after meshing: a smoother surface, fewer faces. Each result is measured and verified like the mesh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..field import Field
from ..runtime.open3d_loader import open3d, ray_scene
from .facts import PostProcessed
from .mesh import TriangleMesh
from .settings import MeshSettings

Array = NDArray[np.float64]
Index = NDArray[np.int64]

FEWEST_FACES = 64  # of a decimated mesh


def post_process(mesh: TriangleMesh, field: Field, settings: MeshSettings) -> tuple[TriangleMesh, PostProcessed | None]:
    """The mesh smoothed and decimated as the settings ask, with normals of the field, in box coordinates; and what came of it,
    in the user's units. The mesh itself and None if they ask for neither."""
    if not (settings.smooth or settings.faces or settings.max_error):
        return mesh, None
    vertices, faces = mesh.vertices, mesh.faces
    scale = field.frame.scale
    if settings.smooth:
        vertices = smooth(vertices, faces, settings.smooth)
    if settings.max_error:
        vertices, faces = decimate_to_error(vertices, faces, settings.max_error / scale)
    if settings.faces:
        vertices, faces = decimate(vertices, faces, settings.faces)
    found = PostProcessed(faces_before=len(mesh.faces), farthest=farthest_distance(mesh.vertices, vertices, faces) * scale)
    _, gradient = field.box_values_and_gradients(vertices)
    length = np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-12)
    return TriangleMesh(vertices, faces, (gradient / length).astype(np.float32)), found


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
    low, high, best = FEWEST_FACES, len(faces), (vertices, faces)
    while high > 1.1 * low:
        middle = round((low * high) ** 0.5)
        made = decimate(vertices, faces, middle)
        if len(made[1]) and farthest_distance(vertices, *made) <= error:
            high, best = middle, made
        else:
            low = middle
    return best


def farthest_distance(points: Array, vertices: Array, faces: Index) -> float:
    """The largest distance from ``points`` (n, 3) to a mesh."""
    return float(ray_scene(vertices, faces).compute_distance(points.astype(np.float32)).numpy().max())


def smooth(vertices: Array, faces: Index, rounds: int) -> Array:
    """Taubin's smoothing (1995), which does not shrink: ``rounds`` of a step in and a step out. Faces stay as they are."""
    made = _legacy(vertices, faces).filter_smooth_taubin(rounds)
    return np.asarray(made.vertices)


def _legacy(vertices: Array, faces: Index) -> Any:
    o3d = open3d()
    return o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(vertices), o3d.utility.Vector3iVector(faces.astype(np.int32)))
