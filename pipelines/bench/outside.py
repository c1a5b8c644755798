"""Benchmarks of others, where the user has their files: their scans as cases, their metrics as they define them.

`srb`: the five scans of Berger et al., "A benchmark for surface reconstruction", 2013, as most papers on neural fields use them
(the archive `deep_geometric_prior_data`, as in Williams et al. 2019): FOLDER/scans/NAME.ply and FOLDER/ground_truth/NAME.xyz.
Distances are point to point and in the files' own units.

`dsr`: Sulzer et al., "A survey and benchmark of automatic surface reconstruction from point clouds", 2023, whose folder
`reconbench` has scan/NAME_SETTING.npz (points, normals), eval/NAME/pointcloud.npz (points, normals) and eval/NAME/points.npz
(points, packed occupancies). Distances are point to point, of 100,000 samples, in percent of the diagonal; IoU is by occupancy,
0 of an open mesh.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from protocol import Case, Figures, topology
from scipy.spatial import cKDTree
from tools import ToolError

from shapesiren.metrics.surface_distance import Surface
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.scanner import write_scan
from shapesiren.surface.mesh import TriangleMesh

Array = NDArray[np.float64]
SRB = ("anchor", "daratech", "dc", "gargoyle", "lord_quas")
SRB_SAMPLES = 1_000_000
DSR_SAMPLES = 100_000


def point_to_point(ours: Array, theirs: Array) -> tuple[float, float, float, float]:
    """Mean distance there and back, and the largest there and back, between two sets of points (n, 3)."""
    there, back = cKDTree(theirs).query(ours)[0], cKDTree(ours).query(theirs)[0]
    return float(there.mean()), float(back.mean()), float(there.max()), float(back.max())


@dataclass(frozen=True)
class Berger(Case):
    """One of the five scans, by its folder and name."""

    folder: Path
    surface: str
    group: str = "srb"
    condition: str = "as it is"
    noisy: bool = True

    def write(self, folder: Path) -> Path:
        return _copied(self.folder / "scans" / f"{self.surface}.ply", folder)

    @cached_property
    def truth(self) -> Array:
        return read_cloud(self.folder / "ground_truth" / f"{self.surface}.xyz").points

    def judge(self, mesh: TriangleMesh) -> Figures:
        """Chamfer distance as the mean of both directions' means, Hausdorff as the larger of both."""
        ours = Surface(mesh.vertices, mesh.faces).sample(min(SRB_SAMPLES, 4 * len(self.truth)), 0)[0]
        accuracy, completeness, there, back = point_to_point(ours, self.truth)
        chamfer = (accuracy + completeness) / 2
        return {
            "error": chamfer,
            "chamfer": chamfer,
            "hausdorff": max(there, back),
            "accuracy": accuracy,
            "completeness": completeness,
            **topology(mesh),
        }


@dataclass(frozen=True)
class Reconbench(Case):
    """One scan of `reconbench`, by its model and scanner setting."""

    folder: Path
    surface: str
    condition: str
    group: str = "dsr"
    noisy: bool = True

    def write(self, folder: Path) -> Path:
        path = folder / "scan.ply"
        with np.load(self.folder / "scan" / f"{self.surface}_{self.condition}.npz") as stored:
            normals = stored["normals"].astype(np.float64) if "normals" in stored else None
            write_scan(path, PointCloud(stored["points"].astype(np.float64), normals))
        return path

    def judge(self, mesh: TriangleMesh) -> Figures:
        """As `dsrb/eval.py` defines them."""
        with np.load(self.folder / "eval" / self.surface / "pointcloud.npz") as stored:
            truth = stored["points"].astype(np.float64)
        ours = Surface(mesh.vertices, mesh.faces).sample(DSR_SAMPLES, 0)[0]
        accuracy, completeness, there, back = point_to_point(ours, truth)
        percent = 100 / float(np.linalg.norm(np.ptp(truth, axis=0)))
        figures: Figures = {
            "error": percent * (accuracy + completeness) / 2,
            "chamfer": percent * (accuracy + completeness) / 2,
            "hausdorff": percent * max(there, back),
            "accuracy": percent * accuracy,
            "completeness": percent * completeness,
            **topology(mesh),
        }
        occupancy = self.folder / "eval" / self.surface / "points.npz"
        if occupancy.is_file():
            with np.load(occupancy) as stored:
                points = stored["points"].astype(np.float64)
                inside = np.unpackbits(stored["occupancies"])[: len(points)].astype(bool)
            figures["iou"] = intersection_over_union(mesh, points, inside, figures["boundary_edges"] == 0)
        return figures


def intersection_over_union(mesh: TriangleMesh, points: Array, inside: NDArray[np.bool_], closed: bool) -> float:
    """Of what a mesh has inside, at points (n, 3) of known occupancy (n,); 0 of one that is not closed."""
    if not closed:
        return 0.0
    ours = Surface(mesh.vertices, mesh.faces).signed_distance(points) < 0
    return float((ours & inside).sum() / max(1, (ours | inside).sum()))


def _copied(path: Path, folder: Path) -> Path:
    cloud = read_cloud(path)
    out = folder / "scan.ply"
    write_scan(out, PointCloud(cloud.points, cloud.normals))
    return out


def srb(folder: Path) -> Iterator[Case]:
    """The five scans. Raises ToolError if the folder is not theirs, with what is missing."""
    wanted = [folder / part / f"{n}{end}" for n in SRB for part, end in (("scans", ".ply"), ("ground_truth", ".xyz"))]
    _require(wanted, "--srb", "the archive deep_geometric_prior_data of Williams et al. 2019 has them")
    return (Berger(folder, name) for name in SRB)


def dsr(folder: Path) -> Iterator[Case]:
    """Every scan of `reconbench` that has a truth. Raises ToolError if there is none."""
    _require([folder / "scan", folder / "eval"], "--dsr", "the folder `reconbench` of dsr-benchmark has them")
    found = sorted((folder / "scan").glob("*_*.npz"))
    cases = [Reconbench(folder, *path.stem.rsplit("_", 1)) for path in found]
    known = [case for case in cases if (folder / "eval" / case.surface / "pointcloud.npz").is_file()]
    if not known:
        raise ToolError(f"--dsr {folder}: no scan/NAME_SETTING.npz with an eval/NAME/pointcloud.npz in it")
    return iter(known)


def _require(paths: list[Path], option: str, hint: str) -> None:
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise ToolError(f"{option}: {missing}: no such file; {hint}")
