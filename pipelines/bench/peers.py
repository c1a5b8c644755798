"""The reconstructions that ours are compared with: oriented points in the box -> vertices, faces, seconds.

`PoissonRecon 18.74` (Kazhdan and Hoppe 2013; github.com/mkazhdan/PoissonRecon) comes as a wheel:

    pip install 'shapesiren[bench]'

It is tuned by hand as it were, against the truth, which no user has: the best of many settings counts, and the time of that
one alone. Open3D has an older version of it, whose surface is farther off on clean points.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shapesiren.pointcloud.guide.samples import poisson_surface

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


# Those that were best on one of the meshes of ../shared at some noise, and their neighbours.
CLEAN = [Setting(10, 1.0, 10.0), Setting(10, 1.5, 40.0), Setting(10, 1.5, 10.0), Setting(9, 1.5, 10.0), Setting(9, 1.5, 4.0)]
NOISY = [Setting(8, 5, 1), Setting(8, 15, 4), Setting(8, 15, 1), Setting(7, 5, 4), Setting(7, 1.5, 4), Setting(7, 15, 4)]
EVERY = [Setting(d, s, w) for d in (7, 8, 9, 10) for s in (1.0, 1.5, 5.0, 15.0) for w in (0.0, 1.0, 4.0, 10.0, 40.0)]


def poissonrecon() -> Callable[..., tuple[Array, Faces]]:
    """`poisson_reconstruction` of the wheel; ends the program where it is not installed."""
    try:
        from poisson import poisson_reconstruction
    except ImportError:
        raise SystemExit("error: PoissonRecon is not installed; pip install 'shapesiren[bench]'") from None
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
            name = f"18.74, depth {s.depth}, {s.samples:g} a node, weight {s.weight:g}"
            yield Peer(name, np.asarray(vertices, np.float64), np.asarray(faces, np.int64), time.perf_counter() - begun)


def open3d_poisson(points: Array, normals: Array, depths: list[int]) -> Iterator[Peer]:
    """Open3D's, at each depth."""
    for depth in depths:
        begun = time.perf_counter()
        vertices, faces = poisson_surface(points, normals, depth)
        yield Peer(f"Open3D Poisson, depth {depth}", vertices, faces, time.perf_counter() - begun)


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
