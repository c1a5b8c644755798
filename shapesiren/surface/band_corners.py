"""The field at the corners of the band's leaves: evaluated where the mesh depends on the value, known by its sign elsewhere.

Marching cubes needs a value at the ends of crossed edges and in ambiguous cells, and a sign everywhere else. The leaf's own
corners and its centre are evaluated; where one of them is larger than the slope allows for the way to another corner, that one
has its sign. What remains is evaluated, then the ends of edges between opposite signs, until there are no more of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .cell_tables import BLOCK, CORNERS, INNER, LOW_CORNERS, PLACES, ambiguous

if TYPE_CHECKING:
    from .narrow_band import Band, Values

Index = NDArray[np.int64]

PART = 1 << 16  # leaves at a time
ODD = (PLACES == 1).sum(1)  # coordinates in the middle of the leaf: 0 at its corners, 3 at its centre
CENTRE = int(np.flatnonzero(ODD == 3)[0])
OUTER = np.flatnonzero(ODD == 0)
# each corner between them: itself, the leaf's corners nearest to it, and its distances from those and from the centre, in cells
BETWEEN = [
    (m, OUTER[np.abs(PLACES[OUTER] - PLACES[m]).max(1) == 1], float(np.sqrt(ODD[m])), float(np.sqrt(3 - ODD[m])))
    for m in np.flatnonzero((ODD == 1) | (ODD == 2))
]
# the 8 cells of a leaf, each as its 8 corners
CELLS = LOW_CORNERS[:, None] + LOW_CORNERS


def evaluate_corners(band: Band, values: Values, leaves: Index, slope: float) -> tuple[NDArray[np.int32], bool]:
    """Settle the corners of ``leaves`` ((n, 3), of the band): a value, or an infinity with the sign of the field.

    Parameters
    ----------
    slope : bound on |grad f| near the surface

    Returns
    -------
    rows : `Band.rows` of the leaves
    turned : whether a sign that the bound gave turned out to be another
    """
    rows = _rows(band, leaves)
    reach = slope * band.grid.step
    todo = np.zeros(band.values.shape, bool)
    for part in _parts(rows):
        for m in (CENTRE, *OUTER):
            todo[part[:, BLOCK[m]], INNER[m]] = True
    _fill(band, values, todo)

    for part in _parts(rows):
        cube = band.at(part)
        for m, near, apart, inward in BETWEEN:
            least, most = cube[:, near].min(1), cube[:, near].max(1)
            positive = (most > reach * apart) | (cube[:, CENTRE] > reach * inward)
            negative = (least < -reach * apart) | (cube[:, CENTRE] < -reach * inward)
            sure = (positive != negative) & np.isnan(cube[:, m])
            band.values[part[sure, BLOCK[m]], INNER[m]] = np.where(positive[sure], np.float32(np.inf), -np.float32(np.inf))
    for part in _parts(rows):
        for m, *_ in BETWEEN:
            todo[part[:, BLOCK[m]], INNER[m]] = True
    _fill(band, values, todo & np.isnan(band.values))

    turned = False
    while True:
        todo[:] = False
        for part in _parts(rows):
            cube = band.at(part)
            negative = cube < 0
            mixed = np.flatnonzero(negative.any(1) & ~negative.all(1))
            leaf, m = np.nonzero(_needed(negative[mixed]) & np.isinf(cube[mixed]))
            todo[part[mixed[leaf], BLOCK[m]], INNER[m]] = True
        if not todo.any():
            return rows, turned
        turned |= _fill(band, values, todo)


def _needed(negative: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n, 27) Corners of leaves whose value counts, by the signs of all: ends of crossed edges, corners of ambiguous cells."""
    sign = negative.reshape(-1, 3, 3, 3)
    needed = np.zeros(sign.shape, bool)
    for axis in range(1, 4):
        lower, upper = ([slice(None)] * 4 for _ in range(2))
        lower[axis], upper[axis] = slice(0, 2), slice(1, 3)
        crossed = sign[tuple(lower)] != sign[tuple(upper)]
        needed[tuple(lower)] |= crossed
        needed[tuple(upper)] |= crossed
    flat = needed.reshape(-1, 27)
    for cell in CELLS:
        open_ = np.flatnonzero(ambiguous()[(negative[:, cell] << np.arange(8)).sum(1)])
        flat[open_[:, None], cell] = True
    return flat


def _rows(band: Band, leaves: Index) -> NDArray[np.int32]:
    """`Band.rows` of leaves, of which the band may lack corner blocks: they are added."""
    keys = np.concatenate([band.key(leaves + o) for o in CORNERS])
    merged = np.sort(np.concatenate([band.keys, keys]))  # np.union1d hashes, which takes five times as long
    merged = merged[np.diff(merged, prepend=-2) > 0]
    held = np.full((len(merged), 8), np.nan, np.float32)
    held[np.searchsorted(merged, band.keys)] = band.values
    band.keys, band.values = merged, held
    return band.rows(leaves)


def _parts(rows: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    return [rows[start : start + PART] for start in range(0, len(rows), PART)]


def _fill(band: Band, values: Values, todo: NDArray[np.bool_]) -> bool:
    """Evaluate the corners that are ``todo`` ((q, 8)), unless the band holds their value. True: a sign was not as held."""
    row, corner = np.nonzero(todo & ~np.isfinite(band.values))
    size = np.array(band.grid.cells, np.int64) // 2 + 1
    base = np.stack(np.unravel_index(band.keys[row], size), 1)
    f = band.off_zero(values(band.grid.positions(base * 2 + CORNERS[corner])))
    was = band.values[row, corner]
    band.values[row, corner] = f
    band.evaluations += len(row)
    return bool((np.isinf(was) & ((was < 0) != (f < 0))).any())
