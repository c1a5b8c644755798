"""Gaussian splats as scans: ours beside PoissonRecon 18.74 on their centres.

    python pipelines/bench/splats.py                        # below ten minutes; the meshes of ../shared, or analytic shapes
    python pipelines/bench/splats.py trefoil --splats 50000

The splats are made of a known surface, as those of trained scenes are on what cameras saw well: flat, their shortest axes 8
degrees (standard deviation of each angle) off the normals, as thick as their centres are off the surface, which differs from
splat to splat (median .2 % of the longest side, a factor of 2 either way); a sixth as many faint ones in a haze round the
surface, and 2 % of opaque floaters, large ones and needles among them. PoissonRecon gets the centres of all, and those of the
opaque alone, with normals as a user of open3d would estimate them; its best setting against the truth counts, of both. ``same
normals`` is what it makes of our cleaned centres with our normals. Chamfer distance x 1000, longest side 1.8.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import peers
from common import LONGEST_SIDE, Table, meshes, parser, reference
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import shapesiren
from shapesiren.metrics.surface_distance import Surface, compare_surfaces
from shapesiren.pointcloud.prepare import prepare
from shapesiren.pointcloud.settings import IngestSettings
from shapesiren.pointcloud.synthetic.scanner import Scanner, scan

Array = NDArray[np.float64]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("surfaces", nargs="*", help="mesh files or analytic shapes")
    arguments.add_argument("--splats", type=int, default=100_000)
    arguments.add_argument("--preset", default="fast")
    args = arguments.parse_args()
    peers.poissonrecon()  # that it is missing is said at once
    table = Table("surface", "ours", "Poisson, all centres", "Poisson, opaque", "ratio", "Poisson, same normals", "components")
    for name in args.surfaces or meshes():
        bench(name, args.splats, args.preset, table)


def bench(name: str, count: int, preset: str, table: Table) -> None:
    """The row of one surface."""
    frame, exact = reference(name)

    def error(peer: peers.Peer) -> float:
        return 1000 * compare_surfaces(Surface(peer.vertices, peer.faces), exact, 200_000, 0.01, 0).chamfer

    def poisson(points: Array, normals: Array) -> float:
        return peers.best(peers.tuned(points, normals, peers.SOME_NOISY), error)[1]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "splats.ply"
        centres, opaque = write_splats(path, name, count)
        mesh = shapesiren.fit(path, preset=preset).mesh()
        ours = error(peers.Peer("", frame.to_box(mesh.vertices), mesh.faces, 0.0))
        made = prepare(path, IngestSettings(), 0, lambda _: None)
    boxed = frame.to_box(centres)
    every, some = (poisson(points, peers.usual_normals(points)) for points in (boxed, boxed[opaque]))
    same = poisson(frame.to_box(made.cloud.points), made.normals)
    ratio = ours / min(every, some)
    components = mesh.facts.verification.components
    table.add(Path(name).stem, *(f"{x:.3f}" for x in (ours, every, some)), f"{ratio:.2f}", f"{same:.3f}", components)


def write_splats(path: Path, name: str, count: int) -> tuple[Array, NDArray[np.bool_]]:
    """A PLY as the trainers of splats write it. -> the centres (n, 3) of all splats, which of them are opaque (n,)"""
    rng = np.random.default_rng(0)
    hazy, floating = count // 6, count // 50
    cloud = scan(name, Scanner(points=count + hazy))
    assert cloud.normals is not None
    side = float(np.ptp(cloud.points, 0).max())
    low, high = cloud.points.min(0), cloud.points.max(0)
    thickness = 0.002 * side * np.exp(np.log(2) * rng.normal(size=count + hazy))
    thickness[count:] *= 5
    points = cloud.points + cloud.normals * (thickness * rng.normal(size=len(thickness)))[:, None]
    points = np.concatenate([points, rng.uniform(low - 0.1 * side, high + 0.1 * side, (floating, 3))])
    tilt = Rotation.from_rotvec(np.radians(8) * rng.normal(size=(len(cloud.normals), 3)))
    normals = np.concatenate([tilt.apply(cloud.normals), rng.normal(size=(floating, 3))])
    spacing = side / LONGEST_SIDE * np.sqrt(5 / count)
    wide = spacing * np.exp(0.5 * rng.normal(size=(len(points), 2)))
    wide[-floating:] *= rng.choice([1, 5, 30], (floating, 2))
    scales = np.column_stack([wide, np.minimum(np.concatenate([thickness, wide[-floating:].min(1)]), wide.min(1))])
    opacity = np.full(len(points), 3.0) + rng.normal(size=len(points))
    opacity[count : count + hazy] = -2 + rng.normal(size=hazy) / 2
    x, y, z, w = from_z(normals / np.linalg.norm(normals, axis=1, keepdims=True), rng).as_quat().T
    names = ["x", "y", "z", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    rows = np.column_stack([points, opacity, np.log(scales), w, x, y, z]).astype("<f4")
    head = "".join(f"property float {n}\n" for n in names)
    path.write_bytes(
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(rows)}\n{head}end_header\n".encode() + rows.tobytes()
    )
    return points, opacity > 0


def from_z(normals: Array, rng: np.random.Generator) -> Rotation:
    """Rotations that turn z to unit ``normals`` (n, 3), and about them by any angle."""
    first = np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    axes = np.stack([first, np.cross(normals, first), normals], 2)
    about = Rotation.from_rotvec(rng.uniform(0, 2 * np.pi, (len(normals), 1)) * [[0, 0, 1.0]])
    return Rotation.from_matrix(axes) * about


if __name__ == "__main__":
    main()
