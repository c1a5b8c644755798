"""The narrow band is built here: the leaves that the level set can reach, and the field at their corners.

A coarse grid of blocks is descended like an octree: a block is kept when |f(centre)| <= slope * half diagonal, where ``slope``
is a measured bound on |grad f| with a margin, and split into eight until it spans `LEAF` cells (fogleman/sdf's `_skip`, made
hierarchical). The last cuts, which decide the cost, are made with the slope that the field has near the surface. What counts
at the corners of the kept leaves is evaluated (`band_corners.py`); a leaf's centre is one of them. Where the level set leaves
the band through a leaf's face, the neighbour is added, until it no longer does: a surface that was found is never cut,
whatever the bound.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..errors import RunError
from ..runtime.working import working_at
from .band_corners import evaluate_corners, evaluate_some
from .cell_tables import CORNERS, LEAF, PLACES
from .grid import Band, Grid, Values

DESCENT_SHARE = 0.15  # of the time of a mesh, until the blocks are found that are evaluated in full
COARSEST_BLOCKS = 24  # along the longest side, at most, where the descent begins
LOCAL_SLOPE_LEAVES = 2  # blocks of up to so many leaves along a side are cut by the slope that the field has there

LocalSlope = Callable[[NDArray[np.float64]], float]  # (n, 3) box coordinates -> bound on |grad f| near them


def _descend(
    values: Values, grid: Grid, slope: float, local_slope: LocalSlope | None
) -> tuple[NDArray[np.int64], NDArray[np.float32], float, int]:
    """Leaves (n, 3) that the level set can reach, f at their centres (n,), a bound on |grad f| near them, evaluations spent."""
    size = LEAF  # of a block, in cells
    while size * COARSEST_BLOCKS < max(grid.cells):
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
        if local_slope is not None and size <= LOCAL_SLOPE_LEAVES * LEAF and near.any():
            slope = min(slope, local_slope(centres[near]))
            near = np.abs(f) <= slope * reach
        if size == LEAF:
            return blocks[near], f[near], slope, evaluations
        blocks = blocks[near]
        size //= 2
        blocks = (2 * blocks[:, None] + CORNERS).reshape(-1, 3)
        blocks = blocks[(blocks * size < np.array(grid.cells)).all(1)]


def _enter_centres(band: Band, leaves: NDArray[np.int64], centres: NDArray[np.float32]) -> None:
    """Enter f at the ``centres`` (n,) of ``leaves`` (n, 3) into an empty band: a centre is the last corner of its block."""
    key = band.key(leaves)
    order = np.argsort(key)
    band.keys, band.values = key[order], np.full((len(key), 8), np.nan, np.float32)
    band.values[:, 7] = band.grid.off_zero(centres[order])


def leaks(band: Band, held: NDArray[np.int64], leaves: NDArray[np.int64], rows: NDArray[np.int32]) -> NDArray[np.int64]:
    """(k, 3) Neighbours of ``leaves`` (n, 3), not in the band, that the level set enters through a shared face.

    held : (b,) keys of the band's leaves, sorted
    rows : (n, 8) `Band.rows` of the leaves
    """
    inner = np.array(band.grid.cells, np.int64) // LEAF
    out = []
    for axis in range(3):
        for side, step in ((0, -1), (2, 1)):
            neighbour = leaves.copy()
            neighbour[:, axis] += step
            at = (neighbour[:, axis] >= 0) & (neighbour[:, axis] < inner[axis])
            key = band.key(neighbour)
            at &= ~_among(held, key)
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
    values : (n, 3) box coordinates -> f there, (n,) float32
    slope : bound on |grad f|, margin included
    max_leaves : give up beyond this many leaves
    local_slope : measures a bound on |grad f| near given points, for the last cut; ``slope`` if not given

    Raises
    ------
    RunError : the level set fills more than ``max_leaves`` leaves, as it does when a fit has failed
    """
    leaves, centres, bound, spent = _descend(values, grid, slope, local_slope)
    working_at("the cells on the level set", DESCENT_SHARE)
    band = Band(grid, leaves, evaluations=spent)
    _enter_centres(band, leaves, centres)
    _refuse_more_than(max_leaves, band)
    if not len(leaves):
        return band
    new, held = leaves, np.sort(band.key(leaves))
    rows, turned = evaluate_corners(band, values, leaves, bound)
    while len(new):
        others = []
        while len(turned):  # a sign was not what the bound said: other corners of the leaves that it belongs to may count now
            others.append(_leaves_at(band, held, turned))
            turned = evaluate_some(band, values, others[-1], np.inf)
        found = [leaks(band, held, new, rows), *(leaks(band, held, some, band.rows(some)) for some in others)]
        new = np.unique(np.concatenate(found), axis=0)
        held = band.add(new, held)
        _refuse_more_than(max_leaves, band)
        turned, rows = evaluate_some(band, values, new, bound), band.rows(new)
    band.leaves = band.leaves[np.argsort(band.key(band.leaves))]
    return band


def _refuse_more_than(max_leaves: int | None, band: Band) -> None:
    if max_leaves is not None and len(band.leaves) > max_leaves:
        raise RunError(
            "the zero level set fills much of the box: this is no surface",
            where="mesh",
            hint="the fit has failed or is far from done; look at its loss, fit longer or with a lower fit.learning_rate",
        )


def _leaves_at(band: Band, held: NDArray[np.int64], blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k, 3) Leaves of the band that have corners in corner blocks of these keys (n,); ``held`` as of `leaks`."""
    size = np.array(band.grid.cells, np.int64) // LEAF + 1
    leaves = np.unique((np.stack(np.unravel_index(blocks, size), 1)[:, None] - CORNERS).reshape(-1, 3), axis=0)
    return leaves[_among(held, band.key(leaves))]


def _among(held: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of ``keys`` (n,) are among ``held`` (b,), sorted."""
    found: NDArray[np.bool_] = held[np.minimum(np.searchsorted(held, keys), len(held) - 1)] == keys
    return found
