"""On which side of the surface the cells without points are: winding numbers of closed surfaces, votes that spread elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cells import Cells

Array = NDArray[np.float64]

NEAR = 3.0  # radii of a cluster within which its points count one by one, not as a dipole
CHUNK = 2048


def winding_numbers(at: Array, points: Array, weighted: Array, cluster: NDArray[np.int64], width: float) -> Array:
    """Winding number at ``at`` (m, 3): 1 inside a closed surface, 0 outside (Barill et al. 2018).

    Parameters
    ----------
    points, weighted : (n, 3) and (n, 3) normals times the surface that each point stands for
    cluster : (n,) which points are near each other; clusters far away count as one dipole each
    width : within which the kernel is flattened
    """
    order = np.argsort(cluster, kind="stable")
    p, a = points[order], weighted[order]
    _, starts, sizes = np.unique(cluster[order], return_index=True, return_counts=True)
    middle = np.add.reduceat(p, starts) / sizes[:, None]
    dipole = np.add.reduceat(a, starts)
    radius = np.sqrt(np.maximum.reduceat(((p - np.repeat(middle, sizes, 0)) ** 2).sum(1), starts))
    out = np.empty(len(at))
    own = (middle * dipole).sum(1)
    for i in range(0, len(at), CHUNK):
        y = at[i : i + CHUNK]
        r2 = np.maximum((y * y).sum(1)[:, None] + (middle * middle).sum(1) - 2 * (y @ middle.T), width**2)
        far = r2 > (NEAR * radius) ** 2
        whole = np.where(far, (own - y @ dipole.T) / (r2 * np.sqrt(r2)), 0).sum(1)
        row, c = np.nonzero(~far)
        count = sizes[c]
        pair = np.repeat(np.arange(len(row)), count)
        index = np.repeat(starts[c] - (np.cumsum(count) - count), count) + np.arange(count.sum())
        apart = p[index] - y[row[pair]]
        d2 = np.maximum((apart * apart).sum(1), width**2)
        single = np.bincount(row[pair], (apart * a[index]).sum(1) / (d2 * np.sqrt(d2)), len(y))
        out[i : i + CHUNK] = whole + single
    return out / (4 * np.pi)
