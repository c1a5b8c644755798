"""The winding number of oriented points, at many places at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..runtime.compiled import numba_works
from ..runtime.kdtree import KDTree
from .scan.noise_weight import CLEAN_NOISE
from .scan.smoothing import smoothed

Array = NDArray[np.float64]

NEAR = 4.0  # radii of a cluster within which its halves count, or its points one by one, not itself as a dipole
LEAF = 16  # points of the smallest clusters, at most
NEIGHBOURS = 8  # by whose distance a point's share of the surface is known
PLACES = 1 << 14  # at a time, where nothing is compiled: some hundred megabytes


class WindingNumber:
    """Winding number of oriented points: 1 inside a closed surface, 0 outside (Barill et al. 2018).

    Points in the order of a k-d tree's leaves are cut into halves again and again: node i of the tree has children 2 i + 1 and
    2 i + 2, and leaf j, node ``leaves - 1 + j``, the points ``starts[j]`` to ``starts[j + 1]``.

    Parameters
    ----------
    tree, normals : of the points (n, 3)
    """

    def __init__(self, tree: KDTree, normals: Array) -> None:
        points = np.asarray(tree.data)
        apart = tree.query(points, min(NEIGHBOURS + 1, len(points)))[0][:, -1]
        self.width = float(np.median(apart)) / NEIGHBOURS**0.5  # within which the kernel is flattened
        order = np.asarray(tree.indices)  # of the tree's leaves: those near each other are side by side
        self.points = np.ascontiguousarray(points[order])
        self.weighted = np.ascontiguousarray((normals * (np.pi * apart**2 / NEIGHBOURS)[:, None])[order])
        leaves = 1 << max(0, int(np.ceil(np.log2(len(points) / LEAF))))
        self.starts = np.arange(leaves + 1) * len(points) // leaves
        self.nodes = self._nodes()

    def _nodes(self) -> Array:
        """(2 leaves - 1, 7) Of each node its middle, its dipole, and the squared distance from which on it stands for all."""
        levels, starts = [], self.starts
        while True:
            count = np.diff(starts)[:, None]
            middle = np.add.reduceat(self.points, starts[:-1]) / count
            off = ((self.points - np.repeat(middle, count[:, 0], 0)) ** 2).sum(1)
            reach = NEAR**2 * np.maximum.reduceat(off, starts[:-1])
            levels.append(np.concatenate([middle, np.add.reduceat(self.weighted, starts[:-1]), reach[:, None]], 1))
            if len(starts) == 2:
                return np.concatenate(levels[::-1])
            starts = starts[::2]

    def __call__(self, at: Array) -> Array:
        """(m, 3) places -> (m,) numbers."""
        at = np.ascontiguousarray(at, np.float64)
        out = np.zeros(len(at))
        if numba_works():
            from .winding_kernel import add_up

            add_up(self.nodes, self.starts, self.points, self.weighted, self.width, at, out)
        else:
            for i in range(0, len(at), PLACES):
                out[i : i + PLACES] = self._added_up(at[i : i + PLACES])
        return out / (4 * np.pi)

    def _added_up(self, at: Array) -> Array:
        """As the kernel does it, a level of the tree at a time for all places."""
        leaves = len(self.starts) - 1
        total, place = np.zeros(len(at)), np.arange(len(at))
        node = np.zeros(len(at), np.int64)
        while len(node):
            offset = self.nodes[node, :3] - at[place]
            far = (offset * offset).sum(1) > self.nodes[node, 6]
            self._add(total, place[far], offset[far], self.nodes[node[far], 3:6])
            place, node = place[~far], node[~far]
            last = node >= leaves - 1
            first = self.starts[node[last] - (leaves - 1)]
            count = self.starts[node[last] - (leaves - 1) + 1] - first
            of = np.repeat(place[last], count)
            index = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())
            self._add(total, of, self.points[index] - at[of], self.weighted[index])
            place, node = np.repeat(place[~last], 2), (2 * node[~last, None] + [1, 2]).reshape(-1)
        return total

    def _add(self, total: Array, place: NDArray[np.int64], offset: Array, weighted: Array) -> None:
        d2 = np.maximum((offset * offset).sum(1), self.width**2)
        total += np.bincount(place, (offset * weighted).sum(1) / (d2 * np.sqrt(d2)), len(total))


def of_surface(points: Array, normals: Array, noise: float) -> tuple[WindingNumber, Array]:
    """The winding number of points (n, 3), box coordinates, with unit normals; and the places (n, 3) at which it is that of the
    surface: with ``noise`` points lie inside and outside, where it is 1 and 0, so they are smoothed."""
    tree = KDTree(points)
    if noise > CLEAN_NOISE:
        tree = smoothed(tree, normals, noise)
    return WindingNumber(tree, normals), np.asarray(tree.data)
