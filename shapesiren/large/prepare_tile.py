"""The points of one tile and of what lies round it, made ready as `pointcloud.prepare` makes a whole scan ready."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..pointcloud.normals.estimate import CLEAN_NEIGHBOURS, estimated_axes, unit_normals
from ..pointcloud.scan.noise import Scatter, neighbours_for, scatter
from ..pointcloud.scan.noise_weight import CLEAN_NOISE
from ..pointcloud.scan.outliers import find_outliers
from ..runtime.kdtree import KDTree
from .settings import Plan
from .tiles import Tile, Tiles

Array = NDArray[np.float64]

MAX_OUTLIER_SHARE = 0.5  # as of a whole scan: beyond it the search has failed
VOTERS = 8  # thinned points whose normals say on which side a point's is
UNSURE = 0.6  # of their votes, below which a point goes by its neighbours that are surer
FEWEST = 24  # points of which normals can be estimated
SAMPLE = 3000  # points by which noise and spacing are measured


@dataclass(frozen=True)
class TileCloud:
    """points, normals : (n, 3) from the tile's centre, box units
    own : (n,) which lie in the tile itself
    kept : (m,) which of the tile's stored points are no outliers, in their order
    scatter : noise and spacing of them
    """

    points: Array
    normals: Array
    own: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    scatter: Scatter


def prepare_tile(tiles: Tiles, tile: Tile, plan: Plan, thinned: NDArray[np.float32]) -> TileCloud:
    """Without outliers, and with normals on the sides that the thinned cloud has.

    Parameters
    ----------
    thinned : (k, 6) points and normals, box units
    """
    rows, own = tiles.points(tile)
    points = rows[:, :3]
    kept = np.ones(len(points), bool)
    if plan.outliers and len(points) > FEWEST:
        bad = find_outliers(points)
        if bad.mean() <= MAX_OUTLIER_SHARE:
            kept = ~bad
    own_kept = kept[own]
    rows, points, own = rows[kept], points[kept], own[kept]
    if len(points) <= FEWEST:
        nearest = KDTree(thinned[:, :3].astype(np.float64) - tiles.centre(tile))
        normals = thinned[nearest.query(points)[1], 3:].astype(np.float64) if len(points) else np.empty((0, 3))
        return TileCloud(points, normals, own, own_kept, Scatter(plan.deviation, plan.spacing, plan.deviation))
    tree = KDTree(points)
    found = scatter(tree, SAMPLE)
    if plan.given:
        normals, valid = unit_normals(rows[:, 3:])
        if not valid.all() and valid.any():  # those that are zero or not finite
            normals[~valid] = normals[valid][KDTree(points[valid]).query(points[~valid])[1]]
        if plan.turned:
            normals = carry_sides(tree, normals, near_thinned(tiles, tile, thinned))
        return TileCloud(points, normals, own, own_kept, found)
    noise = found.noise if found.noise > CLEAN_NOISE else 0.0
    count = plan.neighbours or neighbours_for(tree, found.noise, CLEAN_NEIGHBOURS)
    axes, _ = estimated_axes(tree, found.noise, count, plan.neighbours, noise, lambda _: None)
    normals = carry_sides(tree, axes, near_thinned(tiles, tile, thinned))
    return TileCloud(points, normals, own, own_kept, found)


def near_thinned(tiles: Tiles, tile: Tile, thinned: NDArray[np.float32]) -> Array:
    """(j, 6) Those of the thinned points that lie in a tile or beside it, from its centre; if hardly any, the nearest ones."""
    away = np.abs(thinned[:, :3] - tiles.centre(tile).astype(np.float32)).max(1)
    near = np.flatnonzero(away <= tiles.half + tiles.margin)
    if len(near) < 4 * VOTERS:
        near = np.sort(np.argsort(away, kind="stable")[: 4 * VOTERS])
    found = thinned[near].astype(np.float64)
    found[:, :3] -= tiles.centre(tile)
    return found


def carry_sides(tree: KDTree, axes: Array, known: Array) -> Array:
    """Unit axes (n, 3) of the tree's points turned to the side that the nearest of ``known`` points (j, 6) have; where these do
    not agree, to that of the nearest points where they do."""
    points = np.asarray(tree.data)
    count = min(VOTERS, len(known))
    distance, near = KDTree(known[:, :3]).query(points, [*range(1, count + 1)])
    weight = 1 / (distance**2 + 1e-18)
    weight /= weight.sum(1, keepdims=True)
    vote = (np.einsum("nki,ni->nk", known[near, 3:], axes) * weight).sum(1)
    out: Array = np.where(vote[:, None] < 0, -axes, axes)
    unsure = np.abs(vote) < UNSURE
    if unsure.any() and not unsure.all():
        sure = np.flatnonzero(~unsure)
        some = np.flatnonzero(unsure)
        distance, near = KDTree(points[sure]).query(points[some], [*range(1, min(VOTERS, len(sure)) + 1)])
        dots = np.einsum("nki,ni->nk", out[sure[near]], out[some])
        out[some[dots.sum(1) < 0]] *= -1
    return out
