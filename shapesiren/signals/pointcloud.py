"""Point clouds and meshes as the user has them, and what is done to them before anything else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

MIN_POINTS = 10


@dataclass(frozen=True)
class PointCloud:
    """What a file holds.

    points : (n, 3) float64, in the file's units
    normals : (n, 3) float64 or None; not necessarily unit
    colours : (n, 3) uint8 or None
    faces : (m, 3) int64 or None; when given, the file is a mesh and points are its vertices
    notes : facts found while reading, for the user
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float64] | None = None
    colours: NDArray[np.uint8] | None = None
    faces: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)

    def take(self, index: NDArray[Any]) -> PointCloud:
        """The points of ``index`` (integers or a mask), with all that belongs to them; faces are dropped."""
        return replace(
            self,
            points=self.points[index],
            normals=None if self.normals is None else self.normals[index],
            colours=None if self.colours is None else self.colours[index],
            faces=None,
        )


def clean(cloud: PointCloud, where: object) -> tuple[PointCloud, dict[str, int]]:
    """Drop non-finite and duplicate points; refuse what holds no surface.

    Returns
    -------
    cloud : without them
    counts : {"read", "non_finite", "duplicates"}

    Raises
    ------
    InputError : fewer than 10 points are left, or all lie in one place or on one line
    """
    counts = {"read": len(cloud.points)}
    finite = np.asarray(np.isfinite(cloud.points).all(1))
    counts["non_finite"] = int((~finite).sum())
    if len(finite) and not finite.any():
        raise InputError("every point has a NaN or infinite coordinate", where=where)
    cloud = cloud.take(finite)
    _, first = np.unique(cloud.points, axis=0, return_index=True) if len(cloud.points) else (None, np.empty(0, int))
    counts["duplicates"] = len(cloud.points) - len(first)
    cloud = cloud.take(np.sort(first))
    n = len(cloud.points)
    if counts["read"] and n == 1 and counts["duplicates"]:
        raise InputError(f"all {counts['read']} points are equal", where=where)
    if n < MIN_POINTS:
        raise InputError(f"{n} usable points; at least {MIN_POINTS} are needed", where=where)
    # a bounding box centre keeps UTM-sized clouds exact; their mean need not be
    low, high = cloud.points.min(0), cloud.points.max(0)
    with np.errstate(over="ignore"):
        size = high - low
    if not np.isfinite(size).all() or size.max() > 1e150:
        raise InputError("the coordinates span more than float64 can square", where=where, hint="check the units")
    centred = (cloud.points - (low + size / 2)) / size.max()
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(centred.T @ centred / n)[::-1], 0))
    resolution = np.abs(cloud.points).max() * 2.0**-52 / size.max()
    if spread[1] < max(1e-7, 4 * resolution) * max(spread[0], 1e-300):
        raise InputError("all points lie on one line", where=where)
    return cloud, counts


def subsample(cloud: PointCloud, count: int, seed: int) -> PointCloud:
    """At most ``count`` points, drawn at random without repetition, in their order."""
    if len(cloud.points) <= count:
        return cloud
    return cloud.take(random_rows(len(cloud.points), count, seed))


def random_rows(total: int, count: int, seed: int) -> NDArray[np.int64]:
    """``count`` different numbers below ``total``, in order, in memory that grows with ``count`` alone."""
    if 3 * count >= total:
        return np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    rng = np.random.default_rng(seed)
    rows = np.empty(0, np.int64)
    while len(rows) < count:
        rows = np.unique(np.concatenate([rows, rng.integers(0, total, count)]))
    return rows[np.sort(rng.choice(len(rows), count, replace=False))]


def sample_mesh(cloud: PointCloud, count: int, seed: int, where: object) -> PointCloud:
    """Draw points uniformly by area from a mesh, with face normals and interpolated colours.

    Faces are first wound consistently, and outward where the mesh is closed.
    """
    import trimesh

    assert cloud.faces is not None
    finite = np.asarray(np.isfinite(cloud.points).all(1))
    faces = cloud.faces[finite[cloud.faces].all(1)]
    # numbers near zero keep trimesh's float64 products exact for UTM-sized coordinates
    offset = cloud.points[finite].min(0) if finite.any() else np.zeros(3)
    mesh = trimesh.Trimesh(np.where(finite[:, None], cloud.points - offset, 0), faces, process=False)
    mesh.merge_vertices(merge_norm=True, merge_tex=True)
    mesh.update_faces(mesh.nondegenerate_faces())
    if not len(mesh.faces) or not mesh.area > 0:
        raise InputError("the mesh has no face of non-zero area", where=where)
    if not mesh.is_winding_consistent:
        mesh.fix_normals()
    elif mesh.is_watertight and mesh.volume < 0:
        mesh.invert()
    points, face = trimesh.sample.sample_surface(mesh, count, seed=seed)[:2]
    colours = None
    if cloud.colours is not None:
        # nearest original vertex of the sampled triangle: merging may have renumbered them
        from scipy.spatial import cKDTree

        colours = cloud.colours[cKDTree(np.where(finite[:, None], cloud.points - offset, np.inf)[finite]).query(points)[1]]
    normals = mesh.face_normals[face]
    notes = (*cloud.notes, f"a mesh of {len(cloud.faces):,} faces: {len(points):,} points sampled from it")
    return PointCloud(np.asarray(points) + offset, np.asarray(normals), colours, None, notes)
