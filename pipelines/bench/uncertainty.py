"""Error bars against true distances, on virtual scans with noise.

    python pipelines/bench/uncertainty.py --quick   # two minutes: the armadillo, noise of .25 %
    python pipelines/bench/uncertainty.py           # a quarter of an hour; the meshes of ../shared, or analytic shapes
    python pipelines/bench/uncertainty.py mesh.obj trefoil --noise 0.001 0.0025 0.005 --points 100000

Each surface is scanned by the virtual scanner, solved (``--preset fast``) and meshed with ``--uncertainty``. ``within 50 / 90 /
95 %`` is the share of vertices whose true distance lies within the interval that their error bar gives for it; ``rms error``
and ``rms bar`` are in box units (longest side 1.8) times 1000; ``correlation`` is between the logarithms of the two, vertex by
vertex; ``half at 90 %`` is the mean share within the 90 % intervals of the narrower and of the wider half of the bars.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import Table, command, machine, parser, reference
from scipy.stats import norm
from shapes import MESHES, SHARED

from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan
from shapesiren.surface.io import error_bars_of

LEVELS = (0.5, 0.9, 0.95)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("surfaces", nargs="*", help="mesh files or analytic shapes")
    arguments.add_argument("--noise", nargs="*", type=float, default=[0.001, 0.0025, 0.005], help="share of the longest side")
    arguments.add_argument("--points", type=int, default=100_000)
    arguments.add_argument("--resolution", type=int, default=200)
    arguments.add_argument("--quick", action="store_true", help="one surface, one noise")
    args = arguments.parse_args()
    found = [str(SHARED / f"{name}.obj") for name in MESHES if (SHARED / f"{name}.obj").exists()]
    surfaces = args.surfaces or found[: 1 if args.quick else None] or ["trefoil", "holed_plate"]
    print(machine() + "\n")
    within = [f"within {100 * level:g} %" for level in LEVELS]
    table = Table("surface", "noise %", *within, "rms error", "rms bar", "correlation", "half at 90 %", "mesh s", "with bars s")
    for name in surfaces:
        for noise in [0.0025] if args.quick else args.noise:
            row(table, name, noise, args)


def row(table: Table, name: str, noise: float, args: argparse.Namespace) -> None:
    """One surface at one noise."""
    frame, exact = reference(name)
    with tempfile.TemporaryDirectory() as folder:
        source, run = Path(folder) / "scan.ply", Path(folder) / "run"
        write_scan(source, scan(name, Scanner(points=args.points, noise=noise)))
        command("fit", source, "--out", run, "--preset", "fast")
        plain, _ = command("mesh", run, "--resolution", args.resolution)
        barred, _ = command("mesh", run, "--resolution", args.resolution, "--uncertainty")
        vertices, bars = read_cloud(run / "mesh.ply").points, error_bars_of(run / "mesh.ply")
    assert bars is not None
    error, bars = exact.nearest(frame.to_box(vertices))[0], bars / frame.scale
    inside = [error < norm.ppf((1 + level) / 2) * bars for level in LEVELS]
    narrow = bars <= np.median(bars)
    halves = " / ".join(f"{inside[1][part].mean():.3f}" for part in (narrow, ~narrow) if part.any())
    rms = [f"{1e3 * float(np.sqrt((x**2).mean())):.3f}" for x in (error, bars)]
    spread = bars.max() > bars.min()
    together = f"{np.corrcoef(np.log(error + 1e-9), np.log(bars))[0, 1]:.2f}" if spread else ""
    shares = [f"{x.mean():.3f}" for x in inside]
    table.add(Path(name).stem, f"{100 * noise:g}", *shares, *rms, together, halves, f"{plain:.1f}", f"{barred:.1f}")


if __name__ == "__main__":
    main()
