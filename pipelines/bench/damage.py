"""Damaged scans: ours beside PoissonRecon 18.74, which gets both the raw points and our cleaned ones, at its best setting.

    python pipelines/bench/damage.py --quick                                  # the meshes of ../shared, the damages that matter
    python pipelines/bench/damage.py armadillo.obj rocker-arm.obj plate trefoil --preset fast --out damage
    python pipelines/bench/damage.py trefoil --only views                     # damages with this in their name

Some minute a cell at preset ``fast``, on two cores: below an hour with ``--quick``.
One damage at a time, and the combinations that real scans have. Each cell is a virtual scan
(`pointcloud/synthetic/scanner.py`) of a mesh file or analytic shape. Errors are in box units x 1000 (longest side 1.8):
Chamfer against the surface; for scans from few views against what those views see, so that nobody is judged by what nobody
saw. Poisson's setting, of a few (`peers.py`), is the best against the truth, and where a scan is open its surface is trimmed as
ours is; a user would know neither. ``components`` counts ours; ``ratio`` is our Chamfer over the better of the two Poissons.
Writes OUT.csv at the end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
from common import Table, meshes, parser, reference

import shapesiren
from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan


@dataclass(frozen=True)
class Damage:
    """normals : given, absent, or flipped (a tenth of them)"""

    name: str
    scanner: dict[str, Any] = field(default_factory=dict)
    normals: str = "given"
    matters: bool = True


DAMAGES = [
    Damage("none", matters=False),
    *(Damage(f"noise {100 * n:g} %", {"noise": n}, matters=n < 0.01) for n in (0.0025, 0.005, 0.01)),
    *(Damage(f"outliers {100 * o:g} %", {"outliers": o}, matters=o < 0.1) for o in (0.05, 0.2)),
    Damage("no normals", normals="absent"),
    Damage("10 % flipped", normals="flipped"),
    Damage("20,000 points", {"points": 20_000}, matters=False),
    Damage("5,000 points", {"points": 5_000}),
    Damage("3 views", {"views": 3}),
    Damage("one-sided", {"views": 1}, matters=False),
    Damage("noise .5 %, outliers 5 %", {"noise": 0.005, "outliers": 0.05}, matters=False),
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
    arguments.add_argument("surfaces", nargs="*", help="mesh files or analytic shapes (default: the meshes of ../shared)")
    arguments.add_argument("--preset", default="fast")
    arguments.add_argument("--only", nargs="*", help="damages whose name contains one of these")
    arguments.add_argument("--quick", action="store_true", help="the damages that matter")
    arguments.add_argument("--out", type=Path, default=Path("damage"))
    args = arguments.parse_args()
    table = Table(*COLUMNS)
    for damage in DAMAGES:
        if (args.only and not any(o in damage.name for o in args.only)) or (args.quick and not damage.matters):
            continue
        for name in args.surfaces or meshes():
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
    fitted = shapesiren.fit(cloud.points, normals=normals, preset=preset)
    made = fitted.mesh()
    seconds = time.perf_counter() - start
    ours = judge(frame.to_box(made.vertices), made.faces)
    cut = None if made.facts.trimmed is None else partial(peers.trimmed, frame=frame, scan=fitted, arrays=fitted.arrays)
    prepared = prepare(given, IngestSettings(), 0, lambda _: None)
    raw_normals = normals if normals is not None else peers.usual_normals(frame.to_box(cloud.points))
    noisy = "noise" in damage.scanner or "outliers" in damage.scanner
    raw = poisson(frame.to_box(cloud.points), raw_normals, cut, noisy, judge)
    inner = frame.to_box(prepared.cloud.points)
    as_given = len(inner) == len(cloud.points) and damage.normals == "given"
    cleaned = raw if as_given else poisson(inner, prepared.normals, cut, noisy, judge)
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
        "no" if cut is None else "yes",
    )


def poisson(points: np.ndarray, normals: np.ndarray, cut: Any, noisy: bool, judge: Any) -> tuple[float, float]:
    """What ``judge`` says of PoissonRecon at its best of some settings, ``cut`` where the scan is open: Chamfer distance and
    normal consistency."""
    best = (np.inf, 0.0)
    for peer in peers.tuned(points, normals, peers.SOME_NOISY if noisy else peers.SOME_CLEAN):
        surface = peer if cut is None else cut(peer)
        if surface is not None:
            best = min(best, judge(surface.vertices, surface.faces))
    return best


if __name__ == "__main__":
    main()
