"""The narrow band: which grid corners the surface can reach, and the field's values there.

A coarse grid of blocks is descended like an octree: a block is kept when |f(centre)| <= slope * half
diagonal, where ``slope`` is a measured bound on |grad f| with a margin, and split into eight until it
spans `LEAF` cells (fogleman/sdf's `_skip`, made hierarchical). The last cut, which decides the cost, is made
with the slope that the field has there. The corners of the kept leaves are evaluated once each; a leaf's
centre is one of them. Where the level set leaves the band through a leaf's face, the neighbour is added,
until it no longer does: a surface that was found is never cut, whatever the bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import RunError
from .band_corners import evaluate_corners
from .cell_tables import BLOCK, CORNERS, INNER, PLACES

LEAF = 2  # cells along a leaf's side
LOCAL = 2  # blocks of up to so many leaves along a side are cut by the slope that the field has there
Values = Callable[[NDArray[np.float64]], NDArray[np.float32]]  # (n, 3) box coordinates -> (n,)
LocalSlope = Callable[[NDArray[np.float64]], float]  # (n, 3) box coordinates -> bound on |grad f| near them


@dataclass(frozen=True)
class Grid:
    """A regular grid of cubic cells in box coordinates.

    origin : (3,) position of corner (0, 0, 0)
    step : side of a cell
    cells : (3,) number of cells along each axis
    """

    origin: tuple[float, float, float]
    step: float
    cells: tuple[int, int, int]

    @classmethod
    def covering(cls, low: NDArray[np.float64], high: NDArray[np.float64], resolution: int) -> Grid:
        """The grid over [low, high] with ``resolution`` cells along its longest side.

        The other sides are rounded up to whole leaves, so that every cell belongs to a leaf.
        """
        low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        step = float((high - low).max() / resolution)
        cells = np.maximum(LEAF, np.ceil((high - low) / step - 1e-9).astype(int))
        cells = -(-cells // LEAF) * LEAF
        origin = (low + high) / 2 - cells * step / 2
        return cls(tuple(origin.tolist()), step, tuple(cells.tolist()))

    def positions(self, index: NDArray[np.generic]) -> NDArray[np.float64]:
        """(n, 3) grid indices (integers or fractions) -> (n, 3) box coordinates."""
        return np.asarray(self.origin) + np.asarray(index, np.float64) * self.step


@dataclass
class Band:
    """The evaluated part of a grid.

    leaves : (b, 3) int64, leaf coordinates (in units of LEAF cells), sorted by key
    keys : (q,) int64, sorted keys of the leaf-sized corner blocks that hold values
    values : (q, 8) float32, f at the 2 x 2 x 2 lower corners of each; NaN where not evaluated
    evaluations : field evaluations spent, the descent included
    """

    grid: Grid
    leaves: NDArray[np.int64]
    keys: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    values: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 8), np.float32))
    evaluations: int = 0

    def key(self, leaves: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n, 3) leaf coordinates -> (n,) keys, ordered like the coordinates; -1 lies outside."""
        size = np.array(self.grid.cells, np.int64) // LEAF + 1  # one more: corner blocks at the far faces
        outside = ((leaves < 0) | (leaves >= size)).any(1)
        key = (leaves[:, 0] * size[1] + leaves[:, 1]) * size[2] + leaves[:, 2]
        return np.where(outside, -1, key)

    def off_zero(self, f: NDArray[np.float32]) -> NDArray[np.float32]:
        """``f`` with a hair's distance from zero: a corner on the level set puts vertices of several edges in one place."""
        hair = np.float32(1e-4 * self.grid.step)
        return np.where(np.abs(f) < hair, np.where(f < 0, -hair, hair), f)

    def rows(self, leaves: NDArray[np.int64]) -> NDArray[np.int32]:
        """(n, 3) kept leaves -> (n, 8) where the band holds their corner blocks; quickest in the order of their keys."""
        return np.stack([np.searchsorted(self.keys, self.key(leaves + o)).astype(np.int32) for o in CORNERS], 1)

    def at(self, rows: NDArray[np.int32], places: slice | NDArray[np.int64] = slice(None)) -> NDArray[np.float32]:
        """(n, 8) `rows` of leaves -> (n, 27) what is known of f at all their corners, or at those ``places`` of the 27."""
        index = rows[:, BLOCK[places]].astype(np.int64) * 8 + INNER[places]
        return np.take(self.values, index)

    def corner_values(self, leaves: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, 3) kept leaves -> (n, 3, 3, 3) f at all their corners."""
        return self.at(self.rows(leaves)).reshape(-1, 3, 3, 3)


def _descend(
    values: Values, grid: Grid, slope: float, local_slope: LocalSlope | None
) -> tuple[NDArray[np.int64], NDArray[np.float32], float, int]:
    """Leaves that the level set can reach, f at their centres, a bound on |grad f| near them, and the evaluations spent."""
    size = LEAF
    while size * 24 < max(grid.cells):
        size *= 2
    counts = [-(-c // size) for c in grid.cells]
    blocks = np.stack(np.meshgrid(*[np.arange(c) for c in counts], indexing="ij"), -1).reshape(-1, 3).astype(np.int64)
    evaluations = 0
    while True:
        centres = grid.positions((blocks + 0.5) * size)
        f = values(centres)
        evaluations += len(blocks)
        reach = np.sqrt(3) / 2 * size * grid.step
        near = np.abs(f) <= slope * reach
        if local_slope is not None and size <= LOCAL * LEAF and near.any():
            slope = min(slope, local_slope(centres[near]))
            near = np.abs(f) <= slope * reach
        if size == LEAF:
            return blocks[near], f[near], slope, evaluations
        blocks = blocks[near]
        size //= 2
        blocks = (2 * blocks[:, None] + CORNERS).reshape(-1, 3)
        blocks = blocks[(blocks * size < np.array(grid.cells)).all(1)]


def _hold(band: Band, leaves: NDArray[np.int64], centres: NDArray[np.float32]) -> None:
    """Enter the centres' values of ``leaves`` into an empty band: the last of a corner block's 2 x 2 x 2."""
    key = band.key(leaves)
    order = np.argsort(key)
    band.keys, band.values = key[order], np.full((len(key), 8), np.nan, np.float32)
    band.values[:, 7] = band.off_zero(centres[order])


def _leaks(band: Band, leaves: NDArray[np.int64], rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """Neighbours of ``leaves`` (with their `Band.rows`), not in the band, that the level set enters through a shared face."""
    inner = np.array(band.grid.cells, np.int64) // LEAF
    held = np.sort(band.key(band.leaves))
    out = []
    for axis in range(3):
        for side, step in ((0, -1), (2, 1)):
            neighbour = leaves.copy()
            neighbour[:, axis] += step
            at = (neighbour[:, axis] >= 0) & (neighbour[:, axis] < inner[axis])
            key = band.key(neighbour)
            at &= held[np.minimum(np.searchsorted(held, key), len(held) - 1)] != key
            for part in np.array_split(np.flatnonzero(at), max(1, at.sum() >> 17)):
                face = band.at(rows[part], np.flatnonzero(PLACES[:, axis] == side)) < 0
                out.append(neighbour[part[face.any(1) & ~face.all(1)]])
    return np.unique(np.concatenate(out), axis=0)


def narrow_band(
    values: Values, grid: Grid, slope: float, max_leaves: int | None = None, local_slope: LocalSlope | None = None
) -> Band:
    """Find and evaluate the part of ``grid`` that the zero level set of ``values`` can reach.

    Parameters
    ----------
    values : callable, (n, 3) box coordinates -> (n,) float32
    slope : bound on |grad f|, margin included
    max_leaves : give up beyond this many leaves
    local_slope : measures a bound on |grad f| near given points, for the last cut; ``slope`` if not given

    Raises
    ------
    RunError : the level set fills more than ``max_leaves`` leaves, as it does when a fit has failed
    """
    leaves, centres, bound, spent = _descend(values, grid, slope, local_slope)
    band = Band(grid, leaves, evaluations=spent)
    _hold(band, leaves, centres)
    new = leaves
    while len(new):
        if max_leaves is not None and len(band.leaves) > max_leaves:
            raise RunError(
                "the zero level set fills much of the box: this is no surface",
                where="mesh",
                hint="the fit has failed or is far from done; look at its loss, fit longer or with a lower fit.learning_rate",
            )
        rows, turned = evaluate_corners(band, values, new, bound)
        if turned:
            new = band.leaves  # a sign was not what the bound said: corners of other leaves may count now
            rows, _ = evaluate_corners(band, values, new, np.inf)
        new = _leaks(band, new, rows)
        band.leaves = np.concatenate([band.leaves, new])
    band.leaves = band.leaves[np.argsort(band.key(band.leaves))]
    return band
