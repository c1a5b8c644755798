"""Nearest neighbours: scipy's k-d tree on the cores this process may use, and safe from Ctrl-C."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from .threads import cores, uninterrupted


class KDTree(cKDTree):  # type: ignore[misc]
    """scipy's cKDTree, of points (n, d). Its threads write into arrays that the caller holds: an interrupt that arrives while
    they run would free these under them, which ends the program by a segmentation fault, so it waits until they are done."""

    def query(self, x: ArrayLike, k: Any = 1, distance_upper_bound: float = np.inf) -> Any:
        """Distances and indices of the nearest, as scipy's."""
        with uninterrupted():
            return super().query(x, k, distance_upper_bound=distance_upper_bound, workers=cores())
