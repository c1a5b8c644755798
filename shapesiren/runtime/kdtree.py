"""Nearest neighbours: scipy's k-d tree on the cores this process may use, and safe from Ctrl-C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from .threads import cores, uninterrupted


class KDTree(cKDTree):  # type: ignore[misc]
    """scipy's cKDTree, of points (n, d). Its threads write into arrays that the caller holds: an interrupt that arrives while
    they run would free these under them, which ends the program by a segmentation fault, so it waits until they are done."""

    def query(self, x: ArrayLike, k: Any = 1, distance_upper_bound: float = np.inf, workers: int | None = None) -> Any:
        """Distances and indices of the nearest, as scipy's, by all cores if not said."""
        with uninterrupted():
            return super().query(x, k, distance_upper_bound=distance_upper_bound, workers=workers or cores())


Points = NDArray[np.float64] | KDTree  # (n, 3), or the tree over them where there already is one


def tree_of(points: Points) -> KDTree:
    """The tree over points (n, d); a tree as it is, so that no two are built over the same points."""
    return points if isinstance(points, KDTree) else KDTree(points)


def some_of(points: Points, index: NDArray[np.int64]) -> KDTree:
    """The tree over the points with these indices, ascending; the whole one where that is all of them."""
    every = points_of(points)
    return tree_of(points) if len(index) == len(every) else KDTree(every[index])


def points_of(points: Points) -> NDArray[np.float64]:
    """The points (n, d) themselves, given with or without their tree."""
    return np.asarray(points.data) if isinstance(points, KDTree) else points
