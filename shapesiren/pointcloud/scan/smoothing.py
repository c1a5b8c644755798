"""Noisy points, smoothed across their surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree

Array = NDArray[np.float64]

NEIGHBOURS = 24
ONE_SHEET = 0.3, 6.0  # cosine of normals, and distance between tangent planes in deviations, of neighbours on one sheet
CHUNK = 1 << 12  # points at a time


def smoothed(tree: KDTree, normals: Array, deviation: float) -> KDTree:
    """Noisy points moved along their normals (n, 3) to the mean of their neighbours on the same sheet (Alexa et al. 2001)."""
    points = np.asarray(tree.data)
    out = points.copy()
    for start in range(0, len(points), CHUNK):
        part = slice(start, start + CHUNK)
        i = tree.query(points[part], min(NEIGHBOURS, len(points)))[1]
        off = ((points[i] - points[part, None]) * normals[part, None]).sum(-1)
        same = ((normals[i] * normals[part, None]).sum(-1) > ONE_SHEET[0]) & (np.abs(off) < ONE_SHEET[1] * deviation)
        out[part] += normals[part] * ((off * same).sum(1) / np.maximum(same.sum(1), 1))[:, None]
    return KDTree(out)
