"""Open scans: the part of a surface that the points support. All in box coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..errors import RunError
from ..pointcloud.header import CloudHeader
from ..runtime.kdtree import KDTree
from .facts import Trimmed
from .mesh import TriangleMesh
from .settings import MeshSettings

Array = NDArray[np.float64]

DENSITY_NEIGHBOURS = 16  # over which density is counted
# From the distance of the 16th neighbour to the median distance of the nearest one, of a Poisson process in the plane
NEAREST_TO_NEIGHBOURS = float(np.sqrt(np.log(2) / DENSITY_NEIGHBOURS))
HOLE_SPACINGS = 5.0  # local spacings: as far as a hole between the points of an even random sample goes
BORDER_SPACINGS = 2.5  # local spacings that a surface goes on beyond the last points
LEAST_CUT_SHARE = 0.05  # of an edge that a cut leaves at least, on both sides
FAR_SPACINGS, FAR_AREA_SHARE = 5.0, 0.01  # median spacings, and the share of the kept area that may lie farther than them


def trim_open_scan(
    mesh: TriangleMesh, points: Array, tree: KDTree, header: CloudHeader, settings: MeshSettings
) -> tuple[TriangleMesh, Trimmed | None]:
    """The mesh cut where no point is any more, and what went; the mesh itself and None if it is not to be trimmed.

    Parameters
    ----------
    points : (k, 3) of the scan, and their ``tree``

    Raises
    ------
    RunError : nothing would be left
    """
    if settings.trim == "off" or (settings.trim == "auto" and not header.open):
        return mesh, None
    scale = header.frame.scale
    fixed = settings.trim_distance / scale if settings.trim_distance else None
    keep, level, reach = trim(mesh, points, tree, header.spacing, header.support, fixed)
    if settings.fill_holes:
        keep = fill_holes(mesh, keep, settings.fill_holes / scale)
    if not keep.any():
        raise RunError("trimming leaves nothing of the surface", where="mesh", hint="--set mesh.trim=off")
    left = cut(mesh, keep, level)
    share = 1 - float(left.face_areas().sum()) / float(mesh.face_areas().sum())
    return left, Trimmed(distance=float(reach) * scale, area_share=share)


def trim(
    mesh: TriangleMesh, points: Array, tree: KDTree, spacing: float, support: float, fixed: float | None
) -> tuple[NDArray[np.bool_], Array, float]:
    """What of a surface the points support. `cut` makes a mesh of it.

    Within the distance ``support`` of a point every hole stays filled; at the border of the scan the surface ends
    `BORDER_SPACINGS` local spacings from the last points. Beyond it, holes between sparser points stay filled: a laser
    scanner leaves lines on a far floor that are many median spacings apart. A face belongs to such a hole if a point is as
    near as holes between the points *there* are large; the smallest holes come first, and in all at most `FAR_AREA_SHARE` of
    the kept area lies farther than `FAR_SPACINGS` median spacings from any point.

    Parameters
    ----------
    mesh : vertices (n, 3); points : (k, 3) of the scan, and their ``tree``
    spacing, support : of the scan, see `pointcloud.scan.noise`
    fixed : a distance that replaces all this; None

    Returns
    -------
    keep : (m,) whether a face stays
    level : (n,) distance of each vertex from the points over what is allowed at the border, less 1: 0 along the border
    reach : the distance within which every face stays
    """
    distance, nearest = tree.query(mesh.vertices)
    face_distance = distance[mesh.faces].max(1)
    if fixed is not None:
        return face_distance <= fixed, distance / fixed - 1, fixed
    local = NEAREST_TO_NEIGHBOURS * tree.query(points, [min(DENSITY_NEIGHBOURS + 1, tree.n)])[0][:, 0]
    local = np.median(local[tree.query(points, min(8, tree.n))[1]], axis=1)
    face_local = local[nearest][mesh.faces].max(1)
    near = face_distance <= support
    level = distance / np.minimum(support, BORDER_SPACINGS * np.maximum(local[nearest], spacing)) - 1
    keep = (level <= 0)[mesh.faces].all(1)
    keep = fill_holes(mesh, keep, np.inf, near)
    index = np.flatnonzero(~keep & ~near & (face_distance <= HOLE_SPACINGS * face_local))
    index = index[np.argsort(face_distance[index])]
    area = mesh.face_areas()
    filled = np.cumsum(area[index])
    # by corners: most faces of a hole lie across that distance, and by their centres half of what is beyond was not seen
    far = np.cumsum(area[index] * (distance[mesh.faces[index]] > FAR_SPACINGS * spacing).mean(1))
    keep[index[far <= FAR_AREA_SHARE * (area[keep].sum() + filled)]] = True
    return keep, level, support


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
