"""A prior of shapes against fits without one, on sparse and one-sided scans of solids that it has not seen.

    python pipelines/bench/shape_priors.py --quick      # 12 solids, some minutes
    python pipelines/bench/shape_priors.py              # all 99, an hour on two cores

The solids are those of the wheel of ``pybullet`` that training left out (`pipelines/shape_prior.py`). Every method gets the
same points and normals: 500 or 50 points without noise evenly at random, 500 of what one position sees, 100,000. Beside the
prior (``local + prior``: points that it adds, then the local least-squares field) stands the same network from scratch
(``local``), the same for a SIREN that is trained (``siren``, small, of some of the solids), and the better of two depths of
Open3D's Poisson and of PoissonRecon. Errors are measured point to surface, in box units (longest side 1.8) times 1000: the
median over solids of the Chamfer distance, ``of scratch`` the median of its ratio to the same network without the prior;
``nc`` is the median normal consistency, ``one closed`` the share of meshes that are one closed component. Times are wall
times of this machine, which may be shared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import peers
import torch
from common import Table, machine, parser
from numpy.typing import NDArray

import shapesiren
from shapesiren.api import ShapeField
from shapesiren.errors import ShapesirenError
from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.priors.datasets import data_set
from shapesiren.priors.shapes.solids import Solid, is_held, read_solids, sample_solid
from shapesiren.surface.mesh import TriangleMesh

Array = NDArray[np.float64]

CASES = {
    "500 points": ("even", 500),
    "50 points": ("even", 50),
    "one view, 500": ("view", 500),
    "100,000 points": ("even", 100_000),
}
SAMPLES, RESOLUTION = 30_000, 96  # of each side by which distances are measured; of meshes
SIREN: dict[str, Any] = {  # as small and short as 500 points deserve: the default takes five minutes of one core for each
    "net": {"kind": "siren", "width": 96, "hidden_layers": 2},
    "fit": {"steps": 600},
    "ingest": {"guide_samples": 30_000},
}
FAST: dict[str, Any] = {"preset": "fast"}
FROM_SCRATCH = {"local + prior": "local", "siren + prior": "siren"}


class Found(NamedTuple):
    chamfer: float
    consistency: float
    one_closed: bool
    seconds: float


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="every eighth solid, and no 100,000 points")
    arguments.add_argument("--from", dest="source", type=Path, help="the wheel of pybullet")
    arguments.add_argument("--prior", default="builtin")
    arguments.add_argument("--every", type=int, default=1, help="take each so-manieth of the solids")
    arguments.add_argument("--dense-every", type=int, default=10, help="the same for 100,000 points, of those that are taken")
    arguments.add_argument("--siren-every", type=int, default=10, help="the same for SIRENs")
    arguments.add_argument("--cases", nargs="*", default=list(CASES))
    args = arguments.parse_args()
    every = 8 if args.quick else args.every
    archive = data_set("meshes", args.source, print)
    solids = [s for i, s in enumerate(read_solids(archive)) if is_held(i)][::every]
    print(f"{machine()}; {len(solids)} solids, prior {args.prior}\n")
    table = Table("scan", "method", "solids", "chamfer", "of scratch", "nc", "one closed", "seconds")
    for case in args.cases:
        if args.quick and CASES[case][1] > 1000:
            continue
        bench(case, solids, args, table)


def bench(case: str, solids: list[Solid], args: argparse.Namespace, table: Table) -> None:
    """The rows of one kind of scan."""
    kind, count = CASES[case]
    dense = count > 1000
    found: dict[str, dict[str, Found]] = {}
    for i, solid in enumerate(solids):
        if dense and i % args.dense_every:
            continue
        points, normals = scan(solid, kind, count)
        exact = Surface(solid.vertices, solid.faces)
        ways: dict[str, Callable[[], TriangleMesh | Surface]] = {
            "local": lambda p=points, n=normals: fitted(p, n, FAST, None),
            "local + prior": lambda p=points, n=normals: fitted(p, n, FAST, args.prior),
        }
        if not dense and i % args.siren_every == 0:
            ways["siren"] = lambda p=points, n=normals: fitted(p, n, SIREN, None)
            ways["siren + prior"] = lambda p=points, n=normals: fitted(p, n, SIREN, args.prior)
        for name, way in ways.items():
            begun = time.perf_counter()
            try:
                mesh = way()
            except ShapesirenError as e:
                print(f"{solid.name}, {case}, {name}: {e}")
                continue
            found.setdefault(name, {})[solid.name] = judged(mesh, exact, time.perf_counter() - begun)
        depths = [8] if dense else [5, 6]
        settings = [peers.Setting(d, 1.0, 10.0) for d in depths]
        for name, made in (
            ("Open3D Poisson", peers.open3d_poisson(points, normals, depths)),
            ("PoissonRecon", peers.tuned(points, normals, settings)),
        ):
            each = [judged(Surface(p.vertices, p.faces), exact, p.seconds) for p in made]
            if each:
                found.setdefault(name, {})[solid.name] = min(each, key=lambda one: one.chamfer)
    for name, by_solid in found.items():
        scratch = found.get(FROM_SCRATCH.get(name, ""), {})
        ratios = [f.chamfer / scratch[solid].chamfer for solid, f in by_solid.items() if solid in scratch]
        chamfer, consistency, one, seconds = (np.array(column) for column in zip(*by_solid.values(), strict=True))
        table.add(
            *(case, name, len(by_solid), f"{1e3 * np.median(chamfer):.2f}", f"{np.median(ratios):.2f}" if ratios else ""),
            *(f"{np.median(consistency):.3f}", f"{one.mean():.0%}", f"{np.median(seconds):.1f}"),
        )


def scan(solid: Solid, kind: str, count: int) -> tuple[Array, Array]:
    """Points and normals (n, 3) of a solid, the same in every run."""
    seed = int(solid.name) if solid.name.isdigit() else 0
    random = np.random.default_rng(seed)
    if count > 8000:
        some = sample_solid(solid, seed, points=count)
        return some["points"].astype(np.float64), some["normals"].astype(np.float64)
    every = sample_solid(solid, seed)
    pool = np.flatnonzero(every["seen"][0]) if kind == "view" else np.arange(len(every["points"]))
    some = random.choice(pool, min(count, len(pool)), replace=False)
    return every["points"][some].astype(np.float64), every["normals"][some].astype(np.float64)


def fitted(points: Array, normals: Array, settings: dict[str, Any], prior: str | None) -> TriangleMesh:
    field = shapesiren.fit(points, normals=normals, settings=settings, prior=prior, device="cpu")
    assert isinstance(field, ShapeField)
    return field.mesh(RESOLUTION, trim="off")


def judged(mesh: TriangleMesh | Surface, exact: Surface, seconds: float) -> Found:
    """A mesh beside the solid that was scanned; both are in the box."""
    faces = mesh.faces
    assert faces is not None
    distances = compare_surfaces(Surface(mesh.vertices, faces), exact, SAMPLES, 0.01, 0)
    whole = TriangleMesh(mesh.vertices, faces, np.zeros(mesh.vertices.shape, np.float32))
    edges = np.unique(whole.edge_keys(), return_counts=True)[1]
    closed = bool((edges == 2).all()) and whole.face_components()[0] == 1
    return Found(distances.chamfer, distances.normal_consistency or 0.0, closed, seconds)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
