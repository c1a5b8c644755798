"""Whether oriented points lie on a closed surface, where that is plain without making one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..winding_number import of_surface

Array = NDArray[np.float64]

POINTS, LOOKS = 20_000, 500  # that stand for all; at which the number is taken
# Medians measured: closed surfaces, scanned from all sides, .46 to .50, with noise of up to 1 % of the longest side; thin
# plates .41 to .46; what was seen from two sides, so that 10 to 27 % is missing, .36 to .40; from one side .07 to .25; rooms,
# depth frames and terrain -.6 to .05
CLOSED, OPEN = 0.44, 0.3


def closed(points: Array, normals: Array, noise: float, seed: int) -> bool | None:
    """Whether the winding number on the points, in the median, is 1/2, as on any closed surface (Gauss); None if it is not
    plain: much may be missing, or the surface is thin.

    Parameters
    ----------
    points, normals : (n, 3) box coordinates and unit normals
    noise : standard deviation of the positions, box units
    """
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(points))[:POINTS]
    winding, places = of_surface(points[some], normals[some], noise)
    median = float(np.median(winding(places[:LOOKS])))
    return True if median > CLOSED else False if median < OPEN else None
