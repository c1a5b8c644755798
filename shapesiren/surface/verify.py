"""What a mesh is, checked edge by edge: nothing is called watertight that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .connected_components import connected_components
from .facts import Verification
from .mesh import TriangleMesh, faces_in_parts


def verify(mesh: TriangleMesh, but: NDArray[np.bool_] | None = None) -> Verification:
    """Check a mesh; lengths are in the units of its vertices.

    ``but`` : (n,) vertices whose fans are not counted: those of a part, at which other parts go on
    """
    faces, n = mesh.faces, len(mesh.vertices)
    if not len(faces):
        return Verification(
            vertices=n,
            faces=0,
            boundary_edges=0,
            nonmanifold_edges=0,
            misoriented_edges=0,
            nonmanifold_vertices=0,
            components=0,
            genus=None,
            volume=None,
            area=0.0,
            watertight=False,
        )
    start, end = faces.reshape(-1), faces[:, [1, 2, 0]].reshape(-1)
    forward = start < end
    key = np.where(forward, start * n + end, end * n + start)
    order = np.argsort(key, kind="stable").astype(_index(len(key)))
    key = key[order]
    first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    same = np.flatnonzero(key[1:] == key[:-1])
    del key, end
    uses = np.diff(np.r_[first, len(order)])
    boundary, nonmanifold = int((uses == 1).sum()), int((uses > 2).sum())
    pairs = first[uses == 2]
    misoriented = int((forward[order[pairs]] == forward[order[pairs + 1]]).sum())
    edges = len(first)
    a, b = order[same], order[same + 1]
    del order, first, same, uses, pairs, start  # a mesh at 1024 has 13 million half-edges
    fans = _vertices_with_several_fans(faces, n, a, b, forward, but)
    del a, b, forward
    components, _ = mesh.face_components()
    watertight = not (boundary or nonmanifold or misoriented)
    genus = None
    if watertight and not fans:
        used = int(np.count_nonzero(np.bincount(faces.reshape(-1))))
        genus = components - (used - edges + len(faces)) // 2
    volume = None
    if watertight:
        centred = mesh.vertices - mesh.vertices.mean(0)
        volume = sum(float(np.vdot(a, np.cross(b, c))) / 6 for a, b, c in (centred[part.T] for part in faces_in_parts(faces)))
    return Verification(
        vertices=n,
        faces=len(faces),
        boundary_edges=boundary,
        nonmanifold_edges=nonmanifold,
        misoriented_edges=misoriented,
        nonmanifold_vertices=fans,
        components=components,
        genus=genus,
        volume=volume,
        area=float(mesh.face_areas().sum()),
        watertight=watertight,
    )


def point_distances(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distances (k,) of points (k, 3) from a mesh, (n, 3) and (m, 3)."""
    from ..runtime.triangles import Triangles

    return Triangles(vertices, faces).distance(points)


def _index(largest: int) -> type[np.signedinteger[Any]]:
    return np.int32 if largest < 2**31 else np.int64


def _vertices_with_several_fans(
    faces: NDArray[np.int64],
    n: int,
    a: NDArray[np.signedinteger[Any]],
    b: NDArray[np.signedinteger[Any]],
    forward: NDArray[np.bool_],
    but: NDArray[np.bool_] | None,
) -> int:
    """Vertices where parts of the surface only touch: their face corners, joined across shared edges, fall apart.

    A corner is known by the half-edge that starts at its vertex. ``a`` and ``b`` are half-edges on one edge, ``forward``
    says which way each half-edge runs along its edge; vertices ``but`` (n,) are not counted.
    """

    def following(h: NDArray[np.signedinteger[Any]]) -> NDArray[np.signedinteger[Any]]:
        return h + np.where(h % 3 == 2, -2, 1).astype(h.dtype)

    # Two half-edges that run opposite ways: where one starts, the other's follower starts.
    alike = forward[a] == forward[b]
    after_a, after_b = following(a), following(b)
    rows = np.concatenate([a, after_a])
    cols = np.concatenate([np.where(alike, b, after_b), np.where(alike, after_b, b)])
    joined = np.stack([rows, cols], 1)
    del rows, cols, after_a, after_b
    fans, label = connected_components(joined, 3 * len(faces))
    vertex = np.empty(fans, faces.dtype)
    vertex[label] = faces.reshape(-1)
    several = np.bincount(vertex, minlength=n) > 1
    return int((several if but is None else several & ~but).sum())
