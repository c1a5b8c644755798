"""What a mesh is, checked edge by edge: nothing is called watertight that is not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .mesh import TriangleMesh


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
    low, high = np.minimum(start, end), np.maximum(start, end)
    edges, inverse, uses = np.unique(low * n + high, return_inverse=True, return_counts=True)
    direction = np.bincount(inverse, np.where(start < end, 1, -1), len(edges))
    boundary, nonmanifold = int((uses == 1).sum()), int((uses > 2).sum())
    misoriented = int(((uses == 2) & (direction != 0)).sum())
    components, _ = mesh.face_components()
    fans = _vertices_with_several_fans(faces, n)
    watertight = not (boundary or nonmanifold or misoriented)
    genus = None
    if watertight and not fans:
        used = len(np.unique(faces))
        genus = components - (used - len(edges) + len(faces)) // 2
    volume = None
    if watertight:
        centred = mesh.vertices - mesh.vertices.mean(0)
        a, b, c = centred[faces].transpose(1, 0, 2)
        volume = float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)
    area = float(mesh.face_areas().sum())
    return Verification(n, len(faces), boundary, nonmanifold, misoriented, fans, components, genus, volume, area, watertight)


def _vertices_with_several_fans(faces: np.ndarray, n: int) -> int:
    """Vertices where parts of the surface only touch: their face corners, joined across shared edges, fall apart."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    m = len(faces)
    corner = np.arange(3 * m)
    vertex = faces.reshape(-1)
    # each corner touches two edges; corners of one vertex on the same edge belong to one fan
    ahead = faces[:, [1, 2, 0]].reshape(-1)
    behind = faces[:, [2, 0, 1]].reshape(-1)
    key = np.concatenate([vertex * n + ahead, vertex * n + behind])
    order = np.argsort(key, kind="stable")
    who = np.concatenate([corner, corner])[order]
    same = np.flatnonzero(key[order][1:] == key[order][:-1])
    graph = coo_matrix((np.ones(len(same), np.int8), (who[same], who[same + 1])), (3 * m, 3 * m))
    fans, label = connected_components(graph, directed=False)
    first = np.full(fans, -1, np.int64)
    first[label] = vertex
    return int((np.bincount(first, minlength=n) > 1).sum())
