"""Large runs beside PoissonRecon: time, memory, disk and error by the number of points.

    python pipelines/bench/large.py --points 1e6 3e6 10e6 --poisson --out runs/large

Points are drawn at random on a torus with bumps, in metres far from the origin, and written as LAZ block by block. Errors are
distances of fresh points of the surface from the mesh. PoissonRecon is given the exact normals, which the run has to find.
Seconds of processors are told beside those of the clock, for machines that do other things meanwhile. ``--kills 20`` kills a
run of the first size so many times at random moments and compares its cells with those of one that was left alone.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIZE, CENTRE = 500.0, np.array([500_000.0, 4_000_000.0, 100.0])
BLOCK = 1 << 20
CHECKED = 200_000  # fresh points that errors are measured at


def surface(count: int, seed: int) -> tuple[Array, Array]:
    """Random points (n, 3) on the torus, evenly but for its bumps, and unit normals (n, 3)."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(0, 2 * np.pi, (2, 2 * count))
    kept = np.flatnonzero(rng.uniform(size=2 * count) < (1 + 0.4 * np.cos(v)) / 1.4)[:count]
    while len(kept) < count:
        more = surface(count - len(kept), seed + 7919)
        first = surface_at(u[kept], v[kept])
        return np.concatenate([first[0], more[0]]), np.concatenate([first[1], more[1]])
    return surface_at(u[kept], v[kept])


def surface_at(u: Array, v: Array) -> tuple[Array, Array]:
    def place(u: Array, v: Array) -> Array:
        r = 0.4 * (1 + 0.06 * np.sin(9 * u) * np.sin(5 * v) + 0.004 * np.sin(80 * u + 3) * np.sin(46 * v))
        ring = 1 + r * np.cos(v)
        return np.stack([ring * np.cos(u), ring * np.sin(u), r * np.sin(v)], 1)

    h = 1e-5
    along, across = place(u + h, v) - place(u - h, v), place(u, v + h) - place(u, v - h)
    normal = np.cross(along, across)
    return SIZE * place(u, v) + CENTRE, normal / np.linalg.norm(normal, axis=1, keepdims=True)


def write_laz(path: Path, count: int) -> None:
    import laspy

    header = laspy.LasHeader(point_format=6, version="1.4")
    header.offsets, header.scales = np.floor(CENTRE), np.full(3, 1e-4)
    with laspy.open(path, "w", header=header) as file:
        for block, start in enumerate(range(0, count, BLOCK)):
            points, _ = surface(min(BLOCK, count - start), 1000 + block)
            record = laspy.ScaleAwarePointRecord.zeros(len(points), header=header)
            record.x, record.y, record.z = points.T
            file.write_points(record)


def measured(command: list[str]) -> dict[str, Any]:
    """A command run to its end: seconds of the clock and of processors, GiB at most."""
    code = (
        "import resource, subprocess, sys, time, json; t = time.time(); r = subprocess.call(sys.argv[1:], stdout=sys.stderr);"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([time.time() - t, u.ru_utime + u.ru_stime, u.ru_maxrss / 2**20, r]))"
    )
    out = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    clock, cpu, memory, failed = json.loads(out.stdout.splitlines()[-1])
    if failed:
        raise SystemExit(out.stderr[-3000:])
    return {"clock": clock, "cpu": cpu, "memory": memory}


def bytes_in(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def error_of(mesh: Path | tuple[Array, NDArray[np.int64]]) -> dict[str, float]:
    """Distances of fresh points from a mesh, metres."""
    from shapesiren.surface.io import read_mesh
    from shapesiren.surface.verify import point_distances

    vertices, faces = mesh if isinstance(mesh, tuple) else (lambda m: (m.vertices, m.faces))(read_mesh(mesh))
    points, _ = surface(CHECKED, 1)
    scale = 1 / (2 * SIZE)
    d = point_distances((vertices - CENTRE) * scale, faces, (points - CENTRE) * scale) / scale
    return {"mean": float(d.mean()), "p99": float(np.quantile(d, 0.99)), "max": float(d.max())}


def ours(laz: Path, run: Path, more: list[str], workers: int) -> dict[str, Any]:
    shutil.rmtree(run, ignore_errors=True)
    program, by = [sys.executable, "-m", "shapesiren"], ["--workers", str(workers)]
    fit = measured([*program, "fit", str(laz), "--large", "true", "--preset", "fast", "--out", str(run), *by, *more])
    mesh = measured([*program, "mesh", str(run), *by])
    facts = json.loads((run / "run.json").read_text())["stages"]
    checked = facts["mesh"]["facts"]["verification"]
    return {
        "points": facts["ingest"]["facts"]["points"],
        "tiles": facts["ingest"]["facts"]["tiles"],
        "fit": fit,
        "mesh": mesh,
        "memory": max(fit["memory"], mesh["memory"]),
        "disk_per_point": bytes_in(run) / facts["ingest"]["facts"]["points"],
        "input_per_point": laz.stat().st_size / facts["ingest"]["facts"]["points"],
        "spacing": facts["ingest"]["facts"]["spacing"],
        "vertices": checked["vertices"],
        "boundary_edges": checked["boundary_edges"],
        "watertight": checked["watertight"],
        "error": error_of(run / "mesh.ply"),
    }


POISSON = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
import large
from poisson import poisson_reconstruction
count, depth = int(sys.argv[2]), int(sys.argv[3])
blocks = [large.surface(min(large.BLOCK, count - s), 1000 + b) for b, s in enumerate(range(0, count, large.BLOCK))]
points, normals = (np.concatenate(part) for part in zip(*blocks))
del blocks
vertices, faces = poisson_reconstruction((points - large.CENTRE) / large.SIZE, normals, depth=depth)[:2]
np.savez(sys.argv[4], vertices=vertices * large.SIZE + large.CENTRE, faces=faces)
"""


def poisson(count: int, depth: int, folder: Path) -> dict[str, Any]:
    made = folder / "poisson.npz"
    spent = measured([sys.executable, "-c", POISSON, str(Path(__file__).parent), str(count), str(depth), str(made)])
    with np.load(made) as file:
        mesh = np.asarray(file["vertices"], np.float64), np.asarray(file["faces"], np.int64)
    made.unlink()
    return {"depth": depth, **spent, "vertices": len(mesh[0]), "error": error_of(mesh)}


def killed(laz: Path, folder: Path, times: int, more: list[str]) -> dict[str, Any]:
    """Tiles of a run that was killed so often, beside those of one that was not."""
    from safetensors.numpy import load_file

    program = [sys.executable, "-m", "shapesiren", "fit", str(laz), "--large", "true", "--preset", "fast", *more, "--out"]
    quiet, broken = folder / "quiet", folder / "broken"
    for run in (quiet, broken):
        shutil.rmtree(run, ignore_errors=True)
    begun = time.time()
    subprocess.run([*program, str(quiet)], check=True, capture_output=True)
    whole, rng, done = time.time() - begun, random.Random(0), 0
    for _ in range(times):
        child = subprocess.Popen([*program, str(broken)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(rng.uniform(0.05, 0.6) * whole)
            break
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            done += 1
    subprocess.run([*program, str(broken)], check=True, capture_output=True)
    names = sorted(p.name for p in (quiet / "tiles").glob("*.field.safetensors"))
    same = 0
    for name in names:
        a, b = load_file(quiet / "tiles" / name), load_file(broken / "tiles" / name)
        same += all(np.array_equal(a[k], b[k]) for k in a)
    return {"kills": done, "tiles": len(names), "equal": same}


def main() -> None:
    parse = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parse.add_argument("--points", nargs="+", type=float, default=[1e6])
    parse.add_argument("--poisson", action="store_true")
    parse.add_argument("--depth", type=int, help="of PoissonRecon's octree; by the number of points if not given")
    parse.add_argument("--workers", type=int, default=1, help="processes that solve tiles")
    parse.add_argument("--kills", type=int, default=0)
    parse.add_argument("--out", type=Path, default=Path("runs/large"))
    parse.add_argument("--fit", nargs="*", default=[], help="settings of the fit: local.units=192")
    args = parse.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    more = [word for setting in args.fit for word in ("--set", setting)]
    for count in map(int, args.points):
        laz = args.out / f"{count}.laz"
        if not laz.exists():
            write_laz(laz, count)
        print(json.dumps({"ours": count, **ours(laz, args.out / f"run-{count}", more, args.workers)}), flush=True)
        if args.poisson:
            depth = args.depth or round(np.log2(count) / 2)
            print(json.dumps({"poisson": count, **poisson(count, depth, args.out)}), flush=True)
    if args.kills:
        print(json.dumps(killed(args.out / f"{int(args.points[0])}.laz", args.out, args.kills, more)), flush=True)
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB", file=sys.stderr)


if __name__ == "__main__":
    main()
