"""The field at the corners of the band's leaves: evaluated where the mesh depends on the value, known by its sign elsewhere.

Marching cubes needs a value at the ends of crossed edges and in ambiguous cells, and a sign everywhere else. A leaf has
3 x 3 x 3 corners. Its centre and the eight at its own ends are evaluated; where one of them is larger than the slope allows
for the way to a corner in between, that one has the same sign. What remains is evaluated, then the ends of edges between
opposite signs, until there are no more of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cell_tables import BLOCK, CORNERS, INNER, LEAF, LOW_CORNERS, PLACES, ambiguous
from .grid import Band, Values

Index = NDArray[np.int64]

LEAVES_AT_ONCE = 1 << 16  # bounds the memory of what is looked at of each
MIDDLES = (PLACES == 1).sum(1)  # (27,) coordinates of a corner in the middle of the leaf: 0 at its ends, 3 at its centre
CENTRE = int(np.flatnonzero(MIDDLES == 3)[0])
ENDS = np.flatnonzero(MIDDLES == 0)  # (8,)
# each of the 18 others: its place, the ends nearest to it, and its distances from those and from the centre, in cells
BETWEEN = [
    (int(m), ENDS[np.abs(PLACES[ENDS] - PLACES[m]).max(1) == 1], float(np.sqrt(MIDDLES[m])), float(np.sqrt(3 - MIDDLES[m])))
    for m in np.flatnonzero((MIDDLES == 1) | (MIDDLES == 2))
]
CELL_CORNERS = LOW_CORNERS[:, None] + LOW_CORNERS  # (8, 8) places of the corners of a leaf's cells


def evaluate_corners(band: Band, values: Values, leaves: Index, slope: float) -> tuple[NDArray[np.int32], Index]:
    """Enter what counts at the corners of ``leaves`` into the band: a value, or an infinity with the sign of the field.

    Parameters
    ----------
    leaves : (n, 3) of the band
    slope : bound on |grad f| near the surface

    Returns
    -------
    rows : (n, 8) `Band.rows` of the leaves
    turned : (k,) keys of the corner blocks in which a sign that the bound gave turned out to be another
    """
    rows = _add_blocks(band, leaves)
    todo = np.zeros(band.values.shape, bool)
    for part in _parts(rows):
        _mark(todo, part, [CENTRE, *ENDS.tolist()])
    _fill(band, values, todo)

    for part in _parts(rows):
        _enter_sure_signs(band, part, slope * band.grid.step)
    for part in _parts(rows):
        _mark(todo, part, [m for m, *_ in BETWEEN])
    _fill(band, values, todo & np.isnan(band.values))

    turned = [np.empty(0, np.int64)]
    while True:
        todo[:] = False
        for part in _parts(rows):
            cube = band.at(part)
            negative = cube < 0
            mixed = np.flatnonzero(negative.any(1) & ~negative.all(1))
            leaf, m = np.nonzero(_value_counts(negative[mixed]) & np.isinf(cube[mixed]))
            todo[part[mixed[leaf], BLOCK[m]], INNER[m]] = True
        if not todo.any():
            return rows, np.unique(np.concatenate(turned))
        turned.append(_fill(band, values, todo))


def evaluate_some(band: Band, values: Values, leaves: Index, slope: float) -> Index:
    """`evaluate_corners` at the cost of a few ``leaves`` and not of the whole band; the keys of what turned."""
    part = band.part(leaves)
    _, turned = evaluate_corners(part, values, leaves, slope)
    band.take(part)
    return turned


def _mark(todo: NDArray[np.bool_], rows: NDArray[np.int32], places: list[int]) -> None:
    """Set ``todo`` (q, 8) at those ``places`` of the 27 corners of each leaf."""
    for m in places:
        todo[rows[:, BLOCK[m]], INNER[m]] = True


def _enter_sure_signs(band: Band, rows: NDArray[np.int32], reach: float) -> None:
    """Where the centre or an end of a leaf is so large that f cannot change its sign on the way to a corner in between, enter
    that sign as an infinity. ``reach`` : what f changes by at most along the side of a cell
    """
    cube = band.at(rows)
    for m, near, apart, inward in BETWEEN:
        least, most = cube[:, near].min(1), cube[:, near].max(1)
        positive = (most > reach * apart) | (cube[:, CENTRE] > reach * inward)
        negative = (least < -reach * apart) | (cube[:, CENTRE] < -reach * inward)
        sure = (positive != negative) & np.isnan(cube[:, m])
        band.values[rows[sure, BLOCK[m]], INNER[m]] = np.where(positive[sure], np.float32(np.inf), -np.float32(np.inf))


def _value_counts(negative: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n, 27) Corners of leaves whose value counts, by the signs (n, 27) of all: ends of crossed edges, corners of ambiguous
    cells."""
    sign = negative.reshape(-1, 3, 3, 3)
    needed = np.zeros(sign.shape, bool)
    for axis in range(1, 4):
        lower, upper = ([slice(None)] * 4 for _ in range(2))
        lower[axis], upper[axis] = slice(0, 2), slice(1, 3)
        crossed = sign[tuple(lower)] != sign[tuple(upper)]
        needed[tuple(lower)] |= crossed
        needed[tuple(upper)] |= crossed
    flat = needed.reshape(-1, 27)
    for cell in CELL_CORNERS:
        open_ = np.flatnonzero(ambiguous()[(negative[:, cell] << np.arange(8)).sum(1)])
        flat[open_[:, None], cell] = True
    return flat


def _add_blocks(band: Band, leaves: Index) -> NDArray[np.int32]:
    """(n, 8) `Band.rows` of leaves (n, 3); the corner blocks that the band lacks of them are added, with nothing known."""
    keys = np.concatenate([band.key(leaves + o) for o in CORNERS])
    merged = np.sort(np.concatenate([band.keys, keys]))  # np.union1d hashes, which takes five times as long
    merged = merged[np.diff(merged, prepend=-2) > 0]
    held = np.full((len(merged), 8), np.nan, np.float32)
    held[np.searchsorted(merged, band.keys)] = band.values
    band.keys, band.values = merged, held
    return band.rows(leaves)


def _parts(rows: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    return [rows[start : start + LEAVES_AT_ONCE] for start in range(0, len(rows), LEAVES_AT_ONCE)]


def _fill(band: Band, values: Values, todo: NDArray[np.bool_]) -> Index:
    """Evaluate the corners that are ``todo`` (q, 8), unless the band holds their value; the keys of blocks in which a sign was
    not as held."""
    row, corner = np.nonzero(todo & ~np.isfinite(band.values))
    size = np.array(band.grid.cells, np.int64) // LEAF + 1
    base = np.stack(np.unravel_index(band.keys[row], size), 1)
    f = band.grid.off_zero(values(band.grid.positions(base * LEAF + CORNERS[corner])))
    was = band.values[row, corner]
    band.values[row, corner] = f
    band.evaluations += len(row)
    return band.keys[row[np.isinf(was) & ((was < 0) != (f < 0))]]
