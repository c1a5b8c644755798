"""A regular grid of cells, and the narrow band: the part of it at which the field is known.

The band holds values leaf by leaf. A leaf is a block of 2 x 2 x 2 cells and has 3 x 3 x 3 corners; these lie in the eight
*corner blocks* of 2 x 2 x 2 corners that begin at its own place and at its upper neighbours'. Each block is stored once, under
its key, so that leaves share the corners they have in common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .cell_tables import BLOCK, CORNERS, INNER, LEAF

Values = Callable[[NDArray[np.float64]], NDArray[np.float32]]  # (n, 3) box coordinates -> f there, (n,)

HAIR = 1e-4  # of a cell: how far from zero a corner's value is kept


@dataclass(frozen=True)
class Grid:
    """A regular grid of cubic cells in box coordinates.

    origin : (3,) position of corner (0, 0, 0)
    step : side of a cell, in box units
    cells : (3,) number of cells along each axis, whole leaves
    """

    origin: tuple[float, float, float]
    step: float
    cells: tuple[int, int, int]

    @classmethod
    def covering(cls, low: NDArray[np.float64], high: NDArray[np.float64], resolution: int) -> Grid:
        """The grid over the box from ``low`` (3,) to ``high`` (3,) with ``resolution`` cells along its longest side.

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

    def off_zero(self, f: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values ``f`` at corners, none closer to zero than `HAIR` of a cell.

        A corner that lies on the level set would put the vertices of all its edges in one place.
        """
        hair = np.float32(HAIR * self.step)
        return np.where(np.abs(f) < hair, np.where(f < 0, -hair, hair), f)

    def reached_by(self, positions: NDArray[np.float64]) -> bool:
        """Whether any of (n, 3) box ``positions`` lies on the outside of the grid, within a hundredth of a cell."""
        low, high = self.positions(np.zeros(3)), self.positions(np.array(self.cells))
        near = 0.01 * self.step
        return bool(((positions < low + near) | (positions > high - near)).any())


@dataclass
class Band:
    """The part of a grid at which the field is known.

    leaves : (b, 3) int64, coordinates of leaves in units of `LEAF` cells, sorted by key
    keys : (q,) int64, sorted keys of the corner blocks that hold values
    values : (q, 8) float32, f at the corners of each block, in the order of `CORNERS`; an infinity where only the sign is
        known, NaN where nothing is
    evaluations : of the field, those of the descent included
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

    def rows(self, leaves: NDArray[np.int64]) -> NDArray[np.int32]:
        """(n, 3) leaves of the band -> (n, 8) the rows of ``values`` that hold the corner blocks at a leaf's place and at its
        upper neighbours', in the order of `CORNERS`. Quickest where the leaves are sorted by key."""
        return np.stack([np.searchsorted(self.keys, self.key(leaves + o)).astype(np.int32) for o in CORNERS], 1)

    def at(self, rows: NDArray[np.int32], places: slice | NDArray[np.int64] = slice(None)) -> NDArray[np.float32]:
        """(n, 8) `rows` of leaves -> (n, 27) f at all their corners, in the order of `PLACES`, or (n, k) at the corners
        ``places`` (k,) of the 27."""
        index = rows[:, BLOCK[places]].astype(np.int64) * 8 + INNER[places]
        return np.take(self.values, index)

    def corner_values(self, leaves: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, 3) leaves of the band -> (n, 3, 3, 3) f at all their corners."""
        return self.at(self.rows(leaves)).reshape(-1, 3, 3, 3)

    def part(self, leaves: NDArray[np.int64]) -> Band:
        """A band of ``leaves`` (n, 3) alone, with what this one holds at their corners."""
        keys = np.unique(np.concatenate([self.key(leaves + o) for o in CORNERS]))
        row, held = self._row_of(keys)
        return Band(self.grid, leaves, keys[held], self.values[row[held]])

    def take(self, part: Band) -> None:
        """Hold at corners what a `part` of this band, evaluated since, holds there."""
        row, held = self._row_of(part.keys)
        self.values[row[held]] = part.values[held]
        if not held.all():
            self.keys = np.insert(self.keys, row[~held], part.keys[~held])
            self.values = np.insert(self.values, row[~held], part.values[~held], axis=0)
        self.evaluations += part.evaluations

    def _row_of(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(n,) Where sorted ``keys`` (n,) of corner blocks are, or belong, among the band's; and whether they are there."""
        row = np.searchsorted(self.keys, keys)
        held = np.zeros(len(keys), bool)
        inside = row < len(self.keys)
        held[inside] = self.keys[row[inside]] == keys[inside]
        return row, held

    def add(self, leaves: NDArray[np.int64], held: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add ``leaves`` (n, 3), sorted by their keys, to those of the band, of which ``held`` (b,) are the sorted keys; gives
        those of all."""
        self.leaves = np.concatenate([self.leaves, leaves])
        key = self.key(leaves)
        return np.insert(held, np.searchsorted(held, key), key)

    def crosses_zero(self) -> bool:
        """Whether f has both signs in the band."""
        f = self.values[~np.isnan(self.values)]
        return bool(len(f) and f.min() < 0 < f.max())
