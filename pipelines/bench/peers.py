"""The reconstructions that ours are compared with: oriented points in the box -> vertices, faces, seconds.

`PoissonRecon 18.74` (Kazhdan and Hoppe 2013; github.com/mkazhdan/PoissonRecon) comes as a wheel:

    pip install 'shapesiren[bench]'

It is tuned by hand as it were, against the truth, which no user has: the best of many settings counts, and the time of that
one alone. Open3D has an older version of it, whose surface is farther off on clean points.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

if TYPE_CHECKING:  # what a peer does not need is not imported: `peer.py` is a command whose time and memory count
    from shapesiren.field import Field
    from shapesiren.similarity import Similarity

Array = NDArray[np.float64]
Faces = NDArray[np.int64]


class Peer(NamedTuple):
    """A surface, how it was made, and how long that took."""

    name: str
    vertices: Array
    faces: Faces
    seconds: float


class Setting(NamedTuple):
    """Of PoissonRecon: depth of the octree, least samples of a node, weight of the points."""

    depth: int
    samples: float
    weight: float


# Those that were best on one of the meshes of ../shared at some noise, and their neighbours. (7, 1.5, 0) is for fewer points:
# spot at noise .25 %, Chamfer of it / of the best of the others: 20,000 points 1.004 / 1.105, 100,000 points .710 / .617.
CLEAN = [Setting(*s) for s in ((10, 1, 10), (10, 1.5, 40), (10, 1.5, 10), (9, 1.5, 10), (9, 1.5, 4), (8, 1.5, 4))]
NOISY = [Setting(*s) for s in ((8, 5, 1), (8, 15, 4), (8, 15, 1), (7, 5, 4), (7, 1.5, 4), (7, 15, 4), (7, 1.5, 0))]
# a few for each kind of damaged scan: it is made of them twice, with two kinds of normals
SOME_CLEAN = [Setting(*s) for s in ((9, 1.5, 10), (8, 1.5, 4), (7, 1.5, 4))]
SOME_NOISY = [Setting(*s) for s in ((8, 5, 1), (8, 15, 4), (7, 5, 4), (7, 1.5, 4))]
EVERY = [Setting(d, s, w) for d in (7, 8, 9, 10) for s in (1.0, 1.5, 5.0, 15.0) for w in (0.0, 1.0, 4.0, 10.0, 40.0)]


def poissonrecon() -> Callable[..., tuple[Array, Faces]]:
    """`poisson_reconstruction` of the wheel; where it is not installed the program ends with a line and status 2."""
    try:
        from poisson import poisson_reconstruction
    except ImportError:
        print("error: PoissonRecon is not installed; pip install 'shapesiren[bench]'", file=sys.stderr)
        raise SystemExit(2) from None
    return poisson_reconstruction


def tuned(points: Array, normals: Array, settings: list[Setting]) -> Iterator[Peer]:
    """A surface for each of the settings; what cannot be made by one of them is left out."""
    reconstruct = poissonrecon()
    for s in settings:
        begun = time.perf_counter()
        try:
            vertices, faces = reconstruct(points, normals, depth=s.depth, samples_per_node=s.samples, point_weight=s.weight)
        except RuntimeError:
            continue
        if len(faces):
            name = f"PoissonRecon 18.74, depth {s.depth}, {s.samples:g} a node, weight {s.weight:g}"
            yield Peer(name, np.asarray(vertices, np.float64), np.asarray(faces, np.int64), time.perf_counter() - begun)


def usual_normals(points: Array) -> Array:
    """What a user of open3d would do: 20 neighbours, consistent orientation; over 20,000 points, so that it ends."""
    from shapesiren.pointcloud.normals.estimate import plane_normals
    from shapesiren.runtime.open3d_loader import open3d

    normals = plane_normals(points, 20)
    rng = np.random.default_rng(0)
    some = rng.choice(len(points), min(len(points), 20_000), replace=False)
    o3d = open3d()
    part = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points[some] + 1e-6 * rng.normal(size=(len(some), 3))))
    part.normals = o3d.utility.Vector3dVector(normals[some])
    part.orient_normals_consistent_tangent_plane(20)
    oriented = np.asarray(part.normals)
    side = (normals * oriented[cKDTree(points[some]).query(points)[1]]).sum(1)
    normals = np.where(side[:, None] < 0, -normals, normals)
    outward = ((points - points.mean(0)) * normals).sum()
    return np.asarray(-normals if outward < 0 else normals, np.float64)


def iterated_normals(points: Array, depth: int = 7, neighbours: int = 10, rounds: int = 30) -> Array:
    """Normals (n, 3) of bare points by the iteration of Hou, Wang, Wang, Qin, Qian and He, "Iterative Poisson surface
    reconstruction (iPSR) for unoriented points", 2022: any normals at first; then those of the surface that they make, each
    face's given to its nearest points, weighed by area; until the thousandth of them that turn most turn by less than .175.

    The paper takes depth 10 and the samples of the octree's nodes. Depth 7 smooths noise, which it was measured beside: on a
    mesh of 100,000 points with noise of .25 % depth 8 found .9997 of the sides in four times the seconds, and 7 .9989.
    """
    reconstruct, tree = poissonrecon(), cKDTree(points)
    normals = np.random.default_rng(0).normal(size=points.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    for _ in range(rounds):
        vertices, faces = reconstruct(points, normals, depth=depth, point_weight=10)
        corners = np.asarray(vertices, np.float64)[faces]
        areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        nearest = tree.query(corners.mean(1), neighbours)[1]
        sums = np.stack(
            [np.bincount(nearest.ravel(), np.repeat(areas[:, i], neighbours), len(points)) for i in range(3)], axis=1
        )
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        turned = np.where(lengths > 0, sums / np.maximum(lengths, 1e-300), normals)
        most = np.sort(np.linalg.norm(turned - normals, axis=1))[-max(1, len(points) // 1000) :]
        normals = turned
        if most.mean() < 0.175:
            break
    return normals


def open3d_poisson(points: Array, normals: Array, depths: list[int]) -> Iterator[Peer]:
    """Open3D's, at each depth."""
    from shapesiren.runtime.open3d_loader import open3d
    from shapesiren.runtime.threads import cores

    for depth in depths:
        begun = time.perf_counter()
        o3d = open3d()
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
        cloud.normals = o3d.utility.Vector3dVector(normals)
        mesh, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=depth, n_threads=cores())
        vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.triangles, np.int64)
        yield Peer(f"Open3D Poisson, depth {depth}", vertices, faces, time.perf_counter() - begun)


def trimmed(peer: Peer, frame: Similarity, scan: Field, arrays: Mapping[str, NDArray[Any]]) -> Peer | None:
    """Its surface, in the box of ``frame``, where there are points, as ours is trimmed; None if nothing is left.

    scan, arrays : our field of the same points, and what it was fitted to
    """
    from shapesiren.pointcloud.header import CloudHeader
    from shapesiren.runtime.kdtree import KDTree
    from shapesiren.surface.mesh import TriangleMesh
    from shapesiren.surface.support import Support
    from shapesiren.surface.trim import cut, trim

    vertices = scan.frame.to_box(frame.to_user(peer.vertices))
    corners = vertices[peer.faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack([np.bincount(peer.faces.ravel(), np.repeat(areas[:, i], 3), len(vertices)) for i in range(3)], 1)
    mesh = TriangleMesh(vertices, peer.faces, normals.astype(np.float32))
    support = Support(KDTree(arrays["points"].astype(np.float64)), CloudHeader.of(scan.header))
    keep, level, _ = trim(mesh, support)
    if not keep.any():
        return None
    mesh = cut(mesh, keep, level)
    return peer._replace(vertices=frame.to_box(scan.frame.to_user(mesh.vertices)), faces=mesh.faces)


def best(peers: Iterator[Peer], error: Callable[[Peer], float]) -> tuple[Peer, float]:
    """The peer of least error, and that."""
    least, chosen = np.inf, None
    for peer in peers:
        found = error(peer)
        if found < least:
            least, chosen = found, peer
    if chosen is None:
        raise SystemExit("error: no setting of the peer makes a surface of these points")
    return chosen, float(least)
