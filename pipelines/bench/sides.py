"""Which side of bare points the inside is: what is found, and what a fit makes of it.

    python pipelines/bench/sides.py ../shared/data/scans/*.pcd armadillo.obj trefoil --fit fast
    python pipelines/bench/sides.py trefoil --only views                      # damages with this in their name, no fits

Of a scan whose file says where the scanner stood: the share of its normals that look to the side that the position tells, when
the points are all that is given, moved so that the origin says nothing; as they are, and with 20 % of outliers more. Of a
surface (a mesh file or an analytic shape): the share of right ones of scans without normals, clean and damaged; with ``--fit``
also the Chamfer distance x 1000 (longest side 1.8) of a fit to them, with the genus of its mesh; with ``--unsigned`` of one
that is left to find the sides itself (``ingest.normals=unsigned``); with ``--peers`` of PoissonRecon 18.74 at the best of some
settings against the truth, trimmed as ours, with the same normals, and with those of iPSR (`peers.iterated_normals`), whose
share of right sides stands beside it. What few views have not seen is left out of all Chamfer distances.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
from common import Table, parser, reference
from scipy.spatial import cKDTree

import shapesiren
from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.cloud import PointCloud
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan
from shapesiren.pointcloud.synthetic.shapes import SHAPES

COLUMNS = (
    "input",
    "damage",
    "right",
    "oriented",
    "Chamfer",
    "genus",
    "Poisson",
    "iPSR",
    "iPSR: right",
    "ratio",
    "unsigned: Chamfer",
    "unsigned: genus",
)
DAMAGES: dict[str, dict[str, Any]] = {
    "none": {},
    "noise .25 %": {"noise": 0.0025},
    "noise .5 %": {"noise": 0.005},
    "5,000 points": {"points": 5000},
    "3 views": {"views": 3},
    "3 views, noise .25 %": {"views": 3, "noise": 0.0025},
    "one-sided": {"views": 1},
    "one-sided, noise .25 %": {"views": 1, "noise": 0.0025},
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("inputs", nargs="+", help="scans with a scanner's position; mesh files, analytic shapes")
    arguments.add_argument("--only", nargs="*", default=[""], help="damages whose name contains one of these")
    arguments.add_argument("--fit", metavar="PRESET", help="fit as well, with this preset")
    arguments.add_argument("--unsigned", action="store_true", help="fit without sides as well")
    arguments.add_argument("--peers", action="store_true", help="beside Poisson with the same normals, and with those of iPSR")
    args = arguments.parse_args()
    if args.peers:
        peers.poissonrecon()  # that it is missing is said at once
    table = Table(*COLUMNS)
    for name in args.inputs:
        if name not in SHAPES and load(name).faces is None:
            real(table, Path(name))
            continue
        for damage, settings in DAMAGES.items():
            if any(o in damage for o in args.only):
                surface(table, name, damage, {"points": 100_000} | settings, args)


def load(name: str) -> PointCloud:
    from shapesiren.pointcloud.io.read import read_cloud

    return read_cloud(Path(name))


def right(found: PointCloud, points: np.ndarray, normals: np.ndarray) -> float:
    """Share of the normals of a cloud that look to the side of those of ``points`` (m, 3); what is none of them is left out."""
    distance, index = cKDTree(points).query(found.points)
    held = distance < 1e-6 * np.ptp(points, 0).max()
    assert found.normals is not None
    return float(((found.normals * normals[index]).sum(1) > 0)[held].mean())


def real(table: Table, path: Path) -> None:
    """The rows of a scan whose file says where the scanner stood."""
    known = prepare(path, IngestSettings(), 0, lambda _: None)
    if known.facts.sensors.origin not in ("in the file", "above"):
        raise SystemExit(f"{path}: does not say where the scanner stood")
    points = load(str(path)).points
    points = points[np.isfinite(points).all(1)]
    size, rng = np.ptp(points, 0).max(), np.random.default_rng(0)
    away = size * np.array([5.0, -3.0, 2.0])
    noise = rng.uniform(points.min(0), points.max(0), (len(points) // 5, 3))
    for damage, bare in (("bare points", points), ("bare points, outliers 20 %", np.concatenate([points, noise]))):
        made = prepare(PointCloud(bare + away, None), IngestSettings(), 0, lambda _: None)
        share = right(made.cloud, known.cloud.points + away, known.normals)
        table.add(
            path.stem,
            damage,
            f"{share:.4f}",
            f"{made.facts.normals.oriented}, {made.facts.sensors.origin}",
            *["-"] * (len(COLUMNS) - 4),
        )


def surface(table: Table, name: str, damage: str, settings: dict[str, Any], args: argparse.Namespace) -> None:
    """The row of one damage of a known surface."""
    cloud = scan(name, Scanner(**settings))
    assert cloud.normals is not None
    made = prepare(PointCloud(cloud.points, None), IngestSettings(), 0, lambda _: None)
    frame, exact = reference(name, settings.get("views"))
    cells = {"right": f"{right(made.cloud, cloud.points, cloud.normals):.4f}", "oriented": made.facts.normals.oriented}

    def chamfer(vertices: np.ndarray, faces: np.ndarray) -> float:
        return 1000 * compare_surfaces(Surface(vertices, faces), exact, 200_000, 0.01, 0).chamfer

    trimmed = None
    for normals, prefix in (("auto", ""), ("unsigned", "unsigned: "))[: 1 + args.unsigned] if args.fit else ():
        fitted = shapesiren.fit(cloud.points, preset=args.fit, settings={"ingest": {"normals": normals}})
        mesh = fitted.mesh()
        cells[prefix + "Chamfer"] = f"{chamfer(frame.to_box(mesh.vertices), mesh.faces):.3f}"
        cells[prefix + "genus"] = str(mesh.facts.verification.genus)
        if mesh.facts.trimmed is not None:
            trimmed = partial(peers.trimmed, frame=frame, scan=fitted, arrays=fitted.arrays)
    if args.peers:
        points = frame.to_box(made.cloud.points)
        some = peers.SOME_NOISY if "noise" in settings else peers.SOME_CLEAN

        def error(peer: peers.Peer) -> float:
            kept = peer if trimmed is None else trimmed(peer)
            return np.inf if kept is None else chamfer(kept.vertices, kept.faces)

        cells["Poisson"] = f"{peers.best(peers.tuned(points, made.normals, some), error)[1]:.3f}"
        iterated = peers.iterated_normals(points)
        cells["iPSR"] = f"{peers.best(peers.tuned(points, iterated, some), error)[1]:.3f}"
        cells["iPSR: right"] = f"{right(PointCloud(made.cloud.points, iterated), cloud.points, cloud.normals):.4f}"
        if args.fit:
            cells["ratio"] = f"{float(cells['Chamfer']) / min(float(cells['Poisson']), float(cells['iPSR'])):.2f}"
    row = {"input": Path(name).stem, "damage": damage} | cells
    table.add(*(row.get(column, "-") for column in COLUMNS))


if __name__ == "__main__":
    main()
