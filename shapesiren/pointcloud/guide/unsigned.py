"""Guide samples where no normal has a side: unsigned distances, and what is known to be outside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree, Points, points_of, tree_of
from ..cloud import random_rows
from ..facts import GuideFacts
from ..normals.alpha_ball import from_outside
from ..scan.noise_weight import CLEAN_NOISE
from .samples import Guide, draw_samples

Array = NDArray[np.float64]

RADII_IN_SPACINGS = 4.0, 6.0, 10.0, 20.0, 40.0  # of the ball, in spacings; the last ones for scans with holes
CARVED_POINTS = 100_000  # points that the ball is rolled over
SMOOTHED_POINTS, NEIGHBOURS = 50_000, 64  # of noisy points, that distances are taken to; that the mean is taken of


def make_unsigned_guide(points: Points, normals: Array, count: int, spacing: float, noise: float, seed: int) -> Guide:
    """Guide samples of a cloud in box coordinates whose normals may look either way.

    Parameters
    ----------
    points, normals : (n, 3) box coordinates and unit normals, of either sign
    count, seed : as in `make_guide`
    spacing, noise : median distance to the nearest point, and standard deviation of the positions, in box units

    Returns
    -------
    arrays : distances to the nearest point, directions away from it, and "guide_sides" (count,): 1 where a ball that comes from
        outside gets, -1 where it does not, 0 near its edge and where it gets in everywhere
    facts : open if the ball gets in
    """
    tree, points = tree_of(points), points_of(points)
    samples = draw_samples(points, count, np.random.default_rng(seed))
    held = tree if noise <= CLEAN_NOISE else KDTree(_smoothed(tree, normals, seed))
    distance, nearest = held.query(samples)
    away = (samples - points_of(held)[nearest]) / np.maximum(distance, 1e-9)[:, None]
    some = random_rows(len(points), min(CARVED_POINTS, len(points)), seed)
    apart = spacing * (len(points) / len(some)) ** 0.5
    found = from_outside(points[some], normals[some], apart, noise, RADII_IN_SPACINGS)
    sides = np.zeros(count) if found is None else found[0].swept(samples)
    facts = GuideFacts(samples=count, surface="none, distances without sides", open=found is None)
    arrays = {"guide_points": samples, "guide_distances": distance, "guide_directions": away, "guide_sides": sides}
    return Guide({name: a.astype(np.float32) for name, a in arrays.items()}, facts)


def _smoothed(tree: KDTree, normals: Array, seed: int) -> Array:
    """Some of the points, each moved along its normal to the mean height of its neighbours: the nearest of noisy points is
    not on the surface but before it."""
    points = points_of(tree)
    index = random_rows(len(points), min(SMOOTHED_POINTS, len(points)), seed)
    some, axes = points[index], normals[index]
    near = tree.query(some, min(NEIGHBOURS, len(points)))[1]
    height = np.einsum("nkd,nd->n", points[near] - some[:, None], axes) / near.shape[1]
    return np.asarray(some + height[:, None] * axes)
