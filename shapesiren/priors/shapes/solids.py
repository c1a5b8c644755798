"""Solids to learn from: the meshes of an archive, each one closed body in the box, and samples of them.

The meshes of `datasets` are convex pieces that touch, with hairlines between them: each piece is grown a little, and their
union is one solid without walls inside.
"""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...runtime.triangles import Triangles
from .training import HALF_SIDE, SolidSamples

Array = NDArray[np.float64]

GROWN = 0.003  # box units by which a convex piece is grown: hairlines of .001 close, of 1,000 solids 999 are in one piece
POINTS = 8000  # on the surface of a solid
NEAR = ((1500, 0.01), (2500, 0.04), (1000, 0.12))  # places near the surface, and the deviation of their distance from it
UNIFORM, UNIFORM_REACH = 1500, 1.1  # places in the box
CLOSE = 4000  # of all places, the leading ones, are those near the surface
POSITIONS, POSITION_DISTANCE, GRAZING = 6, 3.0, 0.1  # from which a solid is looked at; cosine below which nothing is seen
HELD_EVERY = 10  # each tenth solid by name is kept to judge by


@dataclass(frozen=True)
class Solid:
    """A closed mesh in the box. vertices : (n, 3); faces : (m, 3), counter-clockwise seen from outside"""

    name: str
    vertices: Array
    faces: NDArray[np.int64]


def is_held(number: int) -> bool:
    """Whether the solid of this number, by name, is kept to judge by."""
    return number % HELD_EVERY == HELD_EVERY - 1


def read_solids(archive: Path, most: int | None = None) -> Iterator[Solid]:
    """The solids of a zip archive of OBJ files, by name; what is no solid is left out.

    Raises
    ------
    InputError : it is no archive, or a package is missing
    """
    try:
        from manifold3d import Manifold, OpType
    except ImportError:
        raise InputError("manifold3d is not installed", where="solids", hint="pip install shapesiren[print]") from None
    corners = GROWN * np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
    try:
        with zipfile.ZipFile(archive) as opened:
            files = [(name, opened.read(name)) for name in sorted(opened.namelist()) if name.lower().endswith(".obj")]
    except (OSError, zipfile.BadZipFile) as e:
        raise InputError(f"damaged or no zip archive ({e})", where=archive) from None
    made = 0
    for name, data in files:
        pieces = convex_pieces(data)
        if not pieces:
            continue
        grown = [Manifold.hull_points((piece[:, None] + corners).reshape(-1, 3)) for piece in pieces]
        bodies = Manifold.batch_boolean(grown, OpType.Add).decompose()
        if not bodies:
            continue
        mesh = max(bodies, key=lambda body: body.volume()).to_mesh()
        vertices = to_box(np.asarray(mesh.vert_properties[:, :3], np.float64))
        yield Solid(Path(name).stem, vertices, np.asarray(mesh.tri_verts, np.int64))
        made += 1
        if made == most:
            return


def convex_pieces(data: bytes) -> list[Array]:
    """Corners (n, 3) of each connected piece of an OBJ file, in the box."""
    import trimesh

    mesh: Any = trimesh.load(io.BytesIO(data), file_type="obj", process=False, force="mesh")
    mesh.merge_vertices()
    pieces = [np.asarray(piece.vertices, np.float64) for piece in mesh.split(only_watertight=False)]
    pieces = [piece for piece in pieces if len(piece) >= 4]
    if not pieces:
        return []
    ends = np.cumsum([len(piece) for piece in pieces])[:-1]
    return np.split(to_box(np.concatenate(pieces)), ends)


def to_box(vertices: Array) -> Array:
    """Vertices (n, 3) with their bounding box in the middle of the box, its longest side as ingest makes it."""
    low, high = vertices.min(0), vertices.max(0)
    out: Array = (vertices - (low + high) / 2) / ((high - low).max() / 2) * HALF_SIDE
    return out


def sample_solid(solid: Solid, seed: int, points: int = POINTS) -> dict[str, NDArray[Any]]:
    """One solid's row of each array of `training.SolidSamples`, as numpy arrays by name, with so many ``points``."""
    random = np.random.default_rng(seed)
    corners = solid.vertices[solid.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    face = random.choice(len(area), points, p=area / area.sum())
    u, v = random.random((2, points, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    x = corners[face, 0] * (1 - u - v) + corners[face, 1] * u + corners[face, 2] * v
    normals = cross[face] / area[face, None]

    triangles = Triangles(solid.vertices, solid.faces)
    starts = np.cumsum([0, *(count for count, _ in NEAR)])
    near = [x[a : a + n] + random.normal(0, s, (n, 3)) for a, (n, s) in zip(starts, NEAR, strict=False)]
    places = np.concatenate([*near, random.uniform(-UNIFORM_REACH, UNIFORM_REACH, (UNIFORM, 3))]).astype(np.float32)
    distances = triangles.signed_distance(places)

    seen = []
    for position in random.normal(size=(POSITIONS, 3)):
        ray = POSITION_DISTANCE * position / np.linalg.norm(position) - x
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        hidden = triangles.blocked(x + 1e-3 * normals, ray)
        seen.append(~hidden & ((ray * normals).sum(1) > GRAZING))
    single = {"points": x, "normals": normals, "places": places, "distances": distances}
    return {name: array.astype(np.float32) for name, array in single.items()} | {"seen": np.array(seen)}


def sample_solids(solids: list[Solid], seed: int, told: Callable[[int], None] = lambda done: None) -> SolidSamples:
    """Samples of all of them; each has a seed of its own, ``seed`` and its place in the list."""
    import torch

    rows = []
    for i, solid in enumerate(solids):
        rows.append(sample_solid(solid, seed * 1_000_003 + i))
        told(i + 1)
    arrays = {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}
    return SolidSamples(near=CLOSE, **arrays)
