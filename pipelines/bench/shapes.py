"""Ours against screened Poisson and the paper's recipe, on virtual scans, in one run.

    python pipelines/bench/shapes.py --quick  # below ten minutes: armadillo, clean and with noise of .25 %, fast and default
    python pipelines/bench/shapes.py          # about an hour; the meshes of ../shared, or analytic shapes
    python pipelines/bench/shapes.py mesh.obj trefoil --noise 0 0.0025 0.005 --presets fast default --points 100000

Each surface is scanned by the virtual scanner; every method gets the same points and normals. Errors are measured
point to surface between the result and the surface that was scanned, in box units (longest side 1.8) times 1000;
``nc`` is normal consistency, ``field`` the mean error of the signed distance over the box, in percent of its half
side. ``vs best`` divides by the Chamfer distance of PoissonRecon 18.74 at the best of some settings (of all 80 with
``--every-setting``, minutes for each scan), tuned by hand as it were; its row has the time of that one alone. Open3D's
Poisson, at its best depth of --depths, stands beside it.

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
from pathlib import Path

import numpy as np
import peers
import torch
from common import Table, command, machine, meshes, parser, peak, reference

import shapesiren
from shapesiren.metrics.shape import field_errors
from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.scanner import Scanner, load_surface, scan, write_scan
from shapesiren.stages.stage import stored_config
from shapesiren.stages.store import Run

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
    "vs best",
    "components",
)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("surfaces", nargs="*", help="mesh files or analytic shapes")
    arguments.add_argument("--noise", nargs="*", type=float, default=[0.0, 0.0025, 0.005], help="share of the longest side")
    arguments.add_argument("--presets", nargs="*", default=["fast", "default", "fine"])
    arguments.add_argument("--depths", nargs="*", type=int, default=[7, 8, 10])
    arguments.add_argument("--points", type=int, default=100_000)
    arguments.add_argument("--resolution", type=int, default=512)
    arguments.add_argument("--noisy-presets", nargs="*", default=["fast", "default"], help="presets for scans with noise")
    arguments.add_argument("--csv", type=Path, help="write the table here too")
    arguments.add_argument("--quick", action="store_true", help="one surface, less noise, no slow preset")
    arguments.add_argument("--every-setting", action="store_true", help="of PoissonRecon")
    args = arguments.parse_args()
    surfaces = args.surfaces or meshes()[: 1 if args.quick else None]
    if args.quick:
        args.noise, args.presets = [0.0, 0.0025], ["fast", "default"]
    peers.poissonrecon()  # that it is missing is said at once
    peaks = {name: peak(getattr(torch, name)) for name in ("float32", "bfloat16")}
    print(f"{machine()}; fastest matrix products: " + ", ".join(f"{k} {v:.0f} GFLOP/s" for k, v in peaks.items()) + "\n")
    table = Table(*COLUMNS)
    for name in surfaces:
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
            values["vs best"] = f"{found.chamfer / baseline:.2f}"
        table.add(*(values.get(c, "") for c in COLUMNS))
        return found.chamfer

    def error(peer: peers.Peer) -> float:
        return compare_surfaces(Surface(peer.vertices, peer.faces), exact, 200_000, 0.01, 0).chamfer

    assert cloud.normals is not None
    points, normals = frame.to_box(cloud.points), cloud.normals
    settings = peers.EVERY if args.every_setting else peers.NOISY if noise else peers.CLEAN
    for made in (peers.open3d_poisson(points, normals, args.depths), peers.tuned(points, normals, settings)):
        peer, baseline = peers.best(made, error)
        row(peer.name, Surface(peer.vertices, peer.faces), None, **{"fit s": f"{peer.seconds:.1f}"})

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
                    **(
                        {"steps": "solved"}
                        if facts.get("cells")
                        else {
                            "steps": facts["steps"],
                            "steps/s": f"{rate:.0f}",
                            "samples/s": f"{rate * samples:,.0f}",
                            "GFLOP/s": f"{gflops:.0f}",
                            "of peak": f"{gflops / peaks[facts['precision']]:.0%}",
                        }
                    ),
                    "peak MiB": f"{max(memory, more):.0f}",
                    "field %": f"{np.nan if off is None else off:.3f}",
                    "eikonal": f"{judged.eikonal:.3f}",
                    "components": stages["mesh"]["facts"]["verification"]["components"],
                },
            )


if __name__ == "__main__":
    main()
