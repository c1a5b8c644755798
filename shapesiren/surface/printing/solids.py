"""Closed meshes as manifold3d's solids, whose cuts and differences are closed again, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, RunError

if TYPE_CHECKING:
    from manifold3d import Manifold

Array = NDArray[np.float64]


def require_manifold3d() -> None:
    """Raise InputError if the package is missing."""
    try:
        import manifold3d  # noqa: F401
    except ImportError:
        raise InputError("manifold3d is not installed", where="printing", hint="pip install shapesiren[print]") from None


def from_mesh(vertices: Array, faces: NDArray[np.int64]) -> Manifold:
    """Raises RunError if vertices (n, 3) and faces (m, 3) are no closed, oriented mesh."""
    from manifold3d import Error, Manifold, Mesh64

    solid = Manifold(Mesh64(np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(faces, np.uint64)))
    if solid.status() != Error.NoError or solid.is_empty():
        raise RunError(f"the mesh is no solid ({solid.status().name})", where="printing", hint="another --resolution")
    return solid


def to_mesh(solid: Manifold) -> tuple[Array, NDArray[np.int64]]:
    """Vertices (n, 3) and faces (m, 3)."""
    made = solid.to_mesh64()
    vertices = np.asarray(made.vert_properties[:, :3], np.float64)
    faces = np.asarray(made.tri_verts, np.int64)
    if len(made.merge_from_vert):
        number = np.arange(len(vertices))
        number[np.asarray(made.merge_from_vert, np.int64)] = np.asarray(made.merge_to_vert, np.int64)
        faces = number[faces]
    used, compact = np.unique(faces, return_inverse=True)
    return vertices[used], compact.reshape(-1, 3).astype(np.int64)
