"""How far off each point is, where a file says so: in whatever measure it says it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from ...runtime.kdtree import KDTree, points_of
from .noise import MAX_NEIGHBOURS, neighbours_for

Array = NDArray[np.float64]

CLASSES = 10  # of the deviations told, as many points in each
LEAST_NEIGHBOURS = 48
NORMAL = 1.4826  # standard deviation over median absolute deviation, of a normal distribution


def told_deviation(tree: KDTree, told: Array, noise: float, sample: int = 5000, seed: int = 0) -> Array:
    """Standard deviations (n,) of positions across their surface: sqrt(a^2 + b^2 told^2), with a and b as the points have it.

    A point's distance from the quadric of its neighbours, each weighed by what is told of it, is how far it is off; how that
    grows with what was told, over ten classes of it, gives a and b, by least squares with neither below zero. A file that tells
    nothing of its points (b = 0) changes nothing by it.

    Parameters
    ----------
    told : (n,) positive, in the unit of the points
    noise : of the points, as `noise.scatter` has it
    """
    points = points_of(tree)
    some = np.random.default_rng(seed).permutation(len(points))[:sample]
    count = min(neighbours_for(tree, noise, LEAST_NEIGHBOURS), MAX_NEIGHBOURS, len(points) - 1)
    if len(some) < 10 * CLASSES or count < LEAST_NEIGHBOURS // 2:
        return np.maximum(noise, told)
    off = np.empty(len(some))
    for part in np.array_split(np.arange(len(some)), max(1, len(some) // 500)):
        near = tree.query(points[some[part]], count + 1)[1]
        off[part] = _off(points[near], told[near])
    classes = np.array_split(np.argsort(told[some]), CLASSES)
    variance = np.array([(NORMAL * np.median(np.abs(off[c]))) ** 2 for c in classes])
    square = np.array([np.mean(told[some[c]] ** 2) for c in classes])
    # variances are known to a share of themselves: each equation is divided by its own
    design = np.stack([np.ones(CLASSES), square], 1) / variance[:, None]
    (a, b), _ = nnls(design / np.abs(design).max(0), np.ones(CLASSES))
    a, b = np.array([a, b]) / np.abs(design).max(0)
    return np.sqrt(np.maximum(a + b * told**2, 1e-24))


def _off(near: Array, told: Array) -> Array:
    """How far the first of each of (n, k, 3) neighbourhoods is off the weighted quadric of the others. (n,)"""
    weight = 1 / (told**2 + np.median(told, 1, keepdims=True) ** 2 / 16)
    weight[:, 0] = 0
    weight /= weight.sum(1, keepdims=True)
    local = near - np.einsum("nk,nki->ni", weight, near)[:, None]
    _, axes = np.linalg.eigh(np.einsum("nk,nki,nkj->nij", weight, local, local))
    w, v, u = np.moveaxis(np.einsum("nki,nij->nkj", local, axes), -1, 0)  # ascending: w is across the surface
    size = np.maximum(np.abs(np.stack([u, v])).max((0, 2))[:, None], 1e-300)
    u, v = u / size, v / size
    design = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], -1)
    normal = np.einsum("nk,nki,nkj->nij", weight, design, design) + 1e-9 * np.eye(6)
    fit = np.linalg.solve(normal, np.einsum("nk,nki,nk->ni", weight, design, w)[..., None])[..., 0]
    return np.asarray(w[:, 0] - np.einsum("ni,ni->n", design[:, 0], fit))
