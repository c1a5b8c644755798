"""Normals of noisy points, each of as wide a neighbourhood as the surface is flat there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ...runtime.kdtree import KDTree
from ..cloud import random_rows

Array = NDArray[np.float64]

REACH_GROWTH = 2**0.5  # from one reach to the next
MAX_REACH = 0.17  # of the longest side
MAX_DIFFERENCE = 2.0  # mean squared difference, of that which noise alone makes, from which a wider plane has lost something
MAX_DIFFERENCE_OF_POINT = 25.0  # that one point counts for in it
UNNOTICED_ANGLE = 1e-5  # squared angle that no fit notices: .2 degrees
# standard deviation of the directions, in radians, up to which noise does to them what it does to first order
ROUGH_DIRECTIONS = 0.15
MIN_POINTS = 8.0  # points without which a plane has no direction
MAX_PLANES = 200_000  # at which planes are fitted; others take that of the nearest
TINY = 1e-100
POOLED_CELLS = 8  # cells over which the squared differences are averaged
CELLS_TO_REACH, MAX_CELLS = 3.0, 64  # to a reach; that a plane is fitted to at most
PLANES_AT_ONCE = 50_000  # planes; bounds the memory
UPPER = np.triu_indices(3)  # of a symmetric matrix


class Planes(NamedTuple):
    """normals : (n, 3) unit, of either sign
    variance : (n,) of their direction, squared radians, that noise of standard deviation 1 makes; infinite of too few points
    number : (n,) of the points that each was fitted to
    """

    normals: Array
    variance: Array
    number: Array


def planes(points: Array, at: Array, reach: float) -> Planes:
    """Planes through the points (n, 3) within ``reach`` of those ``at`` (m, 3), nearer ones weighing more (Epanechnikov).

    Fitted to the moments of cells a third of the reach wide, so the cost does not grow with the number of neighbours.
    """
    middle = points.mean(0)  # of coordinates that are large beside the reach the squares would lose theirs
    points, at = points - middle, at - middle
    cell = cells(points, reach / CELLS_TO_REACH)
    moments = [np.ones(len(points)), *points.T, *(points[:, a] * points[:, b] for a, b in zip(*UPPER, strict=True))]
    sums: Array = np.stack([np.bincount(cell, m) for m in moments], 1).astype(np.float64)
    tree = KDTree(sums[:, 1:4] / sums[:, :1])
    parts = [_planes(sums, tree, at[i : i + PLANES_AT_ONCE], reach) for i in range(0, len(at), PLANES_AT_ONCE)]
    return Planes(*(np.concatenate(p) for p in zip(*parts, strict=True)))


def _planes(sums: Array, tree: KDTree, at: Array, reach: float) -> Planes:
    """`planes` of the cells whose moments are ``sums`` (k, 10) and whose centres are in the ``tree``."""
    nearest = np.arange(1, min(MAX_CELLS, len(sums)) + 1)
    distance, near = tree.query(at, nearest, distance_upper_bound=reach)
    found = np.isfinite(distance)
    starts = np.concatenate([[0], np.cumsum(found.sum(1))])
    weight_of, cell = 1 - (distance[found] / reach) ** 2, near[found]

    def over(weights: Array, values: Array) -> Array:
        return np.asarray(csr_matrix((weights, cell, starts), (len(at), len(sums))) @ values)

    total = over(weight_of, sums)
    weight = np.maximum(total[:, :1], TINY)
    mean = total[:, 1:4] / weight
    covariance = np.empty((len(at), 3, 3))
    covariance[:, UPPER[0], UPPER[1]] = covariance[:, UPPER[1], UPPER[0]] = total[:, 4:] / weight
    covariance -= mean[:, :, None] * mean[:, None, :]
    spread, axes = np.linalg.eigh(covariance)
    effective = total[:, 0] ** 2 / np.maximum(over(weight_of**2, sums[:, 0]), TINY)
    variance = (1 / np.maximum(spread[:, 1:], TINY)).sum(1) / np.maximum(effective, TINY)
    number = over(np.ones_like(weight_of), sums[:, 0])
    return Planes(np.ascontiguousarray(axes[:, :, 0]), np.where(effective < MIN_POINTS, np.inf, variance), number)


def adaptive_normals(points: Array, noise: float | Array, reach: float) -> tuple[Array, int]:
    """Normals (n, 3), of either sign, of the widest planes that differ from all narrower ones by no more than noise explains.

    The scale is chosen as Lepski (1991) does (Mitra, Nguyen and Guibas 2004 take it from the curvature). The differences are
    averaged over the cells round each point before they are judged: of one point alone they say little.

    Parameters
    ----------
    points : (n, 3)
    noise : standard deviation of the positions, of all or of each (n,)
    reach : of the narrowest planes; wider ones are taken to begin with if these have no direction; same unit

    Returns
    -------
    normals : (n, 3) unit; not a number for points that too few others are near to
    count : points that a plane was fitted to, the median
    """
    at, power = points, np.broadcast_to(np.square(noise), len(points))
    if len(points) > MAX_PLANES:
        some = random_rows(len(points), MAX_PLANES, 0)
        at, power = points[some], power[some]
    best, count = np.full(at.shape, np.nan), np.full(len(at), np.nan)
    pool = _Pool(at, reach)
    open_ = np.arange(len(at))  # those whose planes may still become wider
    tried: list[Planes] = []
    widest = MAX_REACH * float(np.ptp(points, 0).max())
    while len(open_) and (reach <= widest or not tried):
        now = planes(points, at[open_], reach)
        reach *= REACH_GROWTH
        if not tried and np.median(power * now.variance) > ROUGH_DIRECTIONS**2 and reach <= widest:
            continue
        good = np.ones(len(open_), bool)
        for before in tried:
            known = np.isfinite(before.variance)
            extra = power[open_][known] * (before.variance[known] - now.variance[known])
            differs = 2 - 2 * np.abs((now.normals * before.normals)[known].sum(1))
            share = np.minimum(differs / np.maximum(extra, UNNOTICED_ANGLE), MAX_DIFFERENCE_OF_POINT)
            good &= pool.mean(open_[known], share)[open_] <= MAX_DIFFERENCE
        told = good & np.isfinite(now.variance)
        best[open_[told]], count[open_[told]] = now.normals[told], now.number[told]
        open_ = open_[good]
        tried = [Planes(*(a[good] for a in t)) for t in (*tried, now)]
    if at is not points:
        best = best[KDTree(at).query(points)[1]]
    return best, 0 if np.isnan(count).all() else int(np.nanmedian(count))


class _Pool:
    """Averages over the cells, ``size`` wide, that are nearest to each of some points (n, 3)."""

    def __init__(self, points: Array, size: float) -> None:
        self.cell = cells(points, size)
        count = np.bincount(self.cell)
        centres = np.stack([np.bincount(self.cell, x) for x in points.T], 1) / count[:, None]
        self.near = KDTree(centres).query(centres, np.arange(1, min(POOLED_CELLS, len(count)) + 1))[1]

    def mean(self, index: NDArray[np.int64], values: Array) -> Array:
        """Of ``values`` (m,) of the points ``index`` (m,), round each of all points; 0 where there are none. (n,)"""
        cell = self.cell[index]
        count, total = (np.bincount(cell, w, len(self.near))[self.near].sum(1) for w in (None, values))
        return np.asarray((total / np.maximum(count, 1))[self.cell])


def cells(points: Array, size: float) -> NDArray[np.int64]:
    """(n,) numbers, from 0, of the cubes of edge ``size`` that hold the points (n, 3)."""
    # numbered along each axis first: a few points far away would make a grid that no integer can count
    place = [np.unique(np.floor((x - x.min()) / size), return_inverse=True)[1] for x in points.T]
    flat = np.ravel_multi_index(tuple(place), tuple(int(p.max()) + 1 for p in place))
    return np.asarray(np.unique(flat, return_inverse=True)[1])
