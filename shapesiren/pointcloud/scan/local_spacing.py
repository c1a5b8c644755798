"""How far apart the points of a scan lie, place by place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree, Points, points_of, tree_of

Array = NDArray[np.float64]

NEIGHBOURHOODS = (16, 32, 64, 128, 256)  # over which density is counted
SHEET_RATIO = 0.0625  # of a neighbourhood's second variance to its first, above which it has no long side
ALIKE = 8  # nearest points over which the median is taken
MOST_POINTS, PART = 20_000, 10_000  # that are counted round, the others have the nearest one's; at a time


def local_spacing(points: Points, seed: int = 0) -> Array:
    """The spacing round each point that an even random sample of the density there has. (n, 3) -> (n,), same unit.

    Density is counted over neighbourhoods that grow until they have no long side: a scanner that measures in lines leaves gaps
    between them, which the nearest points, all on one line, do not see. What stays long, a wire or a pole, keeps what its
    nearest points say. The median over a few points takes no notice of one that lies alone beside a dense surface.
    """
    tree, every = tree_of(points), points_of(points)
    if tree.n <= MOST_POINTS:
        return _counted(tree, every)
    some = every[np.random.default_rng(seed).choice(tree.n, MOST_POINTS, replace=False)]
    spacing: Array = _counted(tree, some)[KDTree(some).query(every)[1]]
    return spacing


def _counted(tree: KDTree, at: Array) -> Array:
    """The same at some of the tree's points, (k, 3) -> (k,)."""
    every, spacing, left = points_of(tree), np.zeros(len(at)), np.arange(len(at))
    for count in NEIGHBOURHOODS:
        count, first = min(count, tree.n - 1), count == NEIGHBOURHOODS[0]
        long = []
        for part in np.array_split(left, max(1, len(left) // PART)):
            distance, near = tree.query(at[part], [*range(1, count + 2)])
            # of a Poisson process in the plane: the median distance of the nearest from that of the last neighbour
            even = distance[:, -1] * np.sqrt(np.log(2) / max(count, 1))
            local = every[near] - at[part][:, None]
            variance = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", local, local))
            sheet = variance[:, 1] > SHEET_RATIO * variance[:, 2]
            taken = sheet | first
            spacing[part[taken]] = even[taken]
            long.append(part[~sheet])
        left = np.concatenate(long)
        if not len(left) or count == tree.n - 1:
            break
    smooth: Array = np.median(spacing[KDTree(at).query(at, [*range(1, min(ALIKE, len(at)) + 1)])[1]], axis=1)
    return smooth
