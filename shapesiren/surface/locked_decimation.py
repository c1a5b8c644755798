"""Fewer faces with some vertices held where they are, so that parts of a mesh that are decimated by themselves still fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.compiled import numba_works
from .mesh import TriangleMesh

Array = NDArray[np.float64]


def decimate_locked(mesh: TriangleMesh, locked: NDArray[np.bool_], count: int) -> tuple[TriangleMesh, NDArray[np.int64]]:
    """About ``count`` faces, by edge collapses that cost the least quadric error (Garland and Heckbert 1997); more where no
    other edge can go.

    What is edge-manifold stays so, with the same holes and handles. The result depends on the mesh alone.

    Parameters
    ----------
    locked : (n,) vertices that stay, with their normals and all edges between two of them

    Returns
    -------
    mesh : with normals that are the mean of those that were joined; without colours and the like
    number : (n,) of each vertex in it, -1 of those that are gone

    Raises
    ------
    InputError : numba is missing
    """
    if not numba_works():
        raise InputError("meshes are decimated by tile in machine code, and numba is missing", hint="pip install numba")
    from .collapse_kernel import collapse

    vertices, normals = mesh.vertices.astype(np.float64, copy=True), mesh.normals.astype(np.float64)
    faces = mesh.faces.astype(np.int32, copy=True)
    left = collapse(vertices, normals, faces, np.ascontiguousarray(locked, np.bool_), count, np.inf)
    faces = faces[left].astype(np.int64)
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    number = np.where(used, np.cumsum(used) - 1, -1)
    length = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    unit = np.where(locked[:, None], mesh.normals, normals / length).astype(np.float32)
    return TriangleMesh(vertices[used], number[faces], unit[used]), number
