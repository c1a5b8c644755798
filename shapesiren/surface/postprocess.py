"""What people ask for after meshing: a smoother surface, fewer faces. Each result is measured and verified like the mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import RunError
from ..field import Field
from ..runtime.triangles import Triangles
from .facts import PostProcessed
from .mesh import TriangleMesh
from .settings import MeshSettings

Array = NDArray[np.float64]
Index = NDArray[np.int64]

FEWEST_FACES = 64  # of a decimated mesh
STEEPNESS = (2, 3, 4, 5, 6, 7, 9)  # of the threshold of fast-simplification, from pass to pass
STEP_IN, STEP_OUT = 0.5, -0.53  # shares of the way to the neighbours' mean


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
    """At most about ``count`` faces, by edge collapses that cost the least quadric error (Garland and Heckbert 1997).

    By fast-simplification, which collapses whatever costs less than a threshold that rises from pass to pass: as slowly as
    leads to so few faces, for at once steeply it errs twice as far and leaves edges of more than two faces. ``vertices`` near
    the origin: it keeps them in float32.

    Raises
    ------
    RunError : the package is missing
    """
    if len(faces) <= count:
        return vertices, faces
    try:
        from fast_simplification import simplify
    except ImportError:
        raise RunError(
            "fewer faces need fast-simplification", where="--faces", hint="pip install fast-simplification"
        ) from None
    for steepness in STEEPNESS:
        vertices, faces = simplify(vertices, faces, target_count=count, agg=steepness)
        if len(faces) <= 1.02 * count:
            break
    faces = faces.astype(np.int64)
    used, faces = np.unique(faces[_with_area(faces)], return_inverse=True)
    return vertices[used].astype(np.float64), faces.reshape(-1, 3)


def _with_area(faces: Index) -> NDArray[np.bool_]:
    """Which have three different corners."""
    return np.asarray((faces != faces[:, [1, 2, 0]]).all(1))


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
    return float(Triangles(vertices, faces).distance(points).max())


def smooth(vertices: Array, faces: Index, rounds: int) -> Array:
    """Taubin's smoothing (1995), which does not shrink: ``rounds`` of a step in and a step out. Faces stay as they are.

    Neighbours weigh by the inverse of their distance as it is in each step.
    """
    from scipy.sparse import coo_matrix

    n = len(vertices)
    edges = np.unique(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=0)
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    a, b = edges.T
    for step in (STEP_IN, STEP_OUT) * rounds:
        weight = 1 / (np.linalg.norm(vertices[a] - vertices[b], axis=1) + 1e-12)
        total = np.bincount(a, weight, n)
        mean = coo_matrix((weight, (a, b)), (n, n)).tocsr() @ vertices / np.maximum(total, 1e-300)[:, None]
        vertices = np.where(total[:, None] > 0, vertices + step * (mean - vertices), vertices)
    return vertices
