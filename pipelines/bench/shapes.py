"""Ours against screened Poisson and the paper's recipe, on virtual scans, in one run.

    python pipelines/bench/shapes.py          # 45 minutes; armadillo and rocker arm of ../shared, or analytic shapes
    python pipelines/bench/shapes.py mesh.obj trefoil --noise 0 0.0025 0.005 --presets fast default --points 100000

Each surface is scanned by the virtual scanner; every method gets the same points and normals. Errors are measured
point to surface between the result and the surface that was scanned, in box units (longest side 1.8) times 1000;
``nc`` is normal consistency, ``field`` the mean error of the signed distance over the box, in percent of its half
side. ``vs poisson`` divides by the Chamfer distance of Poisson at its best depth of --depths, tuned by hand as it were.

Each of our rows is `shapesiren fit` and `shapesiren mesh` as processes of their own, as a user runs them: ``total``
is their wall time, ``start`` what is left of it beside the stages (imports, loading, writing), ``peak MiB`` the
larger of their resident memories, without that of the process that makes the guide (some 430 MiB, for five seconds).
``GFLOP/s`` counts the matrix products that the formulas of `nets/fused_step.py` need (6 of width x width a sample with its
gradient, 3 without), ``of peak`` divides by this machine's fastest product in the precision of most steps. ``paper``
(autograd double backward, float32) is fitted for as long as the preset before it took. Times are wall times of this
machine, which may be shared: compare within one table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import Table, command, machine, parser, peak, reference

import shapesiren
from shapesiren.metrics.shape import field_errors
from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.guide.samples import poisson_surface
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.scanner import Scanner, load_surface, scan, write_scan
from shapesiren.stages.stage import stored_config
from shapesiren.stages.store import Run

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "shapes"
COLUMNS = (
    "surface",
    "noise %",
    "method",
    "total s",
    "start s",
    "ingest s",
    "fit s",
    "mesh s",
    "steps",
    "steps/s",
    "samples/s",
    "GFLOP/s",
    "of peak",
    "peak MiB",
    "chamfer",
    "hausdorff95",
    "nc",
    "field %",
    "eikonal",
    "vs poisson",
    "components",
)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("surfaces", nargs="*", help="mesh files or analytic shapes")
    arguments.add_argument("--noise", nargs="*", type=float, default=[0.0, 0.0025, 0.005], help="share of the longest side")
    arguments.add_argument("--presets", nargs="*", default=["fast", "default", "paper", "fine"])
    arguments.add_argument("--depths", nargs="*", type=int, default=[7, 8, 9, 10])
    arguments.add_argument("--points", type=int, default=100_000)
    arguments.add_argument("--resolution", type=int, default=256)
    arguments.add_argument("--noisy-presets", nargs="*", default=["default"], help="presets for scans with noise")
    arguments.add_argument("--csv", type=Path, help="write the table here too")
    args = arguments.parse_args()
    surfaces = args.surfaces or [str(p) for p in (SHARED / "armadillo.obj", SHARED / "rocker-arm.obj") if p.exists()]
    peaks = {name: peak(getattr(torch, name)) for name in ("float32", "bfloat16")}
    print(f"{machine()}; fastest matrix products: " + ", ".join(f"{k} {v:.0f} GFLOP/s" for k, v in peaks.items()) + "\n")
    table = Table(*COLUMNS)
    for name in surfaces or ["trefoil", "holed_plate"]:
        for noise in args.noise:
            bench(name, noise, args, table, peaks)
    if args.csv:
        table.write_csv(args.csv)


def bench(name: str, noise: float, args: argparse.Namespace, table: Table, peaks: dict[str, float]) -> None:
    """The rows of one surface at one noise."""
    truth = load_surface(name)
    frame, exact = reference(name)
    cloud = scan(name, Scanner(points=args.points, noise=noise))
    label = Path(name).stem

    def row(method: str, mesh: Surface, baseline: float | None, **more: object) -> float:
        found = compare_surfaces(mesh, exact, 200_000, 0.01, 0)
        values: dict[str, object] = {
            "surface": label,
            "noise %": f"{100 * noise:g}",
            "method": method,
            "chamfer": f"{1e3 * found.chamfer:.3f}",
            "hausdorff95": f"{1e3 * found.hausdorff95:.2f}",
            "nc": f"{found.normal_consistency:.4f}",
            **more,
        }
        if baseline is not None:
            values["vs poisson"] = f"{found.chamfer / baseline:.2f}"
        table.add(*(values.get(c, "") for c in COLUMNS))
        return found.chamfer

    errors = []
    for depth in args.depths:
        start = time.perf_counter()
        assert cloud.normals is not None
        vertices, faces = poisson_surface(frame.to_box(cloud.points), cloud.normals, depth)
        seconds = time.perf_counter() - start
        errors.append(row(f"Poisson, depth {depth}", Surface(vertices, faces), None, **{"fit s": f"{seconds:.1f}"}))
    baseline = min(errors)

    last_fit = 60.0
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "scan.ply"
        write_scan(source, cloud)
        for preset in args.noisy_presets if noise else args.presets:
            out = Path(folder) / preset
            end = ("--set", f"fit.seconds={last_fit}") if preset == "paper" else ()
            fitting, memory = command("fit", source, "--out", out, "--preset", preset, *end)
            meshing, more = command("mesh", out, "--resolution", args.resolution)
            run = Run.open(out)
            stages, config = run.manifest["stages"], stored_config(run, [])[1]
            spent = {s: stages[s]["seconds"] for s in ("ingest", "fit", "mesh")}
            facts = stages["fit"]["facts"]
            last_fit = last_fit if preset == "paper" else facts["seconds"]
            rate = facts["steps"] / facts["seconds"]
            batch, width, layers = config.batch, config.net.width, config.net.hidden_layers
            samples = batch.on_surface + batch.off_surface
            products = 6 * (batch.on_surface + batch.eikonal) + 3 * (batch.off_surface - batch.eikonal)
            gflops = rate * products * layers * 2 * width**2 / 1e9
            written = read_cloud(out / "mesh.ply")
            field = shapesiren.load(out)
            moved = Surface(field.frame.to_box(truth.points), truth.faces)
            judged = field_errors(field, moved, field.arrays["points"], 0)
            off = judged.distance_percent_of_box
            row(
                f"shapesiren {preset}",
                Surface(frame.to_box(written.points), written.faces),
                baseline,
                **{
                    "total s": f"{fitting + meshing:.1f}",
                    "start s": f"{fitting + meshing - sum(spent.values()):.1f}",
                    **{f"{s} s": f"{seconds:.1f}" for s, seconds in spent.items()},
                    "steps": facts["steps"],
                    "steps/s": f"{rate:.0f}",
                    "samples/s": f"{rate * samples:,.0f}",
                    "GFLOP/s": f"{gflops:.0f}",
                    "of peak": f"{gflops / peaks[facts['precision']]:.0%}",
                    "peak MiB": f"{max(memory, more):.0f}",
                    "field %": f"{np.nan if off is None else off:.3f}",
                    "eikonal": f"{judged.eikonal:.3f}",
                    "components": stages["mesh"]["facts"]["verification"]["components"],
                },
            )


if __name__ == "__main__":
    main()
