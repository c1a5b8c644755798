"""How far normals are off, told by how they differ from their neighbours'."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree

Array = NDArray[np.float64]

NEIGHBOURS = 8
MEDIAN_OF_TWO = 2 * np.log(2)  # median of the sum of two squares of unit variance, the tilts about two axes


def normals_deviation(points: Array, normals: Array, sample: int = 4000, seed: int = 0) -> float:
    """Standard deviation of the tilt of unit normals (n, 3) about each axis in the surface, radians.

    Half the square of the difference of two normals is the square of their deviation, and what the surface bends between them,
    which grows with the square of their distance: a variogram, whose value at no distance (the nugget) is taken, by least
    squares over the nearest neighbours. Medians, because at edges and between two sheets they differ by any angle.
    """
    some = np.random.default_rng(seed).permutation(len(points))[:sample]
    distance, near = KDTree(points).query(points[some], min(NEIGHBOURS + 1, len(points)))
    if near.shape[1] < 4:
        return 0.0
    between = ((normals[near[:, 1:]] - normals[some, None]) ** 2).sum(-1) / 2
    squares = np.median(distance[:, 1:], 0) ** 2
    nugget = np.polynomial.Polynomial.fit(squares, np.median(between, 0) / MEDIAN_OF_TWO, 1)(0.0)
    return float(np.sqrt(max(0.0, nugget)))
