"""Real scans at default settings: how near the mesh is to the points, and how much of it no point supports.

    python pipelines/bench/scans.py ../shared/data/scans/*.pcd --out runs

For each file `shapesiren fit` and `shapesiren mesh`, then: mean distance from the file's points (all finite ones, outliers
included) to the mesh over the median spacing, and the share of the mesh's area farther than 5 spacings from any; then the
same by the spacing round each point (`scan/local_spacing.py`), which differs within a scan.
Run folders stay under OUT, to be looked at (`shapesiren picture`).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from common import LONGEST_SIDE, Table, command, parser
from scipy.spatial import cKDTree

from shapesiren.metrics.surface_distance import Surface
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.scan.local_spacing import local_spacing
from shapesiren.runtime.triangles import Triangles
from shapesiren.similarity import Similarity

COLUMNS = (
    "scan",
    "points",
    "fit s",
    "mesh s",
    "spacing",
    "mean distance / spacing",
    "area beyond 5 spacings",
    "distance / local spacing",
    "area beyond 5 local spacings",
    "components",
    "trimmed",
    "normals",
)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("scans", nargs="+", type=Path)
    arguments.add_argument("--preset", default="default")
    arguments.add_argument("--out", type=Path, default=Path("runs"))
    args = arguments.parse_args()
    table = Table(*COLUMNS)
    for path in args.scans:
        run = args.out / path.stem
        fit = command("fit", path, "--out", run, "--preset", args.preset, "--force")[0]
        mesh = command("mesh", run)[0]
        stages = json.loads((run / "run.json").read_text())["stages"]
        table.add(path.stem, *measure(path, run / "mesh.ply", fit, mesh, stages))


def measure(path: Path, mesh_file: Path, fit: float, mesh: float, stages: dict[str, dict[str, dict]]) -> list[str]:
    cloud, written = read_cloud(path), read_cloud(mesh_file)
    points = cloud.points[np.isfinite(cloud.points).all(1)]
    frame = Similarity.of_bounds(points.min(0), points.max(0), LONGEST_SIDE)
    points, vertices = np.unique(frame.to_box(points), axis=0), frame.to_box(written.points)
    tree = cKDTree(points)
    spacing = float(np.median(tree.query(points, 2)[0][:, 1]))
    distance = Triangles(vertices, written.faces).distance(points)
    samples, _ = Surface(vertices, written.faces).sample(400_000, 0)
    away, nearest = tree.query(samples)
    local = local_spacing(points)
    facts, info = stages["mesh"]["facts"], stages["ingest"]["facts"]["normals"]
    return [
        f"{len(points):,}",
        f"{fit:.0f}",
        f"{mesh:.1f}",
        f"{spacing * frame.scale:.3g}",
        f"{distance.mean() / spacing:.2f}",
        f"{(away > 5 * spacing).mean():.2%}",
        f"{(distance / local).mean():.2f}",
        f"{(away > 5 * local[nearest]).mean():.2%}",
        str(facts["verification"]["components"]),
        f"{facts.get('trimmed', {}).get('area_share', 0):.0%}",
        info.get("oriented", info["origin"]),
    ]


if __name__ == "__main__":
    main()
