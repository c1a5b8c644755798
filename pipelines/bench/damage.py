"""Damaged scans: ours beside screened Poisson, which gets both the raw points and our cleaned ones, at its best depth.

    python pipelines/bench/damage.py armadillo.obj rocker-arm.obj plate trefoil --preset fast --out damage
    python pipelines/bench/damage.py trefoil --only views                     # damages with this in their name

Some two minutes a cell at preset ``fast``, on two cores.
One damage at a time, and the combinations that real scans have. Each cell is a virtual scan
(`pointcloud/synthetic/scanner.py`) of a mesh file or analytic shape. Errors are in box units x 1000 (longest side 1.8):
Chamfer against the surface; for scans from few views against what those views see, so that nobody is judged by what nobody
saw. Poisson's depth (6 to 9) is the best against the truth, and where a scan is open its surface is trimmed as ours is; a user
would know neither. ``components`` counts ours; ``ratio`` is our Chamfer over the better of the two Poissons. Writes OUT.csv at
the end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import peers
from common import Table, parser, reference
from scipy.spatial import cKDTree

import shapesiren
from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.normals.estimate import plane_normals
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan
from shapesiren.runtime.open3d_loader import open3d
from shapesiren.surface.mesh import TriangleMesh
from shapesiren.surface.trim import cut, trim


@dataclass(frozen=True)
class Damage:
    """normals : given, absent, or flipped (a tenth of them)"""

    name: str
    scanner: dict[str, Any] = field(default_factory=dict)
    normals: str = "given"


DAMAGES = [
    Damage("none"),
    *(Damage(f"noise {100 * n:g} %", {"noise": n}) for n in (0.0025, 0.005, 0.01)),
    *(Damage(f"outliers {100 * o:g} %", {"outliers": o}) for o in (0.05, 0.2)),
    Damage("no normals", normals="absent"),
    Damage("10 % flipped", normals="flipped"),
    Damage("20,000 points", {"points": 20_000}),
    Damage("5,000 points", {"points": 5_000}),
    Damage("3 views", {"views": 3}),
    Damage("one-sided", {"views": 1}),
    Damage("noise .5 %, outliers 5 %", {"noise": 0.005, "outliers": 0.05}),
    Damage("noise .5 %, no normals", {"noise": 0.005}, "absent"),
    Damage("noise .25 %, outliers 5 %, no normals, 20,000", {"noise": 0.0025, "outliers": 0.05, "points": 20_000}, "absent"),
    Damage("3 views, noise .25 %, no normals", {"views": 3, "noise": 0.0025}, "absent"),
]
COLUMNS = (
    "surface",
    "damage",
    "ours s",
    "ours",
    "poisson raw",
    "poisson cleaned",
    "ratio",
    "ours nc",
    "poisson nc",
    "components",
    "trimmed",
)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("surfaces", nargs="+", help="mesh files or analytic shapes")
    arguments.add_argument("--preset", default="fast")
    arguments.add_argument("--only", nargs="*", help="damages whose name contains one of these")
    arguments.add_argument("--out", type=Path, default=Path("damage"))
    args = arguments.parse_args()
    table = Table(*COLUMNS)
    for name in args.surfaces:
        for damage in DAMAGES:
            if args.only and not any(o in damage.name for o in args.only):
                continue
            table.add(*cell(name, damage, args.preset))
    ratio, damaged = COLUMNS.index("ratio"), COLUMNS.index("damage")
    hurt = [row for row in table.rows if row[damaged] != "none"]
    ahead = sum(float(row[ratio]) < 1 for row in hurt)
    last = f"ours ahead in {ahead} of {len(hurt)} damaged cells ({ahead / max(1, len(hurt)):.0%})"
    print("\n" + last)
    table.write_csv(args.out.with_suffix(".csv"))


def cell(name: str, damage: Damage, preset: str) -> tuple[object, ...]:
    """One row, by column."""
    settings = {"points": 100_000} | damage.scanner
    cloud = scan(name, Scanner(**settings))
    normals = cloud.normals
    assert normals is not None
    if damage.normals == "absent":
        normals = None
    elif damage.normals == "flipped":
        turned = np.random.default_rng(1).random(len(normals)) < 0.1
        normals = np.where(turned[:, None], -normals, normals)
    given = PointCloud(cloud.points, normals)
    frame, exact = reference(name, settings.get("views"))

    def judge(vertices: np.ndarray, faces: np.ndarray) -> tuple[float, float]:
        found = compare_surfaces(Surface(vertices, faces), exact, 100_000, 0.01, 0)
        return 1e3 * found.chamfer, found.normal_consistency or 0.0

    start = time.perf_counter()
    made = shapesiren.fit(cloud.points, normals=normals, preset=preset).mesh()
    seconds = time.perf_counter() - start
    ours = judge(frame.to_box(made.vertices), made.faces)
    trimmed = made.facts.trimmed is not None
    prepared = prepare(given, IngestSettings(), 0, lambda _: None)
    raw_normals = normals if normals is not None else usual_normals(frame.to_box(cloud.points))
    raw = poisson(frame.to_box(cloud.points), raw_normals, trimmed, judge)
    inner = frame.to_box(prepared.cloud.points)
    cleaned = poisson(inner, prepared.normals, trimmed, judge)
    best = min(raw, cleaned)
    return (
        Path(name).stem,
        damage.name,
        f"{seconds:.0f}",
        f"{ours[0]:.3f}",
        f"{raw[0]:.3f}",
        f"{cleaned[0]:.3f}",
        f"{ours[0] / best[0]:.2f}",
        f"{ours[1]:.4f}",
        f"{best[1]:.4f}",
        made.facts.verification.components,
        "yes" if trimmed else "no",
    )


def usual_normals(points: np.ndarray) -> np.ndarray:
    """What a user of open3d would do: 20 neighbours, consistent orientation; over 20,000 points, so that it ends."""
    normals = plane_normals(points, 20)
    rng = np.random.default_rng(0)
    some = rng.choice(len(points), min(len(points), 20_000), replace=False)
    o3d = open3d()
    part = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points[some] + 1e-6 * rng.normal(size=(len(some), 3))))
    part.normals = o3d.utility.Vector3dVector(normals[some])
    part.orient_normals_consistent_tangent_plane(20)
    oriented = np.asarray(part.normals)
    side = (normals * oriented[cKDTree(points[some]).query(points)[1]]).sum(1)
    normals = np.where(side[:, None] < 0, -normals, normals)
    outward = ((points - points.mean(0)) * normals).sum()
    return -normals if outward < 0 else normals


def poisson(points: np.ndarray, normals: np.ndarray, trimmed: bool, judge: Any) -> tuple[float, float]:
    """What ``judge`` says of screened Poisson at its best depth: Chamfer distance and normal consistency."""
    best = (np.inf, 0.0)
    for _, vertices, faces, _ in peers.open3d_poisson(points, normals, [6, 7, 8, 9]):
        if not len(faces):
            continue
        if trimmed:
            tree = cKDTree(points)
            spacing = float(np.median(tree.query(points, 2)[0][:, 1]))
            mesh = TriangleMesh(vertices, faces, np.zeros(vertices.shape, np.float32))
            keep, level, _ = trim(mesh, points, tree, spacing, 5 * spacing, None)
            if not keep.any():
                continue
            mesh = cut(mesh, keep, level)
            vertices, faces = mesh.vertices, mesh.faces
        best = min(best, judge(vertices, faces))
    return best


if __name__ == "__main__":
    main()
