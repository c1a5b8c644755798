"""What every tool is tried on: a case makes a scan as a file, and judges the mesh that a tool made of it.

`shapes`: virtual scans of closed surfaces at three levels of noise. `damage`: the same surfaces with outliers, without normals,
from few views, and so on. `scans`: real scans, of which no truth is known. `outside.py` has cases of benchmarks of others.

Lengths are in box units (the longest side of the surface is 1.8) times 1000, so that surfaces compare; F-score's threshold is 5
of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from common import LONGEST_SIDE, SHARED, meshes, reference
from damage import DAMAGES, Damage
from scipy.spatial import cKDTree
from tools import ToolError

from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.similarity import Similarity
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.verify import verify

Figures = dict[str, Any]
SAMPLES = 200_000  # on each of two surfaces
THRESHOLD = 0.005  # box units, of F-score
NOISE = (0.0, 0.0025, 0.005)  # of the longest side, of the shapes
SHAPES = ("armadillo", "rocker-arm", "fandisk")


class Case(ABC):
    """One scan. group, surface, condition : its name in the tables; noisy : which settings of a peer are tried"""

    group: str
    surface: str
    condition: str
    noisy: bool = False

    @abstractmethod
    def write(self, folder: Path) -> Path:
        """Write the scan into a folder. Returns its file, a PLY."""

    @abstractmethod
    def judge(self, mesh: TriangleMesh) -> Figures:
        """The figures of a mesh, of which ``error`` is the one that is compared; ToolError if it is none."""

    def read(self, path: Path) -> TriangleMesh:
        """A tool's mesh. Raises ToolError if there is no triangle in it."""
        cloud = read_cloud(path)
        if cloud.faces is None or not len(cloud.faces):
            raise ToolError(f"{path.name} has no triangle")
        return TriangleMesh(cloud.points, cloud.faces, np.zeros(cloud.points.shape, np.float32))


def topology(mesh: TriangleMesh) -> Figures:
    """What any mesh is, of whatever scan: counted edge by edge, vertices at one place being one."""
    vertices, inverse = np.unique(mesh.vertices, axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[mesh.faces]
    found = verify(replace(mesh, vertices=vertices, faces=faces, normals=np.zeros(vertices.shape, np.float32)))
    return {
        "faces": found.faces,
        "components": found.components,
        "watertight": found.watertight,
        "boundary_edges": found.boundary_edges,
        "nonmanifold_edges": found.nonmanifold_edges,
    }


@dataclass(frozen=True)
class VirtualScan(Case):
    """A surface (a mesh file, or the name of an analytic shape) through the virtual scanner. damage : what is done to it"""

    group: str
    source: str
    damage: Damage
    points: int = 100_000

    @property
    def surface(self) -> str:  # type: ignore[override]
        return Path(self.source).stem

    @property
    def condition(self) -> str:  # type: ignore[override]
        return self.damage.name

    @property
    def noisy(self) -> bool:  # type: ignore[override]
        return "noise" in self.damage.scanner or "outliers" in self.damage.scanner

    @property
    def views(self) -> int | None:
        return self.damage.scanner.get("views")

    @cached_property
    def truth(self) -> tuple[Similarity, Surface]:
        return reference(self.source, self.views)

    def write(self, folder: Path) -> Path:
        cloud = scan(self.source, Scanner(**({"points": self.points} | self.damage.scanner)))
        normals = cloud.normals
        assert normals is not None
        if self.damage.normals == "flipped":
            turned = np.random.default_rng(1).random(len(normals)) < 0.1
            normals = np.where(turned[:, None], -normals, normals)
        path = folder / "scan.ply"
        write_scan(path, PointCloud(cloud.points, None if self.damage.normals == "absent" else normals))
        return path

    def judge(self, mesh: TriangleMesh) -> Figures:
        """Of scans from some views ``error`` is the completeness of what these saw; ``accuracy`` has what is invented."""
        frame, exact = self.truth
        found = compare_surfaces(Surface(frame.to_box(mesh.vertices), mesh.faces), exact, SAMPLES, THRESHOLD, 0)
        lengths = {k: round(1e3 * getattr(found, k), 4) for k in ("accuracy", "completeness", "chamfer", "hausdorff95")}
        return {
            "error": lengths["completeness" if self.views else "chamfer"],
            **lengths,
            "f_score": round(found.f_score, 4),
            "normal_consistency": None if found.normal_consistency is None else round(found.normal_consistency, 4),
            **topology(mesh),
        }


@dataclass(frozen=True)
class RealScan(Case):
    """A scan as it came from a scanner; the mesh is judged by its points alone.

    ``error`` is the mean distance of the points from the mesh in median spacings, ``unsupported`` the share of the mesh's area
    that is farther than 5 spacings from any point.
    """

    path: Path
    group: str = "scans"
    condition: str = "as it is"
    noisy: bool = True

    @property
    def surface(self) -> str:  # type: ignore[override]
        return self.path.stem

    @cached_property
    def cloud(self) -> PointCloud:
        cloud = read_cloud(self.path)
        finite = np.isfinite(cloud.points).all(1)
        return cloud.take(np.flatnonzero(finite))

    def write(self, folder: Path) -> Path:
        path = folder / "scan.ply"
        write_scan(path, PointCloud(self.cloud.points, self.cloud.normals))
        return path

    def judge(self, mesh: TriangleMesh) -> Figures:
        points = self.cloud.points
        frame = Similarity.of_bounds(points.min(0), points.max(0), LONGEST_SIDE)
        inside = np.unique(frame.to_box(points), axis=0)
        tree = cKDTree(inside)
        spacing = float(np.median(tree.query(inside, 2)[0][:, 1]))
        made = Surface(frame.to_box(mesh.vertices), mesh.faces)
        away = tree.query(made.sample(SAMPLES, 0)[0])[0]
        return {
            "error": round(float(made.nearest(inside)[0].mean()) / spacing, 4),
            "unsupported": round(float((away > 5 * spacing).mean()), 4),
            "spacing": spacing * frame.scale,
            **topology(mesh),
        }


def shapes(surfaces: Sequence[str], noise: Sequence[float] = NOISE, points: int = 100_000) -> Iterator[Case]:
    """The cases of `shapes`."""
    for surface in surfaces:
        for share in noise:
            of_noise = Damage(f"noise {100 * share:g} %", {"noise": share} if share else {})
            yield VirtualScan("shapes", surface, of_noise, points)


def damaged(surfaces: Sequence[str], names: Sequence[str] = (), points: int = 100_000) -> Iterator[Case]:
    """The cases of `damage`, without those that `shapes` has; only those whose name contains one of ``names``, if given."""
    for damage in DAMAGES:
        known = damage.scanner.keys() <= {"noise"} and damage.normals == "given" and damage.scanner.get("noise", 0) in NOISE
        if not known and (not names or any(n in damage.name for n in names)):
            for surface in surfaces:
                yield VirtualScan("damage", surface, damage, points)


def real_scans(folder: Path) -> Iterator[Case]:
    """The cases of `scans`: the files of a folder, largest last; none if there is no such folder."""
    kinds = (".pcd", ".ply", ".xyz", ".las", ".laz", ".e57")
    found = [p for p in folder.glob("*") if p.suffix.lower() in kinds] if folder.is_dir() else []
    for path in sorted(found, key=lambda p: (p.stat().st_size, p.name)):
        yield RealScan(path)


def surfaces_here() -> list[str]:
    """Those of `SHAPES` whose meshes lie beside the repository; else analytic ones."""
    found = [m for m in meshes() if Path(m).stem in SHAPES]
    return found or ["trefoil", "holed_plate", "torus"]


SCANS = SHARED / "scans"
