"""Ours against screened Poisson and the paper's recipe, on virtual scans, in one run.

    python pipelines/bench/shapes.py                       # armadillo and rocker arm of ../shared, or analytic shapes
    python pipelines/bench/shapes.py mesh.obj trefoil --noise 0 0.0025 --presets fast default --points 100000

Each surface is scanned by the virtual scanner; every method gets the same points and normals. Errors are measured
point to surface between the result and the surface that was scanned, in box units (longest side 1.8) times 1000;
``nc`` is normal consistency, ``field`` the mean error of the signed distance over the box, in percent of its half
side. ``paper`` is fitted for as long as the preset before it took. Times are wall times of this machine, which may
be shared: compare within one table.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import shapesiren
from shapesiren.metrics.geometry import Surface, compare_surfaces
from shapesiren.metrics.shape import field_errors
from shapesiren.signals.frame import Frame
from shapesiren.signals.guide import poisson_surface
from shapesiren.signals.readers import read_cloud
from shapesiren.signals.scanner import Scanner, load_surface, scan, write_scan
from shapesiren.stages.store import Run

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "shapes"
COLUMNS = ("surface", "noise %", "method", "ingest s", "fit s", "mesh s", "steps", "chamfer", "hausdorff95", "nc",
           "field %", "eikonal", "vs poisson", "components")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("surfaces", nargs="*", help="mesh files or analytic shapes")
    parser.add_argument("--noise", nargs="*", type=float, default=[0.0, 0.0025], help="share of the longest side")
    parser.add_argument("--presets", nargs="*", default=["default", "paper"])
    parser.add_argument("--depths", nargs="*", type=int, default=[6, 7, 8, 9])
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--csv", type=Path, help="write the table here too")
    args = parser.parse_args()
    surfaces = args.surfaces or [str(p) for p in (SHARED / "armadillo.obj", SHARED / "rocker-arm.obj") if p.exists()]
    rows: list[dict[str, object]] = []
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS), flush=True)
    for name in surfaces or ["trefoil", "holed_plate"]:
        for noise in args.noise:
            bench(name, noise, args, rows)
    if args.csv:
        with open(args.csv, "w", newline="") as f:
            writer = csv.DictWriter(f, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


def bench(name: str, noise: float, args: argparse.Namespace, rows: list[dict[str, object]]) -> None:
    truth = load_surface(name)
    frame = Frame.of_bounds(truth.points.min(0), truth.points.max(0), 1.8)
    reference = Surface(frame.to_box(truth.points), truth.faces)
    cloud = scan(name, Scanner(points=args.points, noise=noise))
    label = Path(name).stem

    def row(method: str, mesh: Surface, baseline: float | None, **more: object) -> float:
        found = compare_surfaces(mesh, reference, 200_000, 0.01, 0)
        values: dict[str, object] = {
            "surface": label, "noise %": f"{100 * noise:g}", "method": method, "chamfer": f"{1e3 * found['chamfer']:.3f}",
            "hausdorff95": f"{1e3 * found['hausdorff95']:.2f}", "nc": f"{found['normal_consistency']:.4f}", **more,
        }  # fmt: skip
        if baseline is not None:
            values["vs poisson"] = f"{found['chamfer'] / baseline:.2f}"
        rows.append(values)
        print("| " + " | ".join(str(values.get(c, "")) for c in COLUMNS) + " |", flush=True)
        return found["chamfer"]

    errors = []
    for depth in args.depths:
        start = time.perf_counter()
        assert cloud.normals is not None
        vertices, faces = poisson_surface(frame.to_box(cloud.points), cloud.normals, depth)
        seconds = time.perf_counter() - start
        errors.append(row(f"Poisson, depth {depth}", Surface(vertices, faces), None, **{"fit s": f"{seconds:.1f}"}))
    # clean scans: the deepest, as the most exact; noisy ones: the best of all depths, tuned by hand
    baseline = errors[-1] if noise == 0 else min(errors)

    last_fit = 60.0
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "scan.ply"
        write_scan(source, cloud)
        for preset in args.presets:
            out = Path(folder) / preset
            seconds_given = last_fit if preset == "paper" else None
            field = shapesiren.fit(source, out=out, preset=preset, seconds=seconds_given)
            try:
                shapesiren.mesh(out, resolution=args.resolution)
            except shapesiren.ShapesirenError as e:
                print(f"{label} {preset}: {e.line()}", file=sys.stderr)
                continue
            stages = Run.open(out).manifest["stages"]
            last_fit = last_fit if preset == "paper" else stages["fit"]["seconds"]
            written = read_cloud(out / "mesh.ply")
            moved = Surface(field.frame.to_box(truth.points), truth.faces)
            judged = field_errors(field, moved, field.arrays["points"], 0)
            row(
                f"shapesiren {preset}", Surface(frame.to_box(written.points), written.faces), baseline,
                **{
                    **{f"{s} s": f"{stages[s]['seconds']:.1f}" for s in ("ingest", "fit", "mesh")},
                    "steps": stages["fit"]["facts"]["steps"],
                    "field %": f"{judged.get('distance_percent_of_box', np.nan):.3f}",
                    "eikonal": f"{judged['eikonal']:.3f}",
                    "components": stages["mesh"]["facts"]["verification"]["components"],
                },
            )  # fmt: skip


if __name__ == "__main__":
    main()
