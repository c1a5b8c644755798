"""Where a scanner stood that no file names: found from how the points lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from ...runtime.kdtree import KDTree
from ..cloud import random_rows
from ..normals.estimate import plane_normals
from .viewpoint import believable, measurable

Array = NDArray[np.float64]

DENSITY_POINTS, FIT_POINTS, FIRST_POINTS = 50_000, 5000, 1000  # that the density is measured among; that the position is
# fitted to; and that it is first looked for with, from all starts
NEIGHBOURS = 12  # within whose reach a point's density is measured
MIN_COSINE = 0.2  # |cosine| below which a point's share of the surface is not believed to grow any further
STARTS, ITERATIONS = 12, 200  # of the search, within a diagonal of the centre
# of the spread of the densities, that a position must leave less than: real scans .3 to .76, shapes .86 on
MAX_SPREAD_LEFT = 0.8
MIN_DISTANCE = 1e-3  # diagonals, that two minima are: the law alone does not always tell which one is right
# ratio of far to near points that tells a growing spacing from an even one, when the position fits otherwise
MIN_RANGE_RATIO = 1.3


def find_position(points: Array) -> Array | None:
    """Position (3,) from which one scanner saw the points (n, 3), if they look as if one had; None if not.

    A scanner with fixed angular steps leaves on a surface at range r, seen at an angle with cosine c to its normal, a point
    per r^2 / c. The origin is looked at first: coordinates are often still the scanner's own. Else the position is fitted
    whose law of density explains the densities found, in absolute values. It is believed as one in a file is: spacing
    that grows with range, and little that lies behind something else. Scans thinned to an even spacing, merged from
    several positions, or sampled from a model have none.
    """
    if not measurable(points):
        return None
    if believable(points, np.zeros(3)):
        return np.zeros(3)
    rng = np.random.default_rng(0)
    some = points[random_rows(len(points), min(DENSITY_POINTS, len(points)), 0)]
    centre, size = (some.min(0) + some.max(0)) / 2, float(np.linalg.norm(np.ptp(some, 0)))
    unit = (some - centre) / size
    fitted = rng.choice(len(unit), min(FIT_POINTS, len(unit)), replace=False)
    reach = KDTree(unit).query(unit[fitted], [NEIGHBOURS + 1])[0][:, 0]
    area = 2 * np.log(np.maximum(reach, 1e-12))
    at, normals = unit[fitted], plane_normals(unit, NEIGHBOURS)[fitted]

    def left(position: Array, count: int) -> float:
        away = at[:count] - position
        range_ = np.maximum(np.linalg.norm(away, axis=1), 1e-12)
        cosine = np.maximum(np.abs((normals[:count] * away).sum(1)) / range_, MIN_COSINE)
        return _spread(area[:count] - 2 * np.log(range_) + np.log(cosine))

    def least(start: Array, count: int) -> Any:
        return minimize(left, start, (count,), "Nelder-Mead", options={"maxiter": ITERATIONS, "xatol": 1e-3, "fatol": 1e-5})

    starts = np.concatenate([np.zeros((1, 3)), rng.uniform(-1, 1, (STARTS - 1, 3))])
    rough = sorted((least(s, FIRST_POINTS) for s in starts), key=lambda f: float(f.fun))
    tried: list[Array] = []
    for first in rough:
        best = least(first.x, FIT_POINTS)
        if best.fun > MAX_SPREAD_LEFT * _spread(area):
            break
        if all(np.linalg.norm(best.x - other) > MIN_DISTANCE for other in tried):
            tried.append(best.x)
            position = np.asarray(best.x * size + centre)
            if believable(points, position, MIN_RANGE_RATIO):
                return position
    return None


def _spread(values: Array) -> float:
    return float(np.abs(values - np.median(values)).mean())
