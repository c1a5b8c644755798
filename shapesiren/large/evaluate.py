"""Stage ``evaluate`` of a large run against its own points: tile by tile, each with the meshes of those beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..metrics.shape import EvaluateSettings, FieldErrors, ReferenceUnits, ShapeMetrics
from ..metrics.surface_distance import SurfaceDistances, SurfaceLengths
from ..pointcloud.header import CloudHeader
from ..runtime.kdtree import KDTree
from ..runtime.working import working_at
from ..surface.verify import point_distances
from .blend import shards_beside
from .field import LargeField
from .tile_mesh import TileMesh, near_points
from .tiles import Tile, Tiles

Array = NDArray[np.float64]

LEAST = 50  # samples of a tile
BOX_SAMPLES = 50_000  # at which the slope is measured in the box, as of `metrics.shape.field_errors`


def evaluate_large(run: Path, field: Field, settings: EvaluateSettings, say: Callable[[str], None]) -> ShapeMetrics:
    """How near a large run's points and its mesh are to each other, by random ones of both in each tile, as many as it has a
    share of all points, but for outliers; and how near its field is to a distance, at the points and in the box."""
    tiles, header, whole = Tiles.open(run), CloudHeader.of(field.header), LargeField(field, run)
    meshed = [t for t in sorted(tiles.counts) if tiles.path(t, "mesh.safetensors").is_file()]
    if not meshed:
        raise InputError("no tile of it is meshed", where=run, hint="run `shapesiren mesh --force` first")
    say(f"against the input points, in {len(meshed):,} tiles")
    total, rng = sum(tiles.counts[t] for t in meshed), np.random.default_rng(0)
    to_mesh, to_points, slopes, low, high = [], [], [], np.full(3, np.inf), np.full(3, -np.inf)
    for i, tile in enumerate(meshed):
        count = max(LEAST, round(settings.samples * tiles.counts[tile] / total))
        vertices, faces, own = _mesh_round(tiles, tile)
        points = near_points(tiles, tile, whole.plan, shards_beside(tiles, tile), tiles.margin)
        near = points.at - tiles.centre(tile)
        stored = near[points.own]
        if not len(stored):
            continue
        low, high = (np.minimum(low, stored.min(0) + tiles.centre(tile)), np.maximum(high, stored.max(0) + tiles.centre(tile)))
        some = stored[rng.choice(len(stored), min(count, len(stored)), replace=False)]
        slopes.append(np.linalg.norm(whole.box_values_and_gradients(some + tiles.centre(tile))[1], axis=1))
        if not len(faces):
            continue
        scale = 1 / tiles.half  # near 1, for float32
        to_mesh.append(point_distances(vertices * scale, faces, some * scale) / scale)
        if len(own):
            drawn = _drawn(vertices, own, min(count, 4 * len(own)), rng)
            to_points.append(KDTree(near).query(drawn)[0])
        working_at(f"tile {i + 1} of {len(meshed)}", (i + 1) / len(meshed))
    d, e = np.concatenate([np.zeros(0), *to_mesh]), np.concatenate([np.zeros(0), *to_points])
    slope, scale = np.concatenate(slopes), field.frame.scale
    anywhere = np.linalg.norm(whole.box_values_and_gradients(rng.uniform(-1, 1, (BOX_SAMPLES, 3)))[1], axis=1)
    diagonal = float(np.linalg.norm(high - low))
    threshold = settings.threshold / 100 * diagonal
    precision, recall = float((e < threshold).mean()), float((d < threshold).mean())
    lengths = {
        "accuracy": float(e.mean()),
        "completeness": float(d.mean()),
        "chamfer": float((d.mean() + e.mean()) / 2),
        "hausdorff": float(max(d.max(), e.max())),
        "hausdorff95": float(max(np.quantile(d, 0.95), np.quantile(e, 0.95))),
    }
    return ShapeMetrics(
        reference="the input points",
        units=ReferenceUnits(diagonal=diagonal * scale, threshold=threshold * scale),
        surface=SurfaceDistances(
            **{k: v * scale for k, v in lengths.items()},
            precision=precision,
            recall=recall,
            f_score=2 * precision * recall / max(precision + recall, 1e-12),
        ),
        percent=SurfaceLengths(**{k: 100 * v / diagonal for k, v in lengths.items()}),
        field=FieldErrors(eikonal=float(np.abs(anywhere - 1).mean()), eikonal_surface=float(np.abs(slope - 1).mean())),
        samples=len(d),
        **({} if header.units is None else {"length_units": header.units}),
    )


def _mesh_round(tiles: Tiles, tile: Tile) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Vertices (n, 3) from the tile's centre and faces of its mesh and, within its margin, of those beside it; and its own."""
    vertices, faces, shift = [np.empty((0, 3))], [np.empty((0, 3), np.int64)], 0
    own = np.empty((0, 3), np.int64)
    for other in tiles.beside(tile):
        path = tiles.path(other, "mesh.safetensors")
        if not path.is_file():
            continue
        mesh = TileMesh.open(path, "vertices", "faces")
        at = mesh.vertices.astype(np.float64) + (tiles.centre(other) - tiles.centre(tile))
        part = mesh.faces.astype(np.int64)
        if other == tile:
            own = part + shift
        else:
            part = part[(np.abs(at[part[:, 0]]) < tiles.half + tiles.margin).all(1)]
        vertices.append(at)
        faces.append(part + shift)
        shift += len(at)
    return np.concatenate(vertices), np.concatenate(faces), own


def _drawn(vertices: Array, faces: NDArray[np.int64], count: int, rng: np.random.Generator) -> Array:
    """(count, 3) points, evenly on the faces."""
    a, b, c = vertices[faces.T]
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(faces), count, p=area / area.sum())
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    drawn: Array = a[face] + u * (b[face] - a[face]) + v * (c[face] - a[face])
    return drawn
