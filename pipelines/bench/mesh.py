"""Cost of the mesh by resolution.

    python pipelines/bench/mesh.py RUN --resolutions 128 256 512 1024 2048
    python pipelines/bench/mesh.py RUN --twin 256

RUN is a fitted run folder. Every resolution runs in a process of its own, so that its peak memory is its own; ``base
MiB`` is that process before it starts. ``evaluations`` counts f on the grid, the descent included, and ``per corner``
divides it by the number of corners of the cells that the surface crosses, the least that any method must know;
``refinements`` counts f and its gradient at vertices. ``mesh s`` is the whole stage: band, marching cubes, refinement,
verification, distances of the input points; ``file s`` writes the PLY.

``--twin N`` instead compares the band's mesh at N with that of the dense grid, every corner of which is evaluated in float32:
both have the same faces and, up to 256 cells, where the band is in float32 as well, the same vertices, but for surfaces that
the descent did not find.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import Table, parser
from scipy.spatial import cKDTree

from shapesiren.surface.cell_tables import LEAF
from shapesiren.surface.grid import Band

COLUMNS = (
    "resolution",
    "mesh s",
    "file s",
    "vertices",
    "evaluations",
    "per corner",
    "refinements",
    "base MiB",
    "peak MiB",
    "watertight",
)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("run", type=Path)
    arguments.add_argument("--resolutions", nargs="*", type=int, default=[128, 256, 512, 1024])
    arguments.add_argument("--twin", type=int, help="compare with the dense grid at this resolution")
    arguments.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = arguments.parse_args()
    if args.twin:
        twin(args.run, args.twin)
        return
    if args.one:
        print(json.dumps(measure(args.run, args.one)))
        return
    table = Table(*COLUMNS)
    for resolution in args.resolutions:
        command = [sys.executable, __file__, str(args.run), "--one", str(resolution)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        table.add(*json.loads(done.stdout.splitlines()[-1]))


def measure(run: Path, resolution: int) -> list[str]:
    """The row of one resolution, by column; in a process that has done nothing else."""
    import shapesiren
    from shapesiren.surface.band_precision import precision_of
    from shapesiren.surface.extract import extract
    from shapesiren.surface.io import write_mesh
    from shapesiren.surface.level_set import band_of
    from shapesiren.surface.settings import MeshSettings

    field = shapesiren.load(run)
    field.box_values(np.zeros((1, 3)))
    base = peak()
    start = time.perf_counter()
    mesh, facts = extract(field, field.arrays, MeshSettings(resolution=resolution))
    seconds = time.perf_counter() - start
    most = peak()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_mesh(Path(folder) / "mesh.ply", mesh, field.frame, resolution)
    written = time.perf_counter() - start
    v, evaluations, refinements = facts.verification, facts.evaluations, facts.refinements
    del mesh, facts
    band = band_of(field, resolution, 0.05, precision_of(field, resolution, "auto"))
    return [
        str(resolution),
        f"{seconds:.1f}",
        f"{written:.1f}",
        f"{v.vertices:,}",
        f"{evaluations:,}",
        f"{evaluations / surface_corners(band):.2f}",
        f"{refinements:,}",
        f"{base:.0f}",
        f"{most:.0f}",
        str(v.watertight),
    ]


def twin(run: Path, resolution: int) -> None:
    """Prints how the mesh of the narrow band differs from that of the whole grid, evaluated in float32 everywhere."""
    import shapesiren
    from shapesiren.surface.band_precision import precision_of
    from shapesiren.surface.level_set import band_of
    from shapesiren.surface.marching_cubes import dense_marching_cubes, sparse_marching_cubes
    from shapesiren.surface.mesh import TriangleMesh
    from shapesiren.surface.refine import newton_refine
    from shapesiren.surface.verify import verify

    field = shapesiren.load(run)
    start = time.perf_counter()
    band = band_of(field, resolution, 0.05, precision_of(field, resolution, "auto"))
    sparse = sparse_marching_cubes(band)
    middle = time.perf_counter()
    dense = dense_marching_cubes(field.box_values, band.grid)
    seconds = {"band": middle - start, "dense": time.perf_counter() - middle}
    step, refined = band.grid.step, []
    for name, (v, f) in {"band": sparse, "dense": dense}.items():
        v = newton_refine(field.box_values_and_gradients, band.grid.positions(v), step)[0]
        refined.append(v)
        found = verify(TriangleMesh(v, f, np.zeros(v.shape, np.float32)))
        print(
            f"{name:6}{seconds[name]:7.1f} s {len(v):9,} vertices {len(f):9,} faces  watertight {found.watertight}, "
            f"components {found.components}, genus {found.genus}"
        )
    distance, nearest = cKDTree(refined[1]).query(refined[0])
    same = len(np.unique(nearest)) == len(sparse[0]) == len(dense[0])
    before = np.linalg.norm(sparse[0] - dense[0][nearest], axis=1).max()
    apart = f"{before:.1e} cells at most, refined {distance.max() / step:.1e}" if same else "not one to one"
    value, slope = field.box_values_and_gradients(refined[0])
    off = (np.abs(value) / np.linalg.norm(slope, axis=1)).max() / step
    print(
        f"vertices apart: {apart}; faces the same: {same and as_set(nearest[sparse[1]]) == as_set(dense[1])}; "
        f"of the band's off the level set: {off:.1e} cells at most"
    )


def as_set(faces: np.ndarray) -> set[tuple[int, ...]]:
    """Faces, each from its least vertex on."""
    turned = faces[np.arange(len(faces))[:, None], (faces.argmin(1)[:, None] + np.arange(3)) % 3]
    return set(map(tuple, turned.tolist()))


def surface_corners(band: Band) -> int:
    """Corners of the cells that the level set crosses."""
    inner = np.stack(np.meshgrid(*[np.arange(LEAF)] * 3, indexing="ij"), -1).reshape(-1, 3)
    stride = np.array(band.grid.cells, np.int64) + 1
    keys: list[np.ndarray] = []
    for start in range(0, len(band.leaves), 1 << 17):
        leaves = band.leaves[start : start + (1 << 17)]
        negative = band.corner_values(leaves) < 0
        for o in inner:
            cell = negative[:, o[0] : o[0] + 2, o[1] : o[1] + 2, o[2] : o[2] + 2].reshape(len(leaves), 8)
            crossed = leaves[cell.any(1) & ~cell.all(1)] * LEAF + o
            for corner in np.ndindex(2, 2, 2):
                at = crossed + corner
                keys.append((at[:, 0] * stride[1] + at[:, 1]) * stride[2] + at[:, 2])
        keys = [np.unique(np.concatenate(keys))]
    return len(keys[0])


def peak() -> float:
    """MiB of resident memory at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
