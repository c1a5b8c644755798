"""Dual contouring on the narrow band: sharp edges, which marching cubes cuts off, from the field's own gradients.

A vertex in each cell instead of one on each grid edge, where the tangent planes at the cell's edge crossings meet (Ju et
al. 2002); several in a cell that several sheets of the surface pass, as in dual marching cubes (Nielson 2004), so that
sheets stay apart; a quadrilateral round each crossed grid edge.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .cell_tables import CORNERS, EDGES, LEAF
from .grid import Band
from .refine import ValuesAndGradients, newton_refine

Array = NDArray[np.float64]
Index = NDArray[np.int64]

FLAT_EIGENVALUE = 0.05  # share of the largest eigenvalue below which a direction of the quadric is left to the mean


@cache
def sheets() -> NDArray[np.int8]:
    """(256, 12) For each set of negative corners (bit c: corner c) the sheet that each edge's crossing belongs to; -1: none.

    Crossings are joined across the cell's faces. A face with four of them is ambiguous: those beside the same negative
    corner are joined, on both sides of the face alike.
    """
    table = np.full((256, 12), -1, np.int8)
    faces = [[c for c in range(8) if CORNERS[c, axis] == side] for axis in range(3) for side in (0, 1)]
    for config in range(256):
        negative = [bool(config >> c & 1) for c in range(8)]
        crossed = [e for e, (a, b, _) in enumerate(EDGES) if negative[a] != negative[b]]
        parent = {e: e for e in crossed}

        def root(e: int, parent: dict[int, int] = parent) -> int:
            while parent[e] != e:
                e = parent[e]
            return e

        for face in faces:
            on = [e for e in crossed if EDGES[e, 0] in face and EDGES[e, 1] in face]
            if len(on) == 2:
                parent[root(on[0])] = root(on[1])
            elif len(on) == 4:
                for c in face:
                    if negative[c]:
                        first, second = (e for e in on if c in EDGES[e, :2])
                        parent[root(first)] = root(second)
        names = {r: i for i, r in enumerate(dict.fromkeys(root(e) for e in crossed))}
        for e in crossed:
            table[config, e] = names[root(e)]
    return table


def dual_contouring(band: Band, field: ValuesAndGradients) -> tuple[Array, Index, NDArray[np.float32], int]:
    """Triangles of the zero level set inside the band.

    Parameters
    ----------
    field : (n, 3) box coordinates -> values (n,), gradients (n, 3)

    Returns
    -------
    vertices : (n, 3) float64, box coordinates
    faces : (m, 3) int64
    normals : (n, 3) float32, unit; at a crease the mean of its sides
    evaluations : of the field and its gradient
    """
    grid = band.grid
    size = np.array(grid.cells, np.int64) + 1
    cells, corners = _crossed_cells(band)
    bits = ((corners < 0) << np.arange(8)).sum(1)
    sheet = sheets()[bits]  # (cells, 12)
    cell, edge = np.nonzero(sheet >= 0)
    # ---- Crossings: each grid edge once ------------------------------------------------------------------
    low, axis = cells[cell] + CORNERS[EDGES[edge, 0]], EDGES[edge, 2]
    key = (((low[:, 0] * size[1] + low[:, 1]) * size[2] + low[:, 2]) * 3 + axis).astype(np.int64)
    _, first, crossing = np.unique(key, return_index=True, return_inverse=True)
    f_low, f_high = corners[cell, EDGES[edge, 0]][first], corners[cell, EDGES[edge, 1]][first]
    at = low[first].astype(np.float64)
    at[np.arange(len(first)), axis[first]] += f_low / (f_low - f_high)
    points, normals, _, evaluations = newton_refine(field, grid.positions(at), grid.step, 1)

    # ---- A vertex for each sheet of each cell ------------------------------------------------------------
    most = int(sheet.max(initial=0)) + 1
    _, vertex = np.unique(cell * most + sheet[cell, edge], return_inverse=True)
    vertices = _meeting_points(vertex, points[crossing], normals[crossing].astype(np.float64))
    home = np.zeros((len(vertices), 3), np.int64)
    home[vertex] = cells[cell]
    vertices = np.clip(vertices, grid.positions(home), grid.positions(home + 1))
    total = np.stack([np.bincount(vertex, n, len(vertices)) for n in normals[crossing].T], 1)
    shown = (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)).astype(np.float32)

    # ---- A quadrilateral round each crossing --------------------------------------------------------------
    order = np.argsort(crossing, kind="stable")
    uses = np.bincount(crossing)
    start = np.cumsum(uses) - uses
    whole = np.flatnonzero(uses == 4)  # fewer: the edge of the grid, where the surface ends
    # The cells round an edge in order, counter-clockwise seen along the axis. Which of the four edges of that axis this is
    # to a cell says where the cell lies: the edge of offset (0, 0) is seen by the upper cell, of (1, 1) by the lower.
    place = {(1, 1): 0, (0, 1): 1, (0, 0): 2, (1, 0): 3}
    seat = np.array([place[CORNERS[c, (a + 1) % 3], CORNERS[c, (a + 2) % 3]] for c, _, a in EDGES])
    quads = np.empty((len(whole), 4), np.int64)
    for i in range(4):
        use = order[start[whole] + i]
        quads[np.arange(len(whole)), seat[edge[use]]] = vertex[use]
    backward = f_low[whole] > 0
    quads[backward] = quads[backward, ::-1]
    faces = _split(quads, vertices, normals[whole].astype(np.float64))
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    number = np.cumsum(used) - 1
    return vertices[used], number[faces], shown[used], evaluations


def _crossed_cells(band: Band) -> tuple[Index, NDArray[np.float32]]:
    """Cells (n, 3) that the level set passes, and f at their corners (n, 8)."""
    cells, corners = [], []
    for leaves in np.array_split(band.leaves, max(1, len(band.leaves) >> 17)):
        values = band.corner_values(leaves)
        for i, j, k in np.ndindex(LEAF, LEAF, LEAF):
            f = values[:, i : i + 2, j : j + 2, k : k + 2].reshape(-1, 8)
            mixed = (f < 0).any(1) & ~(f < 0).all(1)
            cells.append(leaves[mixed] * LEAF + (i, j, k))
            corners.append(f[mixed])
    return np.concatenate(cells), np.concatenate(corners)


def _meeting_points(vertex: Index, points: Array, normals: Array) -> Array:
    """(v, 3) For each vertex the point nearest to the tangent planes of its crossings, in the sense of least squares.

    Directions that the planes leave open keep the mean of the crossings: a plane gives that, a crease slides along itself.
    """
    n = int(vertex.max(initial=-1)) + 1

    def total(values: Array) -> Array:
        return np.stack([np.bincount(vertex, v, n) for v in values.T], 1)

    mean = total(points) / np.bincount(vertex, minlength=n)[:, None]
    outer = total((normals[:, :, None] * normals[:, None, :]).reshape(-1, 9)).reshape(-1, 3, 3)
    right = total(normals * ((points - mean[vertex]) * normals).sum(1, keepdims=True))
    size, axes = np.linalg.eigh(outer)
    keep = size > FLAT_EIGENVALUE * size[:, -1:]
    inverse = np.where(keep, 1 / np.where(keep, size, 1), 0)
    meeting: Array = mean + np.einsum("nij,nj,nkj,nk->ni", axes, inverse, axes, right)
    return meeting


def _split(quads: Index, vertices: Array, normals: Array) -> Index:
    """Quadrilaterals (q, 4) -> triangles (2q, 3), along the diagonal whose triangles face the crossing's normal better."""
    ways = np.stack([quads[:, [0, 1, 2, 0, 2, 3]], quads[:, [0, 1, 3, 1, 2, 3]]])
    worst = []
    for way in ways:
        a, b, c = vertices[way.reshape(-1, 3)].transpose(1, 0, 2)
        cross = np.cross(b - a, c - a)
        length = np.maximum(np.linalg.norm(cross, axis=1), 1e-300)
        facing = (cross * np.repeat(normals, 2, axis=0)).sum(1) / length
        worst.append(facing.reshape(-1, 2).min(1))
    chosen = np.where((worst[1] > worst[0])[:, None], ways[1], ways[0])
    return chosen.reshape(-1, 3)
