"""Distances between surfaces. Definitions follow Knapitsch et al. 2017 (Tanks and Temples) in their names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..facts import Facts

if TYPE_CHECKING:
    from ..runtime.kdtree import KDTree
    from ..runtime.triangles import Closest, Triangles

Array = NDArray[np.float64]

REACH_SPACINGS = 5  # median spacings that a point of a cloud stands for the surface round it


class SurfaceLengths(Facts):
    """Distances between two surfaces, all in one unit.

    accuracy : mean distance from samples of the mesh to the reference
    completeness : mean distance from samples of the reference to the mesh
    chamfer : mean of the two
    hausdorff, hausdorff95 : larger of the two directions' maximum, and of their 95th percentiles
    """

    accuracy: float
    completeness: float
    chamfer: float
    hausdorff: float
    hausdorff95: float


class SurfaceDistances(SurfaceLengths):
    """How well a mesh matches a reference, see `compare_surfaces`.

    precision, recall, f_score : share of mesh and of reference samples within a threshold, and their harmonic mean
    normal_consistency : mean |cos| between a sample's normal and that of the nearest point on the other surface, averaged
        over both directions; None when the reference has no normals
    """

    precision: float
    recall: float
    f_score: float
    normal_consistency: float | None = None


@dataclass(frozen=True)
class Surface:
    """A mesh (faces given) or a cloud (faces None) to measure against, in coordinates near the origin.

    vertices : (n, 3); faces : (m, 3) or None; normals : (n, 3) of a cloud, or None
    """

    vertices: Array
    faces: NDArray[np.int64] | None = None
    normals: Array | None = None

    @cached_property
    def _triangles(self) -> Triangles:
        from ..runtime.triangles import Triangles

        assert self.faces is not None
        return Triangles(self.vertices, self.faces)

    @cached_property
    def _tree(self) -> KDTree:
        from ..runtime.kdtree import KDTree

        return KDTree(self.vertices)

    @cached_property
    def reach(self) -> float:
        """How far from it a cloud's point stands for the surface: `REACH_SPACINGS` times the median spacing.

        The largest hole in N random samples has a radius of sqrt(ln N / (pi density)), 4 median spacings at 10^5.
        """
        some = self.vertices[:: max(1, len(self.vertices) // 20_000)]
        return REACH_SPACINGS * float(np.median(self._tree.query(some, 2)[0][:, 1]))

    @cached_property
    def face_normals(self) -> Array:
        """(m, 3) of a mesh, of length 1."""
        a, b, c = self.vertices[self.faces].transpose(1, 0, 2)
        normal = np.cross(b - a, c - a)
        return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)

    @cached_property
    def closed(self) -> bool:
        """Whether it bounds a volume, so that signed distances make sense."""
        if self.faces is None:
            return False
        import trimesh

        return bool(trimesh.Trimesh(self.vertices, self.faces, process=True).is_watertight)

    def sample(self, count: int, seed: int) -> tuple[Array, Array | None]:
        """``count`` points uniform by area with face normals; of a cloud, at most that many of its points."""
        rng = np.random.default_rng(seed)
        if self.faces is None:
            index = rng.choice(len(self.vertices), min(count, len(self.vertices)), replace=False)
            return self.vertices[index], None if self.normals is None else self.normals[index]
        import trimesh

        mesh = trimesh.Trimesh(self.vertices, self.faces, process=False)
        points, face = trimesh.sample.sample_surface(mesh, count, seed=seed)[:2]
        return np.asarray(points), self.face_normals[face]

    def nearest(self, points: Array) -> tuple[Array, Array | None]:
        """Distance from each of (n, 3) points to this surface, (n,), and the normal there, (n, 3)."""
        if self.faces is None:
            distance, index = self._tree.query(points)
            if self.normals is None:
                return distance, None
            # Where the cloud is sampled, its tangent planes are the surface; beside it, the nearest point is.
            across = np.abs(((points - self.vertices[index]) * self.normals[index]).sum(1))
            along = np.sqrt(np.maximum(distance**2 - across**2, 0))
            return np.where(along <= self.reach, across, distance), self.normals[index]
        hit = self.closest(points)
        return np.linalg.norm(hit.points - points, axis=1), self.face_normals[hit.faces]

    def closest(self, points: Array) -> Closest:
        """The nearest points of a mesh to (n, 3) points."""
        return self._triangles.closest(points)

    def signed_distance(self, points: Array) -> Array:
        """Signed distance at (n, 3) points, negative inside; of a closed mesh."""
        return self._triangles.signed_distance(points)


def compare_surfaces(mesh: Surface, reference: Surface, samples: int, threshold: float, seed: int) -> SurfaceDistances:
    """How well ``mesh`` matches ``reference``, by point-to-surface distances from samples on each.

    Distances are in the units of the vertices. A reference cloud with normals stands for its tangent planes, within
    `REACH_SPACINGS` point spacings; one without is measured as points, and accuracy then contains its sampling.

    Parameters
    ----------
    samples : drawn on each of the two; of a cloud, at most that many of its points
    threshold : of precision and recall
    """
    ours, our_normals, theirs, their_normals = drawn(mesh, reference, samples, seed)
    to_reference, reference_normals = reference.nearest(ours)
    to_mesh, mesh_normals = mesh.nearest(theirs)
    precision, recall = float((to_reference <= threshold).mean()), float((to_mesh <= threshold).mean())
    cosines = [
        np.abs((a * b).sum(1)).mean()
        for a, b in ((our_normals, reference_normals), (their_normals, mesh_normals))
        if a is not None and b is not None
    ]
    consistency = {"normal_consistency": float(np.mean(cosines))} if len(cosines) == 2 else {}
    return SurfaceDistances(
        accuracy=float(to_reference.mean()),
        completeness=float(to_mesh.mean()),
        chamfer=float(to_reference.mean() + to_mesh.mean()) / 2,
        hausdorff=float(max(to_reference.max(), to_mesh.max())),
        hausdorff95=float(max(np.quantile(to_reference, 0.95), np.quantile(to_mesh, 0.95))),
        precision=precision,
        recall=recall,
        f_score=2 * precision * recall / max(precision + recall, 1e-12),
        **consistency,
    )


def drawn(mesh: Surface, reference: Surface, samples: int, seed: int) -> tuple[Array, Array | None, Array, Array | None]:
    """The samples that every figure is measured at: points of the mesh and their normals, and those of the reference."""
    ours, our_normals = mesh.sample(samples, seed)
    theirs, their_normals = reference.sample(samples, seed + 1)
    return ours, our_normals, theirs, their_normals
