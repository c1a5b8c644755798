"""Error against wall time, from the command to the mesh file: a step count means nothing to a user.

    python pipelines/bench/curves.py armadillo.obj --seconds 5 10 20 40 80 --out curves      # curves.csv, curves.png

Takes the sum of the seconds for each preset, and some for Poisson.
Each point of ours and of preset ``paper`` is a whole `shapesiren fit` and `shapesiren mesh` whose schedule was told its
time (the learning rate falls to its end by then), not a fit that was interrupted; `fast` is solved, whatever it is told. Each
point of Poisson is one setting of it.
The picture needs matplotlib (`pip install matplotlib`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import peers
from common import command, parser, reference, write_csv

from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.io.read import read_cloud
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan, write_scan


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("surface", help="mesh file or analytic shape")
    arguments.add_argument("--seconds", nargs="*", type=float, default=[5, 10, 20, 40, 80], help="of fitting")
    arguments.add_argument("--noise", type=float, default=0.0, help="share of the longest side")
    arguments.add_argument("--points", type=int, default=100_000)
    arguments.add_argument("--presets", nargs="*", default=["default", "paper"])
    arguments.add_argument("--out", type=Path, default=Path("curves"))
    args = arguments.parse_args()
    frame, exact = reference(args.surface)
    cloud = scan(args.surface, Scanner(points=args.points, noise=args.noise))
    assert cloud.normals is not None
    rows: list[tuple[str, float, float]] = []

    def add(method: str, seconds: float, mesh: Surface) -> None:
        rows.append((method, seconds, 1e3 * compare_surfaces(mesh, exact, 200_000, 0.01, 0).chamfer))
        print(f"{method}: {seconds:.1f} s, chamfer {rows[-1][2]:.3f}", flush=True)

    points = frame.to_box(cloud.points)
    for peer in peers.tuned(points, cloud.normals, peers.NOISY if args.noise else peers.CLEAN):
        add("PoissonRecon 18.74", peer.seconds, Surface(peer.vertices, peer.faces))
    for peer in peers.open3d_poisson(points, cloud.normals, [6, 7, 8, 9, 10]):
        add("Poisson (Open3D), depths 6 to 10", peer.seconds, Surface(peer.vertices, peer.faces))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "scan.ply"
        write_scan(source, cloud)
        for preset in args.presets:
            for seconds in args.seconds:
                out = Path(folder) / f"{preset}-{seconds:g}"
                spent = command("fit", source, "--out", out, "--preset", preset, "--set", f"fit.seconds={seconds}")[0]
                spent += command("mesh", out)[0]
                written = read_cloud(out / "mesh.ply")
                add(f"shapesiren {preset}", spent, Surface(frame.to_box(written.points), written.faces))

    cells = [(m, f"{s:.2f}", f"{c:.4f}") for m, s, c in rows]
    write_csv(args.out.with_suffix(".csv"), ("method", "seconds", "chamfer x 1000, box units"), cells)
    draw(rows, Path(args.surface).stem, args.noise, args.out.with_suffix(".png"))


def draw(rows: list[tuple[str, float, float]], name: str, noise: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.ticker import ScalarFormatter

    figure, axes = pyplot.subplots(figsize=(7, 4.2), constrained_layout=True)
    for method in dict.fromkeys(r[0] for r in rows):
        points = np.array([(s, c) for m, s, c in rows if m == method])
        axes.plot(*points.T, marker="o", label=method)
    axes.set(xscale="log", xlabel="seconds, from the command to the mesh")
    axes.set(yscale="log", ylabel="Chamfer distance x 1000, box units")
    axes.set_title(f"{name}, " + (f"noise {100 * noise:g} %" if noise else "no noise"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
    axes.grid(which="both", alpha=0.25)
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
