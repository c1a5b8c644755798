"""Scans of any size, taken and written in chunks: of the procedural city, and of the analytic shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...runtime.files import write_atomically
from ...runtime.working import working_at
from ..cloud import PointCloud
from ..io.ply import vertex_table
from .city import layout
from .city.distance import signed_distance
from .city.scan import chunks as city_chunks
from .samples import Samples
from .shapes import SHAPES, gradient, tessellate

Array = NDArray[np.float64]

CITY = "city"
AT_ONCE = 1 << 20  # points


@dataclass(frozen=True)
class Noise:
    """What the scanner does to exact samples.

    deviation : of each coordinate, in the surface's units; of_normals : of each component of the normals
    outliers : share of the points that lie anywhere in the box of the surface, 10 % wider
    """

    deviation: float = 0.0
    of_normals: float = 0.0
    outliers: float = 0.0


@dataclass(frozen=True)
class Surface:
    """What is scanned: its bounds (3,), its exact signed distance, its samples in chunks of at most so many, and the step to
    which LAS rounds its coordinates."""

    low: Array
    high: Array
    distance: Callable[[Array], Array]
    chunks: Callable[[int, int, np.random.Generator], Iterator[Samples]]
    step: float


def surface_of(name: str, points: int, spacing: float, seed: int) -> Surface:
    """The city that so many points cover ``spacing`` metres apart, or an analytic shape.

    Raises
    ------
    InputError : there is none of that name, or the city would be too large
    """
    if name == CITY:
        city = layout.build_city(*layout.blocks_for(points, spacing), seed)
        return Surface(
            *city.bounds(), lambda p: signed_distance(city, p), lambda count, n, rng: city_chunks(city, count, n, rng), 1e-4
        )
    if name not in SHAPES:
        raise InputError("no such shape", where=name, hint=f"{CITY}, {', '.join(SHAPES)}")
    exact = SHAPES[name]
    vertices, faces = tessellate(exact)
    return Surface(
        vertices.min(0), vertices.max(0), exact, lambda count, n, rng: _of_shape(exact, vertices, faces, count, n, rng), 1e-7
    )


def _of_shape(
    exact: Callable[[Array], Array], vertices: Array, faces: NDArray[np.int64], count: int, n: int, rng: np.random.Generator
) -> Iterator[Samples]:
    """Uniform on the tessellation, then onto the exact surface; in random order over all of it."""
    a, b, c = vertices[faces.T]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    for start in range(0, count, n):
        m = min(n, count - start)
        face = rng.permutation(np.repeat(np.arange(len(faces)), rng.multinomial(m, area / area.sum())))
        s, t = rng.random((2, m, 1))
        s, t = np.where(s + t > 1, 1 - s, s), np.where(s + t > 1, 1 - t, t)
        p = a[face] + s * (b - a)[face] + t * (c - a)[face]
        p -= exact(p)[:, None] * gradient(exact, p)
        yield Samples(p, gradient(exact, p))


def scan_chunks(surface: Surface, points: int, noise: Noise, seed: int, at_once: int = AT_ONCE) -> Iterator[Samples]:
    """``points`` points, outliers among them, in chunks of at most ``at_once``; the same for the same seed."""
    rng = np.random.default_rng(seed)
    outliers = round(points * noise.outliers)
    wanted, seen, strewn = points - outliers, 0, 0
    pad = 0.1 * float((surface.high - surface.low).max())
    for clean in surface.chunks(wanted, max(1, round(at_once * (1 - noise.outliers))), rng):
        p, normals = clean.points, clean.normals
        if noise.deviation:
            p = p + rng.normal(scale=noise.deviation, size=p.shape)
        if noise.of_normals:
            normals = normals + rng.normal(scale=noise.of_normals, size=p.shape)
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        seen += len(p)
        more = round(outliers * seen / wanted) - strewn  # spread over the chunks
        strewn += more
        anywhere = rng.normal(size=(more, 3))
        yield Samples(
            np.concatenate([p, rng.uniform(surface.low - pad, surface.high + pad, (more, 3))]),
            np.concatenate([normals, anywhere / np.maximum(np.linalg.norm(anywhere, axis=1, keepdims=True), 1e-30)]),
            None if clean.classes is None else np.concatenate([clean.classes, np.ones(more, np.uint8)]),  # 1: unclassified
            None if clean.scan is None else np.concatenate([clean.scan, np.full(more, clean.scan[0], np.uint16)]),
        )


def write_chunks(path: Path, chunks: Iterator[Samples], total: int, surface: Surface, normals: bool = True) -> None:
    """Write a scan as it is taken: LAS, LAZ, PLY, NPY or XYZ, by extension. The file is whole or absent.

    LAS and LAZ have no normals, but classes and the number of the station (point source).

    Raises
    ------
    InputError : unknown extension, a package that is missing, or the place cannot be written
    """
    suffix = path.suffix.lower()
    if suffix not in STREAMED:
        raise InputError(f"cannot write scans of this size as {suffix!r}", where=path, hint=f"known: {' '.join(STREAMED)}")
    try:
        write_atomically(path, lambda file: STREAMED[suffix](file, _told(chunks, total), total, surface, normals))
    except OSError as e:
        raise InputError(f"cannot write it ({e.strerror or e})", where=path) from None


def _told(chunks: Iterator[Samples], total: int) -> Iterator[Samples]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk.points)
        working_at(f"{done / 1e6:.1f} of {total / 1e6:.1f} million points", done / total)


def _las(file: IO[bytes], chunks: Iterator[Samples], total: int, surface: Surface, normals: bool, packed: bool = False) -> None:
    try:
        import laspy

        if packed:
            import lazrs  # noqa: F401 - laspy takes it
    except ImportError as e:
        raise InputError(f"the package {e.name} is missing", hint="pip install 'shapesiren[survey]'") from None
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.offsets = np.floor(surface.low)
    header.scales = np.full(3, surface.step)
    with laspy.open(file, "w", header=header, do_compress=packed, closefd=False) as writer:
        for chunk in chunks:
            record = laspy.ScaleAwarePointRecord.zeros(len(chunk.points), header=header)
            record.x, record.y, record.z = chunk.points.T
            record.return_number[:] = 1
            record.number_of_returns[:] = 1
            if chunk.classes is not None:
                record.classification[:] = chunk.classes
            if chunk.scan is not None:
                record.point_source_id[:] = chunk.scan
            writer.write_points(record)


def _laz(file: IO[bytes], chunks: Iterator[Samples], total: int, surface: Surface, normals: bool) -> None:
    _las(file, chunks, total, surface, normals, packed=True)


def _ply(file: IO[bytes], chunks: Iterator[Samples], total: int, surface: Surface, normals: bool) -> None:
    from plyfile import PlyData, PlyElement

    double = _needs_double(surface)
    for i, chunk in enumerate(chunks):
        table = vertex_table(chunk.points, chunk.normals if normals else None, None, double=double)
        if i == 0:
            header = PlyData([PlyElement.describe(table[:1], "vertex")], byte_order="<").header
            file.write(header.replace("element vertex 1\n", f"element vertex {total}\n").encode() + b"\n")
        file.write(table.tobytes())


def _npy(file: IO[bytes], chunks: Iterator[Samples], total: int, surface: Surface, normals: bool) -> None:
    kind = np.dtype("<f8") if _needs_double(surface) else np.dtype("<f4")
    header: dict[str, Any] = {"descr": kind.str, "fortran_order": False, "shape": (total, 6 if normals else 3)}
    np.lib.format.write_array_header_2_0(file, header)
    for chunk in chunks:
        rows = np.hstack([chunk.points, chunk.normals]) if normals else chunk.points
        file.write(rows.astype(kind).tobytes())


def _xyz(file: IO[bytes], chunks: Iterator[Samples], total: int, surface: Surface, normals: bool) -> None:
    for chunk in chunks:
        np.savetxt(file, np.hstack([chunk.points, chunk.normals]) if normals else chunk.points, "%.9g")


def _needs_double(surface: Surface) -> bool:
    reach, side = max(np.abs(surface.low).max(), np.abs(surface.high).max()), (surface.high - surface.low).max()
    return bool(reach * 2.0**-24 > 1e-6 * side)


STREAMED: dict[str, Callable[[IO[bytes], Iterator[Samples], int, Surface, bool], None]] = {
    ".las": _las,
    ".laz": _laz,
    ".ply": _ply,
    ".npy": _npy,
    ".xyz": _xyz,
}


@dataclass(frozen=True)
class Deviations:
    """How far points lie from an exact surface, in its units; of signed distances, positive outside."""

    points: int
    mean: float
    mean_absolute: float
    rms: float
    p50: float
    p95: float
    p99: float
    max: float


def deviations(surface: Surface, cloud: PointCloud, count: int = 1_000_000, seed: int = 0) -> Deviations:
    """Of a cloud's points, or of points drawn uniformly from a mesh; of at most ``count`` of them, by a seed."""
    rng = np.random.default_rng(seed)
    if cloud.faces is None:
        p = cloud.points if len(cloud.points) <= count else rng.choice(cloud.points, count, replace=False)
    else:
        a, b, c = cloud.points[cloud.faces.T]
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        face = np.repeat(np.arange(len(area)), rng.multinomial(count, area / area.sum()))
        s, t = rng.random((2, count, 1))
        s, t = np.where(s + t > 1, 1 - s, s), np.where(s + t > 1, 1 - t, t)
        p = a[face] + s * (b - a)[face] + t * (c - a)[face]
    d = surface.distance(p)
    size = np.abs(d)
    half, most, nearly = (float(x) for x in np.quantile(size, (0.5, 0.95, 0.99)))
    return Deviations(
        len(p), float(d.mean()), float(size.mean()), float(np.sqrt((d * d).mean())), half, most, nearly, float(size.max())
    )
