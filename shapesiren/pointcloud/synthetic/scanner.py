"""A virtual scanner: oriented samples of a surface with noise, outliers and occlusion, seeded."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...runtime.files import write_atomically
from ..cloud import PointCloud, merge, sample_mesh
from ..io.ply import vertex_table
from ..io.read import read_cloud
from .shapes import SHAPES, gradient, tessellate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scanner:
    """What the scanner does to a surface.

    Attributes
    ----------
    points : samples asked for, outliers included
    noise : standard deviation of the positions, as a share of the surface's longest side
    normal_noise : standard deviation added to each component of the unit normals
    outliers : share of the points that lie anywhere in the bounding box (10 % wider), with random normals
    views : viewpoints on a sphere round the surface; only what one of them sees is kept; 0 sees everything
    normals : whether normals are written
    """

    points: int = 100_000
    noise: float = 0.0
    normal_noise: float = 0.0
    outliers: float = 0.0
    views: int = 0
    normals: bool = True
    seed: int = 0


def load_surface(name: str) -> PointCloud:
    """The mesh to scan, vertices and faces: that of a file, or an analytic shape of `SHAPES` by its name.

    Raises
    ------
    InputError : neither a file nor a shape is called so, or the file holds no faces
    """
    if name in SHAPES:
        vertices, faces = _shape(name)
        return PointCloud(vertices.copy(), faces=faces.copy())
    path = Path(name)
    if not path.suffix and not path.exists():
        raise InputError("no such file or shape", where=name, hint=f"shapes: {', '.join(SHAPES)}")
    cloud = read_cloud(path)
    if cloud.faces is None:
        raise InputError("there are no faces in it: the scanner needs a mesh", where=name)
    return cloud


@cache
def _shape(name: str) -> tuple[Array, NDArray[np.int64]]:
    """Those of an analytic shape, kept: a collection is of few shapes scanned often."""
    return tessellate(SHAPES[name])


def scan(name: str, scanner: Scanner) -> PointCloud:
    """Scan a mesh file or an analytic shape; see `Scanner`. Of a shape the points lie on its exact surface, before noise.

    Returns
    -------
    cloud : of ``scanner.points`` points in random order, with unit normals if the scanner writes them, in the mesh's units

    Raises
    ------
    InputError : the surface cannot be used, or no viewpoint sees any of it
    """
    rng = np.random.default_rng(scanner.seed)
    surface = load_surface(name)
    outliers = round(scanner.points * scanner.outliers)
    wanted = scanner.points - outliers
    if wanted < 1:
        raise InputError("no points are left beside the outliers", where="simulate")
    if scanner.views:
        samples = _visible_samples(surface, scanner, wanted, rng, name)
    else:
        samples = sample_mesh(surface, wanted, scanner.seed, name)
    points, normals, colours = samples.points, samples.normals, samples.colours
    assert normals is not None
    exact = SHAPES.get(name)
    if exact is not None:  # from the tessellation onto the true surface
        points = points - exact(points)[:, None] * gradient(exact, points)
        normals = gradient(exact, points)
    low, high = surface.points.min(0), surface.points.max(0)
    side = float((high - low).max())
    if scanner.noise:
        points = points + rng.normal(scale=scanner.noise * side, size=points.shape)
    if scanner.normal_noise:
        normals = normals + rng.normal(scale=scanner.normal_noise, size=normals.shape)
    if outliers:
        pad = 0.1 * side
        points = np.concatenate([points, rng.uniform(low - pad, high + pad, (outliers, 3))])
        normals = np.concatenate([normals, rng.normal(size=(outliers, 3))])
        if colours is not None:
            colours = np.concatenate([colours, rng.integers(0, 256, (outliers, 3), dtype=np.uint8)])
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    cloud = PointCloud(points, normals if scanner.normals else None, colours)
    return cloud.take(rng.permutation(len(points)))


def viewpoints(count: int, centre: Array, radius: float) -> Array:
    """``count`` points spread evenly on a sphere (Fibonacci lattice). (count, 3)"""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    angle = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z * z)
    return centre + radius * np.stack([ring * np.cos(angle), ring * np.sin(angle), z], 1)


def _visible_samples(surface: PointCloud, scanner: Scanner, wanted: int, rng: np.random.Generator, name: str) -> PointCloud:
    """Samples of a mesh that at least one viewpoint sees: they face it, and nothing is in between.

    The viewpoints lie two longest sides of the mesh away from its centre. Samples are drawn until ``wanted`` of them are seen;
    fewer come back if 20 draws do not find so many.
    """
    from ...runtime.triangles import Triangles

    low, high = surface.points.min(0), surface.points.max(0)
    centre, side = (low + high) / 2, float((high - low).max())
    assert surface.faces is not None
    scene = Triangles((surface.points - centre) / side, surface.faces)
    eyes = viewpoints(scanner.views, np.zeros(3), 2.0)
    kept: list[PointCloud] = []
    found, draw = 0, wanted
    for attempt in range(20):
        samples = sample_mesh(surface, max(1000, draw), scanner.seed + 1000 * attempt, name)
        assert samples.normals is not None
        p = (samples.points - centre) / side
        seen = np.zeros(len(p), bool)
        for eye in eyes:
            to_eye = eye - p
            facing = (to_eye * samples.normals).sum(1) > 0.1 * np.linalg.norm(to_eye, axis=1)
            start = p + 1e-4 * samples.normals
            blocked = scene.blocked(start, eye - start, 0.0, 1.0)
            seen |= facing & ~blocked
        kept.append(samples.take(seen))
        found += int(seen.sum())
        if found >= wanted:
            break
        draw = int((wanted - found) / max(seen.mean(), 0.01) * 1.1) + 1000
    if not found:
        raise InputError("no viewpoint sees any of it", where=name)
    return merge(kept).take(rng.permutation(found)[:wanted])


def write_scan(path: Path, cloud: PointCloud) -> None:
    """Write a cloud as PLY (double where float32 would lose it), XYZ, NPY or NPZ, by extension."""
    out = io.BytesIO()
    suffix = path.suffix.lower()
    columns = [cloud.points] + ([cloud.normals] if cloud.normals is not None else [])
    if suffix == ".ply":
        from plyfile import PlyData, PlyElement

        reach, side = np.abs(cloud.points).max(), np.ptp(cloud.points, axis=0).max()
        double = bool(reach * 2.0**-24 > 1e-6 * side)
        table = vertex_table(cloud.points, cloud.normals, cloud.colours, double=double)
        PlyData([PlyElement.describe(table, "vertex")], byte_order="<").write(out)
    elif suffix in (".xyz", ".txt"):
        np.savetxt(out, np.hstack(columns), "%.17g")
    elif suffix == ".npy":
        np.save(out, np.hstack(columns))
    elif suffix == ".npz":
        arrays = {"points": cloud.points, "normals": cloud.normals, "colours": cloud.colours}
        np.savez(out, allow_pickle=False, **{k: v for k, v in arrays.items() if v is not None})
    else:
        raise InputError(f"cannot write scans as {path.suffix!r}", where=path, hint="known: .ply .xyz .npy .npz")
    try:
        write_atomically(path, out.getvalue())
    except OSError as e:
        raise InputError(f"cannot write it ({e.strerror})", where=path) from None
