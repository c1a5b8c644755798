"""What a mesh is, checked edge by edge: nothing is called watertight that is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .connected_components import connected_components
from .mesh import TriangleMesh, in_parts


@dataclass(frozen=True)
class Verification:
    """vertices, faces : counts
    boundary_edges : edges of one face; 0 means closed
    nonmanifold_edges : edges of more than two faces; 0 means edge-manifold
    misoriented_edges : edges whose two faces run the same way along them; 0 means oriented
    nonmanifold_vertices : vertices whose faces form more than one fan
    components : connected components
    genus : sum over the components, of a closed manifold; None otherwise
    volume : enclosed, in cubed units; None unless watertight
    area : in squared units
    watertight : closed, edge-manifold and oriented
    """

    vertices: int
    faces: int
    boundary_edges: int
    nonmanifold_edges: int
    misoriented_edges: int
    nonmanifold_vertices: int
    components: int
    genus: int | None
    volume: float | None
    area: float
    watertight: bool

    def facts(self) -> dict[str, Any]:
        """As plain data for the manifest."""
        return asdict(self)


def verify(mesh: TriangleMesh) -> Verification:
    """Check a mesh; lengths are in the units of its vertices."""
    faces, n = mesh.faces, len(mesh.vertices)
    if not len(faces):
        return Verification(n, 0, 0, 0, 0, 0, 0, None, None, 0.0, False)
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
    fans = _vertices_with_several_fans(faces, n, a, b, forward)
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
        volume = sum(float(np.vdot(a, np.cross(b, c))) / 6 for a, b, c in (centred[part.T] for part in in_parts(faces)))
    area = float(mesh.face_areas().sum())
    return Verification(n, len(faces), boundary, nonmanifold, misoriented, fans, components, genus, volume, area, watertight)


def _index(largest: int) -> type[np.signedinteger[Any]]:
    return np.int32 if largest < 2**31 else np.int64


def _vertices_with_several_fans(
    faces: NDArray[np.int64],
    n: int,
    a: NDArray[np.signedinteger[Any]],
    b: NDArray[np.signedinteger[Any]],
    forward: NDArray[np.bool_],
) -> int:
    """Vertices where parts of the surface only touch: their face corners, joined across shared edges, fall apart.

    A corner is known by the half-edge that starts at its vertex. ``a`` and ``b`` are half-edges on one edge, ``forward``
    says which way each half-edge runs along its edge.
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
    return int((np.bincount(vertex, minlength=n) > 1).sum())
