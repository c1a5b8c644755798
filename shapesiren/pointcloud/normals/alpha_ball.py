"""Sides of a closed surface from what can be reached from outside it: for sheets too close for anything else to tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]

RADII_IN_SPACINGS = 4.0, 6.0, 10.0  # radii of the ball, in spacings: random samples of a surface leave gaps of four and more
MIN_RADIUS_IN_NOISES = 3.0  # the least of them, of the noise
CELLS_TO_RADIUS, MAX_CELLS = 2.0, 192  # to a radius; along the longest side
CELLS_AHEAD = 0.5, 1.0, 1.5  # cells beyond the radius at which is looked for the outside
MIN_COSINE = 0.3  # |cosine| between a normal and the way out below which it is on neither side
CLEAR_RATIO = 3.0  # times as many points with the outside on one side as on both: else the ball has got in


@dataclass(frozen=True)
class Outside:
    """Where the centre of a ball can get that comes from far away.

    reached : (i, j, k) cells of the grid
    origin : (3,) corner of the first cell
    cell, radius : edge of a cell; of the ball
    """

    reached: NDArray[np.bool_]
    origin: Array
    cell: float
    radius: float

    def at(self, points: Array) -> NDArray[np.bool_]:
        """Whether the ball's centre gets to the cells of (n, 3) points of the grid."""
        return np.asarray(self.reached[_cells(points, self.origin, self.cell)])

    def swept(self, points: NDArray[np.floating]) -> NDArray[np.int8]:
        """Of any points (n, 3): 1 where the ball sweeps over them, -1 where it stays clear, 0 within a cell of its edge."""
        away = ndimage.distance_transform_edt(~self.reached) * self.cell
        last = np.array(self.reached.shape)[:, None] - 1
        cells = np.array(_cells(points, self.origin, self.cell))
        far = ((cells < 0) | (cells > last)).any(0)  # beyond the grid there is nothing but outside
        away = np.where(far, 0, away[tuple(np.clip(cells, 0, last))])
        return (away < self.radius - self.cell).astype(np.int8) - (away > self.radius + self.cell).astype(np.int8)


def from_outside(
    points: Array, normals: Array, spacing: float, noise: float, reaches: Sequence[float] = RADII_IN_SPACINGS
) -> tuple[Outside, NDArray[np.int8], float] | None:
    """The outside, and which way each normal looks, as far as a ball tells that does not fit between the points.

    Outside is where the ball's centre can get (the outside of an alpha shape, Edelsbrunner and Muecke 1994). It stays at
    its radius from the surface, so it is on one side of a point alone even where the next sheet is much closer than that.
    It gets into what is open or has a hole as wide as the ball; and not into cavities narrower than it.

    Parameters
    ----------
    points, normals : (n, 3) and (n, 3) unit, of either sign
    spacing, noise : median distance to the nearest point, and standard deviation of the positions, in the same unit
    reaches : radii of the ball to try, in spacings

    Returns
    -------
    outside : of the smallest ball that does not get in
    side : (n,) 1 where the outside is where the normal looks, -1 where it is behind, 0 where the ball says nothing
    share : of the points that it gets near to, those that it is on one side of
    None if it gets in with every radius
    """
    low, extent = points.min(0), float(np.ptp(points, 0).max())
    for reach in reaches:
        radius = max(reach * spacing, MIN_RADIUS_IN_NOISES * noise)
        cell = max(radius / CELLS_TO_RADIUS, extent / MAX_CELLS)
        radius = max(radius, cell)
        margin = 2 * radius + 3 * cell
        origin = low - margin
        free = np.ones(np.ceil((np.ptp(points, 0) + 2 * margin) / cell).astype(int) + 1, bool)
        free[_cells(points, origin, cell)] = False
        pieces = ndimage.label(ndimage.distance_transform_edt(free) * cell > radius)[0]
        outside = Outside(pieces == pieces[0, 0, 0], origin, cell, radius)
        nearest = ndimage.distance_transform_edt(~outside.reached, return_distances=False, return_indices=True)
        way = origin + (nearest[(slice(None), *_cells(points, origin, cell))].T + 0.5) * cell - points
        away = np.linalg.norm(way, axis=1)
        way /= np.maximum(away, 1e-300)[:, None]
        near = away < radius + CELLS_AHEAD[-1] * cell
        behind = np.any([outside.at(points - (radius + k * cell) * way) for k in CELLS_AHEAD], 0)
        both = int((near & behind).sum())
        cosine = (normals * way).sum(1)
        told = near & ~behind & (np.abs(cosine) > MIN_COSINE)
        one = int(told.sum())
        if one > CLEAR_RATIO * both:
            return outside, np.where(told, np.sign(cosine), 0).astype(np.int8), one / (one + both)
    return None


def _cells(points: NDArray[np.floating], origin: Array, size: float) -> tuple[NDArray[np.int64], ...]:
    return tuple(np.floor((points - origin) / size).astype(np.int64).T)
