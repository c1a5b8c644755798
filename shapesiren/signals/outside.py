"""Sides of a closed surface from what can be reached from outside it: for sheets too close for anything else to tell apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]

REACHES = 4.0, 6.0, 10.0  # radii of the ball, in spacings: random samples of a surface leave gaps of four and more
NOISES = 3.0  # the least of them, of the noise
CELLS, MOST_CELLS = 2.0, 192  # to a radius; along the longest side
AHEAD = 0.5, 1.0, 1.5  # cells beyond the radius at which is looked for the outside
ALONG = 0.3  # |cosine| between a normal and the way out below which it is on neither side
CLEARLY = 3.0  # times as many points with the outside on one side as on both: else the ball has got in


def from_outside(points: Array, normals: Array, spacing: float, noise: float) -> tuple[NDArray[np.int8], float] | None:
    """Which way each normal looks, as far as a ball tells that comes from far away and does not fit between the points.

    Outside is where the ball's centre can get (the outside of an alpha shape, Edelsbrunner and Muecke 1994). It stays at
    its radius from the surface, so it is on one side of a point alone even where the next sheet is much closer than that.
    It gets into what is open or has a hole as wide as the ball; and not into cavities narrower than it.

    Parameters
    ----------
    points, normals : (n, 3) and (n, 3) unit
    spacing, noise : median distance to the nearest point, and standard deviation of the positions, in the same unit

    Returns
    -------
    side : (n,) 1 where the outside is where the normal looks, -1 where it is behind, 0 where the ball says nothing
    share : of the points that it gets near to, those that it is on one side of
    None if it gets in with every radius
    """
    low, extent = points.min(0), float(np.ptp(points, 0).max())
    for reach in REACHES:
        radius = max(reach * spacing, NOISES * noise)
        cell = max(radius / CELLS, extent / MOST_CELLS)
        radius = max(radius, cell)
        margin = 2 * radius + 3 * cell
        origin = low - margin
        free = np.ones(np.ceil((np.ptp(points, 0) + 2 * margin) / cell).astype(int) + 1, bool)
        free[_cells(points, origin, cell)] = False
        pieces = ndimage.label(ndimage.distance_transform_edt(free) * cell > radius)[0]
        outside = pieces == pieces[0, 0, 0]
        at = _cells(points, origin, cell)
        nearest = ndimage.distance_transform_edt(~outside, return_distances=False, return_indices=True)[(slice(None), *at)].T
        way = origin + (nearest + 0.5) * cell - points
        away = np.linalg.norm(way, axis=1)
        way /= np.maximum(away, 1e-300)[:, None]
        reached = away < radius + AHEAD[-1] * cell
        behind = np.any([outside[_cells(points - (radius + k * cell) * way, origin, cell)] for k in AHEAD], 0)
        both = int((reached & behind).sum())
        cosine = (normals * way).sum(1)
        told = reached & ~behind & (np.abs(cosine) > ALONG)
        one = int(told.sum())
        if one > CLEARLY * both:
            return np.where(told, np.sign(cosine), 0).astype(np.int8), one / (one + both)
    return None


def _cells(points: Array, origin: Array, size: float) -> tuple[NDArray[np.int64], ...]:
    return tuple(np.floor((points - origin) / size).astype(np.int64).T)
