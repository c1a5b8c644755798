"""What a surface stands on: the points of a scan, and how far each of them reaches. In box coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..pointcloud.header import CloudHeader
from ..pointcloud.scan.local_spacing import local_spacing
from ..runtime.kdtree import KDTree, points_of

Array = NDArray[np.float64]

WIDEST_QUANTILE = 0.995  # of the points, by their reach
SUPPORT_SPACINGS = 5.0  # local spacings: as far as a hole between the points of an even random sample goes


@dataclass(frozen=True)
class Support:
    """The points of a scan (k, 3), as a ``tree``, and what its header says of them."""

    tree: KDTree
    header: CloudHeader

    @property
    def points(self) -> Array:
        return points_of(self.tree)

    @cached_property
    def local(self) -> Array:
        """(k,) spacing round each point, at least the median one."""
        return np.maximum(local_spacing(self.tree), self.header.spacing)

    @cached_property
    def reach(self) -> Array:
        """(k,) how far from each point a surface may lie and still be supported by it; at least the scan's own support, and
        no farther than of nearly all of them: a few points in the air carry no surface down below."""
        reach = SUPPORT_SPACINGS * self.local
        return np.maximum(np.minimum(reach, np.quantile(reach, WIDEST_QUANTILE)), self.header.support)

    def nearest(self, x: Array) -> tuple[Array, NDArray[np.int64]]:
        """Distance of each of (n, 3) from the scan, and its nearest point; (n,) and (n,)."""
        distance, index = self.tree.query(x)
        return distance, index

    def unsupported(self, x: Array) -> NDArray[np.bool_]:
        """Which of (n, 3) no point reaches."""
        distance, index = self.nearest(x)
        beyond: NDArray[np.bool_] = distance > self.reach[index]
        return beyond
