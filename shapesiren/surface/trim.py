"""Open scans: the part of a surface that the points support. All in box coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..errors import RunError
from .facts import Trimmed
from .mesh import TriangleMesh
from .settings import MeshSettings
from .support import Support

Array = NDArray[np.float64]

BORDER_SPACINGS = 2.5  # local spacings that a surface goes on beyond the last points
SPARSE_QUANTILE = 0.99  # of the points, by which what is told of sparse places is meant
LEAST_CUT_SHARE = 0.05  # of an edge that a cut leaves at least, on both sides


def trim_open_scan(mesh: TriangleMesh, support: Support, settings: MeshSettings) -> tuple[TriangleMesh, Trimmed | None]:
    """The mesh cut where no point is any more, and what went; the mesh itself and None if it is not to be trimmed.

    Raises
    ------
    RunError : nothing would be left
    """
    if settings.trim == "off" or (settings.trim == "auto" and not support.header.open):
        return mesh, None
    scale = support.header.frame.scale
    fixed = settings.trim_distance / scale if settings.trim_distance else None
    keep, level, reach = trim(mesh, support, fixed)
    if settings.fill_holes:
        keep = fill_holes(mesh, keep, settings.fill_holes / scale)
    if not keep.any():
        raise RunError("trimming leaves nothing of the surface", where="mesh", hint="--set mesh.trim=off")
    left = cut(mesh, keep, level)
    share = 1 - float(left.face_areas().sum()) / float(mesh.face_areas().sum())
    near, far = np.quantile(reach, (0.5, SPARSE_QUANTILE)) * scale
    return left, Trimmed(distance=float(near), sparse_distance=float(far), area_share=share)


def trim(mesh: TriangleMesh, support: Support, fixed: float | None = None) -> tuple[NDArray[np.bool_], Array, Array]:
    """What of a surface the points support. `cut` makes a mesh of it.

    At the border of the scan the surface ends `BORDER_SPACINGS` local spacings from the last points. What is enclosed stays as
    far as each point reaches, `SUPPORT_SPACINGS` of the spacing round it: a laser scanner leaves lines on a far floor that are
    many median spacings apart, and the floor between them is surface.

    Parameters
    ----------
    mesh : vertices (n, 3)
    fixed : a distance that replaces all this; None

    Returns
    -------
    keep : (m,) whether a face stays
    level : (n,) distance of each vertex from the points over what is allowed at the border, less 1: 0 along the border
    reach : (k,) the distance from each point within which every enclosed face stays
    """
    distance, nearest = support.nearest(mesh.vertices)
    if fixed is not None:
        return faces_of(mesh, distance <= fixed), distance / fixed - 1, np.array([fixed])
    level = distance / np.minimum(support.reach, BORDER_SPACINGS * support.local)[nearest] - 1
    near = faces_of(mesh, distance <= support.reach[nearest])
    return fill_holes(mesh, faces_of(mesh, level <= 0), np.inf, near), level, support.reach


def faces_of(mesh: TriangleMesh, vertices: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The faces (m,) all of whose corners are among ``vertices`` (n,)."""
    return np.asarray(vertices[mesh.faces].all(axis=1), bool)


def cut(mesh: TriangleMesh, keep: NDArray[np.bool_], level: Array) -> TriangleMesh:
    """The faces in ``keep`` (m,), and of those that touch them the part in which ``level`` (n,), linear on a face, is below 0.

    So the border runs through faces, along the level and not along the grid. Colours are not carried over.
    """
    inside = np.zeros(len(mesh.vertices), bool)
    inside[mesh.faces[keep]] = True
    count = inside[mesh.faces].sum(1)
    whole = keep | (count == 3)  # the second fills a gap of one face
    crossed = np.flatnonzero(~whole & (count > 0))
    # each crossed face turned so that the corner which is alone on its side comes first
    corners, lone_inside = mesh.faces[crossed], count[crossed] == 1
    first = np.argmax(inside[corners] == lone_inside[:, None], axis=1)
    a, b, c = corners[np.arange(len(corners))[:, None], (first[:, None] + np.arange(3)) % 3].T
    ends = np.sort(np.concatenate([np.stack([a, b], 1), np.stack([a, c], 1)]), axis=1)
    edges, number = np.unique(ends, axis=0, return_inverse=True)
    low, high = edges.T
    near, far = np.where(inside[low], low, high), np.where(inside[low], high, low)
    below, above = np.minimum(level[near], 0), np.maximum(level[far], 0)
    share = np.clip(-below / np.maximum(above - below, 1e-12), LEAST_CUT_SHARE, 1 - LEAST_CUT_SHARE)[:, None]
    at = mesh.vertices[near] + share * (mesh.vertices[far] - mesh.vertices[near])
    direction = mesh.normals[near] + share * (mesh.normals[far] - mesh.normals[near])
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
    ab, ac = len(mesh.vertices) + number.reshape(2, -1)
    one, two = lone_inside, ~lone_inside
    faces = np.concatenate(
        [
            mesh.faces[whole],
            np.stack([a, ab, ac], 1)[one],
            np.stack([b, c, ac], 1)[two],
            np.stack([b, ac, ab], 1)[two],
        ]
    )
    joined = TriangleMesh(
        np.concatenate([mesh.vertices, at]), faces, np.concatenate([mesh.normals, direction.astype(np.float32)])
    )
    return joined.keep_faces(np.ones(len(faces), bool))


def fill_holes(
    mesh: TriangleMesh, keep: NDArray[np.bool_], size: float, allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """``keep`` (m,) and the trimmed patches that only close a hole: all round them faces stay, and no side of their bounding
    box is longer than ``size``. The field's own surface fills the hole, not a flat lid. Patches are made of ``allowed``
    faces (m,) alone; all of them if not given.
    """
    out = ~keep if allowed is None else ~keep & allowed
    index = np.flatnonzero(out)
    if not len(index):
        return keep
    _, edge, uses = np.unique(mesh.edge_keys(), return_inverse=True, return_counts=True)
    edge = edge.reshape(-1, 3)
    # patches: trimmed faces that share an edge
    rows = np.repeat(np.arange(len(index)), 3)
    shape = (len(index), len(uses))
    incidence = coo_matrix((np.ones(len(rows), np.int32), (rows, edge[index].reshape(-1))), shape).tocsr()
    count, label = connected_components(incidence @ incidence.T, directed=False)
    # a patch ends in nothing at an edge of a single face, or where a face beyond is neither kept nor allowed
    nothing = uses == 1
    nothing[edge[~keep & ~out]] = True
    bordering = np.zeros(count, bool)
    bordering[label[nothing[edge[index]].any(1)]] = True
    corners = mesh.vertices[mesh.faces[index]]
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, label, corners.min(1))
    np.maximum.at(high, label, corners.max(1))
    touching = np.zeros(count, bool)  # a whole component that was trimmed is no hole
    kept_edges = np.zeros(len(uses), bool)
    kept_edges[edge[keep]] = True
    touching[label[kept_edges[edge[index]].any(1)]] = True
    fill = ~bordering & touching & ((high - low).max(1) <= size)
    filled = keep.copy()
    filled[index[fill[label]]] = True
    return filled
