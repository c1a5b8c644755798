"""Marching cubes on the narrow band, tile by tile, and on the whole grid (the readable twin).

Both use scikit-image's Lewiner marching cubes (Lewiner et al. 2003), so that ambiguous cells are resolved
the same way and the two differ in memory and time alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from .cell_tables import CORNERS, LEAF, PLACES
from .grid import Band, Grid, Values

TILE = 16  # leaves along a tile's side: scikit-image sees (TILE * LEAF + 1)^3 corners at a time

Triangles = tuple[NDArray[np.float64], NDArray[np.int64]]  # vertices in grid indices (n, 3), faces (m, 3)


def _march(volume: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> Triangles:
    """One volume -> vertices in index coordinates and faces whose normals point to larger values."""
    vertices, faces, _, _ = marching_cubes(volume, 0.0, mask=mask, gradient_direction="descent")
    return vertices.astype(np.float64), faces.astype(np.int64)


def sparse_marching_cubes(band: Band) -> Triangles:
    """Triangles of the zero level set inside the band, seams between tiles welded.

    Returns
    -------
    vertices : (n, 3) float64, in grid indices
    faces : (m, 3) int64
    """
    tiles = band.leaves // TILE
    counts = tiles.max(0, initial=0) + 1
    tile_key = (tiles[:, 0] * counts[1] + tiles[:, 1]) * counts[2] + tiles[:, 2]
    order = np.argsort(tile_key, kind="stable")
    ends = np.flatnonzero(np.r_[tile_key[order][1:] != tile_key[order][:-1], True]) + 1
    rows = band.rows(band.leaves)
    side = TILE * LEAF
    strides = np.array([(side + 1) ** 2, side + 1, 1])
    corner_places = PLACES @ strides
    cell_places = (CORNERS + 1) @ strides  # scikit-image takes a cell's mask at its upper corner
    all_vertices: list[NDArray[np.float64]] = []
    all_faces: list[NDArray[np.int64]] = []
    start, shift = 0, 0
    for end in ends.tolist() if len(order) else []:
        part = order[start:end]
        leaves, corners = band.leaves[part], band.at(rows[part]).clip(-1, 1)  # where only the sign is known, infinite
        start = end
        negative = corners < 0
        if negative.all() or not negative.any():
            continue
        base = leaves[0] // TILE * TILE
        volume = np.ones((side + 1) ** 3, np.float32)
        mask = np.zeros((side + 1) ** 3, bool)
        low = ((leaves - base) * LEAF) @ strides
        volume[low[:, None] + corner_places] = corners
        mask[low[:, None] + cell_places] = True
        try:
            vertices, faces = _march(volume.reshape((side + 1,) * 3), mask.reshape((side + 1,) * 3))
        except RuntimeError:  # "No surface found": the sign changes between leaves, not inside one
            continue
        all_vertices.append(vertices + base * LEAF)
        all_faces.append(faces + shift)
        shift += len(vertices)
    if not all_faces:
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    return weld(np.concatenate(all_vertices), np.concatenate(all_faces), band.grid)


def dense_marching_cubes(values: Values, grid: Grid) -> Triangles:
    """The twin of `narrow_band` and `sparse_marching_cubes`: every corner of the grid is evaluated."""
    shape = tuple(c + 1 for c in grid.cells)
    volume = np.empty(shape, np.float32)
    plane = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij"), -1).reshape(-1, 2)
    for i in range(shape[0]):
        index = np.concatenate([np.full((len(plane), 1), i), plane], 1)
        volume[i] = grid.off_zero(values(grid.positions(index)).reshape(shape[1:]))
    if not (volume.min() < 0 < volume.max()):
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    vertices, faces = _march(volume)
    return weld(vertices, faces, grid)


def weld(vertices: NDArray[np.float64], faces: NDArray[np.int64], grid: Grid) -> Triangles:
    """Merge vertices that lie on the same grid edge, at the seams between tiles: inside one there are no two.

    A vertex of marching cubes lies inside one edge (two integer indices, one fraction) or, in Lewiner's
    ambiguous cases, inside a cell. Doubling the index and making fractions odd gives each of them a key
    that both sides of a seam compute alike.
    """
    nearest = np.rint(vertices)
    whole = np.abs(vertices - nearest) < 2e-5  # corners stay 1e-4 of a cell away from the level set
    seam = np.flatnonzero((whole & (nearest.astype(np.int32) % (TILE * LEAF) == 0)).any(1))
    doubled = np.where(whole[seam], 2 * nearest[seam], 2 * np.floor(vertices[seam]) + 1).astype(np.int64)
    size = 2 * np.array(grid.cells, np.int64) + 1
    key = (doubled[:, 0] * size[1] + doubled[:, 1]) * size[2] + doubled[:, 2]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    kept = np.ones(len(vertices), bool)
    kept[seam] = False
    kept[seam[first]] = True
    number = np.cumsum(kept) - 1
    number[seam] = number[seam[first]][inverse]
    faces = number[faces]
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return vertices[kept], faces[distinct]
