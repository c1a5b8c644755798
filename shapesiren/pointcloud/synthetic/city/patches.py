"""A city's surface in pieces of a few metres, from which points are drawn uniformly by area."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .ground import PITCH
from .layout import Buildings, City, Trees

Array = NDArray[np.float64]

GROUND_PIECE, WALL_PIECE, STEM_PIECE = 2.0, 3.0, 2.0  # metres, at most
GROUND, FLAT, TRIANGLE, STEM, CROWN = range(5)  # kinds of pieces
GROUND_CLASS, VEGETATION, BUILDING, POST = 2, 5, 6, 64  # ASPRS LAS 1.4 R15, table 17; 64 and more are free


@dataclass(frozen=True)
class Patches:
    """Pieces of the surface; what ``data`` means goes by ``kind``.

    kind, label : (n,) uint8, label is the class of its points; area : (n,) square metres; centre : (n, 3)
    data : (n, 9). GROUND: x, y of the corner, 2 sides. FLAT, TRIANGLE: corner and two sides, 3 each. STEM: x, y, radius,
        bottom, top. CROWN: x, y, z, radius, radius of the trunk.
    """

    kind: NDArray[np.uint8]
    label: NDArray[np.uint8]
    area: Array
    centre: Array
    data: Array


def patches_of(city: City) -> Patches:
    """All pieces of the city's surface; the ground's reach under what stands on it, which their areas leave out as a share."""
    parts = [_ground(city), *_buildings(city.buildings), *_trees(city)]
    kind, label, area, centre, data = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Patches(kind.astype(np.uint8), label.astype(np.uint8), area, centre, data)


Part = tuple[Array, Array, Array, Array, Array]


def _part(kind: int, label: NDArray[np.int64] | int, area: Array, centre: Array, data: Array) -> Part:
    whole = np.zeros((len(area), 9))
    whole[:, : data.shape[1]] = data
    return np.full(len(area), float(kind)), np.broadcast_to(np.asarray(label, float), area.shape), area, centre, whole


def _ground(city: City) -> Part:
    nx, ny = city.ground.level.shape
    across = round(PITCH / GROUND_PIECE)
    side = PITCH / across
    corner = np.stack(np.meshgrid(np.arange(nx * across), np.arange(ny * across), indexing="ij"), -1).reshape(-1, 2) * side
    middle = corner + side / 2
    height, dx, dy = city.ground.derivatives(middle)[:3]
    # the share that is free, by an 8 x 8 grid in each piece
    free = np.zeros(len(corner))
    for i in range(8):
        for j in range(8):
            free += ~covered(city, corner + (np.array([i, j]) + 0.5) * side / 8)
    area = side * side * np.sqrt(1 + dx * dx + dy * dy) * free / 64
    data = np.column_stack([corner, np.full((len(corner), 2), side)])
    keep = area > 0
    return _part(GROUND, GROUND_CLASS, area[keep], np.column_stack([middle, height])[keep], data[keep])


def covered(city: City, u: Array) -> NDArray[np.bool_]:
    """(n, 2) places -> (n,) whether something stands there."""
    b, t = city.buildings, city.trees
    taken = np.zeros(len(u), bool)
    nx, ny = city.ground.level.shape
    block = np.clip((u // PITCH).astype(int), 0, [nx - 1, ny - 1])
    block_id = block[:, 0] * ny + block[:, 1]
    order = np.argsort(block_id, kind="stable")
    ids = block_id[order]
    for x, y, is_in in [(b.x, b.y, partial(_in_building, b)), (t.x, t.y, partial(_in_trunk, t))]:
        own = (x // PITCH).astype(int) * ny + (y // PITCH).astype(int)
        first, last = np.searchsorted(ids, own), np.searchsorted(ids, own, side="right")
        for k in np.flatnonzero(last > first):
            rows = order[first[k] : last[k]]
            taken[rows] |= is_in(int(k), u[rows])
    return taken


def _in_building(b: Buildings, k: int, u: Array) -> NDArray[np.bool_]:
    dx, dy = u[:, 0] - b.x[k], u[:, 1] - b.y[k]
    along, across = b.cos[k] * dx + b.sin[k] * dy, b.cos[k] * dy - b.sin[k] * dx
    return np.asarray((np.abs(along) < b.length[k]) & (np.abs(across) < b.width[k]))


def _in_trunk(t: Trees, k: int, u: Array) -> NDArray[np.bool_]:
    return np.asarray((u[:, 0] - t.x[k]) ** 2 + (u[:, 1] - t.y[k]) ** 2 < t.trunk[k] ** 2)


def _buildings(b: Buildings) -> list[Part]:
    """Walls, roofs and gables; the sides of each piece are in the order that makes their cross product look outward."""
    parts = []
    for k in range(len(b.x)):
        e = np.array([b.cos[k], b.sin[k], 0.0])  # along the ridge
        f = np.array([-b.sin[k], b.cos[k], 0.0])
        z = np.array([0.0, 0.0, 1.0])
        c = np.array([b.x[k], b.y[k], b.base[k]])
        length, width, eaves, ridge = b.length[k], b.width[k], b.eaves[k], b.ridge[k]
        for s in (-1.0, 1.0):
            parts.append(_pieces(c + s * (width * f - length * e), 2 * s * length * e, eaves * z, -1.0))
            parts.append(_pieces(c + s * (length * e - width * f), 2 * s * width * f, eaves * z, 1.0))
            slope = -s * width * f + ridge * z
            parts.append(_pieces(c + eaves * z + s * (width * f - length * e), 2 * s * length * e, slope, -1.0))
            if ridge:
                corner = c + eaves * z + s * (length * e - width * f)
                u, v = 2 * s * width * f, s * width * f + ridge * z
                area = np.array([width * ridge])
                parts.append(
                    _part(TRIANGLE, BUILDING, area, (corner + (u + v) / 3)[None], np.concatenate([corner, u, v])[None])
                )
    return parts


def _pieces(corner: Array, u: Array, v: Array, outward: float) -> Part:
    """A parallelogram cut in pieces; ``outward`` is the sign of the cross product of its sides that looks out."""
    m, n = (max(1, int(np.ceil(np.linalg.norm(side) / WALL_PIECE))) for side in (u, v))
    i, j = (a.reshape(-1, 1) for a in np.meshgrid(np.arange(m), np.arange(n), indexing="ij"))
    corners = corner + i * u / m + j * v / n
    sides = (u / m, v / n) if outward > 0 else (v / n, u / m)
    area = np.full(m * n, np.linalg.norm(np.cross(u, v)) / (m * n))
    data = np.column_stack([corners, np.broadcast_to(np.concatenate(sides), (m * n, 6))])
    return _part(FLAT, BUILDING, area, corners + (u / m + v / n) / 2, data)


def _trees(city: City) -> list[Part]:
    t = city.trees
    label = np.where(city.lamps, POST, VEGETATION)
    parts = []
    for k in range(len(t.x)):
        n = max(1, int(np.ceil(t.reach[k] / STEM_PIECE)))
        cuts = t.base[k] + np.linspace(0, t.reach[k], n + 1)
        middle = np.column_stack([np.full((n, 2), (t.x[k], t.y[k])), (cuts[1:] + cuts[:-1]) / 2])
        data = np.column_stack([np.full((n, 3), (t.x[k], t.y[k], t.trunk[k])), cuts[:-1], cuts[1:]])
        parts.append(_part(STEM, int(label[k]), 2 * np.pi * t.trunk[k] * np.diff(cuts), middle, data))
    if len(t.x):
        centre = np.column_stack([t.x, t.y, t.base + t.top])
        cap = t.crown - np.sqrt(t.crown**2 - t.trunk**2)  # height of the disc that the trunk takes
        area = 4 * np.pi * t.crown**2 - 2 * np.pi * t.crown * cap
        parts.append(_part(CROWN, label, area, centre, np.column_stack([centre, t.crown, t.trunk])))
    return parts


def draw(city: City, patches: Patches, which: NDArray[np.int64], rng: np.random.Generator) -> tuple[Array, Array]:
    """A point on each of the pieces ``which`` (n,), uniform by area: (n, 3) on the exact surface, and their unit normals."""
    points, normals = np.empty((len(which), 3)), np.empty((len(which), 3))
    kind = patches.kind[which]
    for number, of_kind in enumerate((_on_ground, _on_flat, _on_triangle, _on_stem, _on_crown)):
        rows = np.flatnonzero(kind == number)
        if len(rows):
            points[rows], normals[rows] = of_kind(city, patches.data[which[rows]], rng)
    return points, normals


def _on_ground(city: City, data: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    u = data[:, :2] + data[:, 2:4] * rng.random((len(data), 2))
    open_rows = np.flatnonzero(covered(city, u))
    while len(open_rows):  # what fell where something stands is drawn again
        u[open_rows] = data[open_rows, :2] + data[open_rows, 2:4] * rng.random((len(open_rows), 2))
        open_rows = open_rows[covered(city, u[open_rows])]
    return np.column_stack([u, city.ground.height(u)]), city.ground.normals(u)


def _on_flat(city: City, data: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    a, b = rng.random((2, len(data), 1))
    return data[:, :3] + a * data[:, 3:6] + b * data[:, 6:9], _cross(data)


def _on_triangle(city: City, data: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    a, b = rng.random((2, len(data), 1))
    a, b = np.where(a + b > 1, 1 - a, a), np.where(a + b > 1, 1 - b, b)
    return data[:, :3] + a * data[:, 3:6] + b * data[:, 6:9], _cross(data)


def _cross(data: Array) -> Array:
    n = np.cross(data[:, 3:6], data[:, 6:9])
    return n / np.linalg.norm(n, axis=1, keepdims=True)


def _on_stem(city: City, data: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    x, y, radius, bottom, top = data[:, :5].T
    angle = 2 * np.pi * rng.random(len(data))
    normal = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(len(data))])
    middle = np.column_stack([x, y, bottom + (top - bottom) * rng.random(len(data))])
    return middle + radius[:, None] * normal, normal


def _on_crown(city: City, data: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Uniform in height is uniform by area on a sphere (Archimedes)."""
    radius, trunk = data[:, 3], data[:, 4]
    lowest = -np.sqrt(radius**2 - trunk**2) / radius
    z = lowest + (1 - lowest) * rng.random(len(data))
    angle, ring = 2 * np.pi * rng.random(len(data)), np.sqrt(1 - z * z)
    normal = np.column_stack([ring * np.cos(angle), ring * np.sin(angle), z])
    return data[:, :3] + radius[:, None] * normal, normal
