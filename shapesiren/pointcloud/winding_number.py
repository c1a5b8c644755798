"""The winding number of oriented points, at many places at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..runtime.kdtree import KDTree
from .scan.noise_weight import CLEAN_NOISE
from .scan.smoothing import smoothed

Array = NDArray[np.float64]

NEAR = 2.0  # radii of a cluster within which its points count one by one, not as a dipole
CLUSTER = 64  # points, at most
NEIGHBOURS = 8  # by whose distance a point's share of the surface is known
PAIRS = 1 << 20  # of a place and a cluster or a point, at a time: 8 MiB for each array


class WindingNumber:
    """Winding number of oriented points: 1 inside a closed surface, 0 outside (Barill et al. 2018).

    Parameters
    ----------
    points, normals : (n, 3)
    """

    def __init__(self, tree: KDTree, normals: Array) -> None:
        points = np.asarray(tree.data)
        apart = tree.query(points, min(NEIGHBOURS + 1, len(points)))[0][:, -1]
        self.width = float(np.median(apart)) / NEIGHBOURS**0.5  # within which the kernel is flattened
        order = np.asarray(tree.indices)  # of the tree's leaves: those near each other are side by side
        self.points = points[order]
        self.weighted = (normals * (np.pi * apart**2 / NEIGHBOURS)[:, None])[order]
        self.starts = np.arange(0, len(points), CLUSTER)
        self.sizes = np.diff(self.starts, append=len(points))
        self.middle = np.add.reduceat(self.points, self.starts) / self.sizes[:, None]
        self.dipole = np.add.reduceat(self.weighted, self.starts)
        off = ((self.points - np.repeat(self.middle, self.sizes, 0)) ** 2).sum(1)
        self.radius = np.sqrt(np.maximum.reduceat(off, self.starts))

    def __call__(self, at: Array) -> Array:
        """(m, 3) places -> (m,) numbers."""
        chunk = max(1, PAIRS // len(self.middle))
        return np.concatenate([self._of(at[i : i + chunk]) for i in range(0, len(at), chunk)]) if len(at) else np.empty(0)

    def _of(self, y: Array) -> Array:
        centred = y - self.middle.mean(0)
        middle = self.middle - self.middle.mean(0)
        apart = (centred * centred).sum(1)[:, None] + (middle * middle).sum(1) - 2 * (centred @ middle.T)
        far = apart > (NEAR * self.radius) ** 2
        r2 = np.maximum(apart, self.width**2)
        along = (middle * self.dipole).sum(1) - centred @ self.dipole.T
        total = np.where(far, along / (r2 * np.sqrt(r2)), 0).sum(1)
        row, cluster = np.nonzero(~far)
        count = self.sizes[cluster]
        pair = np.repeat(row, count)
        index = np.repeat(self.starts[cluster] - (np.cumsum(count) - count), count) + np.arange(count.sum())
        offset = self.points[index] - y[pair]
        d2 = np.maximum((offset * offset).sum(1), self.width**2)
        total += np.bincount(pair, (offset * self.weighted[index]).sum(1) / (d2 * np.sqrt(d2)), len(y))
        return total / (4 * np.pi)


def of_surface(points: Array, normals: Array, noise: float) -> tuple[WindingNumber, Array]:
    """The winding number of points (n, 3), box coordinates, with unit normals; and the places (n, 3) at which it is that of the
    surface: with ``noise`` points lie inside and outside, where it is 1 and 0, so they are smoothed."""
    tree = KDTree(points)
    if noise > CLEAN_NOISE:
        tree = smoothed(tree, normals, noise)
    return WindingNumber(tree, normals), np.asarray(tree.data)
