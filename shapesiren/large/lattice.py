"""The lattice that all tiles of a run share, and what one tile has of it.

It has a whole number of cells in a tile, and its corners have the same coordinates and the same values whichever tile asks.
So the triangles of two tiles meet in the same vertices, and each of these has a key that both know: the edge of the lattice
that it lies on. Nothing is welded by distance.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..local.cells import HALF
from ..runtime.files import write_atomically
from ..surface.band_corners import evaluate_some
from ..surface.cell_tables import LEAF, PLACES
from ..surface.grid import Band, Grid
from ..surface.narrow_band import leaks
from .tiles import FOLDER, Tile

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MESH_PLAN = "mesh_plan.json"
ON_CORNER = 2e-5  # of a cell, from a corner's coordinate: vertices stay 1e-4 away unless they are on it


@dataclass(frozen=True)
class MeshPlan:
    """cells : of the lattice along a tile's side, even
    refine, fitted : as of `mesh`; trim : whether the surface ends where no point is
    level : of the tiles; only : names of the tiles that are wanted, None for all; box : two corners, box units, beyond which
        no cell of the lattice is wanted
    entered : leaves of the lattice, by tile, through which the surface comes from a tile beside it where no point shows it
    """

    cells: int
    refine: int
    fitted: bool
    trim: bool
    level: int
    only: list[str] | None = None
    box: list[float] | None = None
    entered: dict[str, list[list[int]]] = field(default_factory=dict)

    @property
    def step(self) -> float:
        """Side of a lattice cell, box units."""
        return 2 * HALF / (2**self.level * self.cells)

    def save(self, run: Path) -> None:
        write_atomically(run / FOLDER / MESH_PLAN, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def open(cls, run: Path) -> Self:
        """Raises InputError if there is none, or it is damaged."""
        path = run / FOLDER / MESH_PLAN
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as e:
            raise InputError(
                f"the plan of the mesh is missing or damaged ({e})", where=path, hint="mesh it again with --force"
            ) from None


@dataclass(frozen=True)
class TileGrid(Grid):
    """The part of the lattice that lies in one tile. first : (3,) its lowest corner, in cells of the whole lattice"""

    first: tuple[int, int, int] = (0, 0, 0)

    def positions(self, index: NDArray[np.generic]) -> Array:
        """By the place in the whole lattice, so that a corner has one position, to the last bit, in all tiles."""
        return -HALF + (np.asarray(self.first, np.float64) + np.asarray(index, np.float64)) * self.step

    @classmethod
    def of(cls, tile: Tile, plan: MeshPlan) -> Self:
        first = np.array(tile) * plan.cells
        origin = -HALF + first * plan.step
        return cls(tuple(origin.tolist()), plan.step, (plan.cells,) * 3, tuple(first.tolist()))


def leaves_of(grid: TileGrid, at: Array) -> Index:
    """(k, 3) The leaves of a tile's lattice that hold a point."""
    index = np.floor((at - grid.positions(np.zeros(3))) / (LEAF * grid.step)).astype(np.int64)
    index = index[((index >= 0) & (index < grid.cells[0] // LEAF)).all(1)]
    return unique_leaves(index, grid)


def unique_leaves(leaves: Index, grid: TileGrid) -> Index:
    side = grid.cells[0] // LEAF
    code = np.unique((leaves[:, 0] * side + leaves[:, 1]) * side + leaves[:, 2])
    return np.stack([code // side**2, code // side % side, code % side], 1)


def grow(
    grid: TileGrid, values: Callable[[Array], NDArray[np.float32]], seeds: Index, allowed: Callable[[Index], NDArray[np.bool_]]
) -> Band:
    """The leaves with points, and from there on all that the level set goes into."""
    seeds = seeds[((seeds >= 0) & (seeds < grid.cells[0] // LEAF)).all(1)]
    new = unique_leaves(seeds, grid)
    band, held = Band(grid, np.empty((0, 3), np.int64)), np.empty(0, np.int64)
    while len(new):
        held = band.add(new, held)
        # every corner is evaluated: a sign that a bound on the slope gave might be another one in the tile beside this
        evaluate_some(band, values, new, np.inf)
        new = leaks(band, held, new, band.rows(new))
        new = new[allowed(new)]
    band.leaves = band.leaves[np.argsort(band.key(band.leaves))]
    return band


def exits_of(band: Band, grid: TileGrid) -> tuple[Index, Index]:
    """Leaves beyond the tile that the level set goes into, and the tile's own at its sides, in leaves of the whole lattice."""
    last = grid.cells[0] // LEAF - 1
    first = np.array(grid.first) // LEAF
    rows = band.rows(band.leaves) if len(band.leaves) else np.empty((0, 8), np.int32)
    out = [np.empty((0, 3), np.int64)]
    for axis in range(3):
        for side, step, end in ((0, -1, 0), (2, 1, last)):
            at = np.flatnonzero(band.leaves[:, axis] == end)
            face = band.at(rows[at], np.flatnonzero(PLACES[:, axis] == side)) < 0
            beyond = band.leaves[at[face.any(1) & ~face.all(1)]].copy()
            beyond[:, axis] += step
            out.append(beyond)
    held = band.leaves[((band.leaves == 0) | (band.leaves == last)).any(1)]
    return np.concatenate(out) + first, held + first


def doubled_places(vertices: Array) -> Index:
    """Twice the coordinates of vertices (n, 3) in cells, odd inside of one: what they lie on, see `marching_cubes.weld`."""
    nearest = np.rint(vertices)
    whole = np.abs(vertices - nearest) < ON_CORNER
    doubled: Index = np.where(whole, 2 * nearest, 2 * np.floor(vertices) + 1).astype(np.int64)
    return doubled


def on_sides(band: Band, vertices: Array, doubled: Index, border: NDArray[np.bool_]) -> Array:
    """Vertices on edges at the tile's sides, placed by the values at the ends: marching cubes does it in float32, which cell
    comes first decides how, and two tiles must have the same."""
    odd = doubled % 2 == 1
    some = np.flatnonzero(border & (odd.sum(1) == 1))
    out = vertices.copy()
    if not len(some):
        return out
    axis = odd[some].argmax(1)
    low = doubled[some] // 2
    high = low.copy()
    high[np.arange(len(some)), axis] += 1
    a, b = (_corner(band, corner).astype(np.float64) for corner in (low, high))
    out[some] = low
    out[some, axis] = low[np.arange(len(some)), axis] + a / (a - b)
    return out


def _corner(band: Band, corner: Index) -> NDArray[np.float32]:
    """(n,) f at corners (n, 3) of the lattice that the band holds."""
    block = corner // LEAF
    row = np.searchsorted(band.keys, band.key(block))
    value: NDArray[np.float32] = band.values[row, (corner % LEAF) @ np.array([4, 2, 1])]
    return value


def keys_of_places(doubled: Index, level: int, cells: int) -> Index:
    """(n,) A number for each place (n, 3) of the doubled lattice of the whole run."""
    size = 2 * cells * 2**level + 1
    keys: Index = (doubled[:, 0] * size + doubled[:, 1]) * size + doubled[:, 2]
    return keys
