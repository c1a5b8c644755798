"""Samples away from the points, in the cells: signed distance, its direction, and how sure both are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..nets.cpu.engine import thread_pool
from ..nets.octree import Octree
from ..pointcloud.scan.smoothing import smoothed
from ..pointcloud.winding_number import WindingNumber
from ..runtime.kdtree import KDTree
from .sides import spread

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

# ---- In cells with points ---------------------------------------------------------------------------
VOTES = 4  # nearest points whose tangent planes say on which side a sample is
SMOOTHED, AGAIN = 0.1, 1.0  # deviation of the points, in spacings, from which they are smoothed, and from which twice
AGREED = 0.9  # how far they must agree
FLAT = 1.5  # spacings from the foot of a plane within which its distance is the surface's
# deviation of a sample's distance: so many spacings, deviations of the points, and this share of the distance itself. A sample
# that is surer than the points draws the surface away from them.
NEAR_SPACINGS, NEAR_DEVIATIONS, NEAR_SHARE = 2.0, 3.0, 0.03
NEAR_DIRECTION = 0.4  # deviation of its direction; 10 lets phantom surfaces in
APART_SPACINGS, APART_DEVIATIONS = 2.0, 3.0  # from the surface, from where a direction is known

# ---- In cells without -------------------------------------------------------------------------------
SURE = 0.9  # agreement of the samples of a cell from which all are on the side of most
FACING = 0.9  # cosine of the angle between normal and nearest point from which an open surface is sure of the side
THINNED = 20_000  # points by which far distances are looked up
# from which the nearest of all is reached in so many steps among these neighbours. In the whole tree a distant place has many
# that are nearly as near: 10 microseconds for each. This way it is 2, and distances are .005 % of the box's side too large.
BESIDE, STEPS = 9, 2
FAR_SPACINGS, FAR_OFFSET = 0.5, 1e-3  # deviation of the distance, in spacings and in box units
FAR_DIRECTION = 0.1
CHUNK = 1 << 12  # places at a time: arrays of .9 MiB, which stay in a core's cache


class Samples(NamedTuple):
    """Of m samples in each of c cells, box units. distances (c, m), directions (c, m, 3); deviation (c, m) of the distance and
    direction_deviation (c, m), infinite where nothing is known."""

    distances: Array
    directions: Array
    deviation: Array
    direction_deviation: Array

    def of(self, cells: NDArray[Any]) -> Samples:
        """Those in some of the cells, by their indices or a mask."""
        return Samples(*(array[cells] for array in self))


class Surface:
    """What distances away from the points are measured to: the points, moved to the mean of their neighbours if they are noisy.

    Parameters
    ----------
    tree, normals : of the points (n, 3)
    spacing, deviation : of the points, the median
    closed : whether it has an inside everywhere
    thinned : points by which the nearest is looked up, at most; as many as there are find it for certain
    around : points and normals (m, 3) of the surface beyond these points, where they are a part of it: the winding number is of
        the whole
    """

    def __init__(
        self,
        tree: KDTree,
        normals: Array,
        spacing: float,
        deviation: float,
        closed: bool,
        seed: int,
        thinned: int = THINNED,
        around: tuple[Array, Array] | None = None,
    ) -> None:
        self.normals, self.spacing, self.deviation, self.closed, self.around = normals, spacing, deviation, closed, around
        self.some = np.arange(tree.n)
        if tree.n > thinned:
            self.some = np.sort(np.random.default_rng(seed).choice(tree.n, thinned, replace=False))
        if deviation > SMOOTHED * spacing:
            tree = smoothed(tree, normals, deviation)
        if deviation > AGAIN * spacing:
            tree = smoothed(tree, normals, deviation)
        self._lies_on(tree)

    def _lies_on(self, tree: KDTree) -> None:
        self.tree, self.points = tree, np.asarray(tree.data)
        self.beside = tree.query(self.points, min(BESIDE, tree.n))[1].reshape(tree.n, -1)
        self.thinned = tree if len(self.some) == tree.n else KDTree(self.points[self.some])

    def settle(self, values_and_gradients: Callable[[Array], tuple[Floats, Floats]]) -> None:
        """Move noisy points onto the zero level set of a field, by a step of Newton's; its values at places (n, 3) and its
        gradients are asked for."""
        if self.deviation <= SMOOTHED * self.spacing:
            return
        value, gradient = values_and_gradients(self.points)
        step = value[:, None] * gradient / np.maximum((gradient**2).sum(1, keepdims=True), 0.25)
        self._lies_on(KDTree(self.points - step.astype(np.float64)))

    def near(self, x: Array) -> Samples:
        """Samples (c, m, 3) where points are near: by the nearest tangent planes."""
        shape = x.shape[:2]
        x = x.reshape(-1, 3)
        i = self._among(self._nearest(x, False), x, min(VOTES, self.beside.shape[1]), False)
        offset = x[:, None] - self.points[i]
        d, across = np.linalg.norm(offset, axis=2), (offset * self.normals[i]).sum(-1)
        weight = 1 / (d**2 + 1e-12)
        weight /= weight.sum(1, keepdims=True)
        agreed = np.abs((np.sign(across) * weight).sum(1)) > AGREED
        plane = (across * weight).sum(1)
        flat = d[:, 0] ** 2 - across[:, 0] ** 2 < (FLAT * self.spacing) ** 2
        distance = np.where(flat, np.minimum(np.abs(plane), d[:, 0]), d[:, 0])
        apart = distance > APART_SPACINGS * self.spacing + APART_DEVIATIONS * self.deviation
        side = np.sign(plane)
        unsure = ~agreed & apart
        side[unsure] = self._sides(x[unsure], d[unsure, 0], plane[unsure])
        deviation = NEAR_SPACINGS * self.spacing + NEAR_DEVIATIONS * self.deviation + NEAR_SHARE * distance
        deviation += distance * (1 - np.abs(side))
        direction = np.sign(side)[:, None] * offset[:, 0] / np.maximum(d[:, :1], 1e-12)
        return Samples(
            (side * distance).reshape(shape),
            direction.reshape(*shape, 3),
            np.where(agreed | apart, deviation, np.inf).reshape(shape),
            np.where(apart & (np.abs(side) > SURE), NEAR_DIRECTION, np.inf).reshape(shape),
        )

    def far(self, x: Array, octree: Octree, leaves: NDArray[np.int64]) -> tuple[Samples, NDArray[np.bool_]]:
        """Samples (c, m, 3) of ``leaves`` (c,) without points; and of which leaves (c,) all are known alike, on one side."""
        c, m = x.shape[:2]
        i = self._nearest(x.reshape(-1, 3), True)
        away = x.reshape(-1, 3) - self.points[i]
        d, across = np.linalg.norm(away, axis=1), (away * self.normals[i]).sum(1)
        vote = np.sign(across).reshape(c, m).mean(1)
        sure = np.abs(vote) > SURE
        if self.closed:
            side = np.repeat(np.sign(vote), m)
            unsure = np.repeat(~sure, m)
            side[unsure] = self._sides(x.reshape(-1, 3)[unsure], d[unsure], across[unsure])
        else:
            # beyond the borders a place is beside its nearest points, not above or below them
            facing = np.median((np.abs(across) / np.maximum(d, 1e-12)).reshape(c, m), axis=1)
            found = spread(octree, leaves, np.sign(vote), sure & (facing > FACING))
            sure = np.abs(found) > SURE
            side = np.repeat(np.where(sure, np.sign(found), found), m)
        deviation = FAR_SPACINGS * self.spacing + self.deviation + FAR_OFFSET + d * (1 - np.abs(side))
        known = np.abs(side) > SURE
        direction = np.sign(side)[:, None] * away / np.maximum(d[:, None], 1e-12)
        samples = Samples(
            (side * d).reshape(c, m),
            direction.reshape(c, m, 3),
            deviation.reshape(c, m),
            np.where(known, FAR_DIRECTION, np.inf).reshape(c, m),
        )
        return samples, sure

    def _sides(self, x: Array, d: Array, plane: Array) -> Array:
        """From -1, inside, to 1, outside, of places (n, 3) on which the nearest points do not agree; ``plane`` (n,) is how far
        they are from the nearest planes.

        The winding number decides between inside and outside, so that a field of this side times the distance goes through
        zero where a membrane across a hole would be. Of an open surface, which has no inside, the nearest plane goes on.
        """
        if not self.closed:
            return np.clip(plane / np.maximum(d, 1e-12), -1, 1)
        return np.clip(4 * (0.5 - self.winding(x)), -1, 1)

    @cached_property
    def winding(self) -> WindingNumber:
        if self.around is None:
            return WindingNumber(self.tree, self.normals)
        points, normals = (np.concatenate(pair) for pair in zip((self.points, self.normals), self.around, strict=True))
        return WindingNumber(KDTree(points), normals)

    def _nearest(self, x: Array, together: bool) -> NDArray[np.int64]:
        """(n,) the nearest point to each of x (n, 3)."""
        i: NDArray[np.int64] = self.some[self.thinned.query(x, workers=None if together else 1)[1]]
        for _ in range(STEPS if self.thinned is not self.tree else 0):
            i = self._among(i, x, 1, together)[:, 0]
        return i

    def _among(self, i: NDArray[np.int64], x: Array, count: int, together: bool) -> NDArray[np.int64]:
        """(n, count) of the neighbours of points i (n,) those nearest to x (n, 3), the nearest first.

        ``together`` : by all threads, not by the caller alone, which may be one of them.
        """
        out = np.empty((len(x), count), np.int64)

        def work(start: int) -> None:
            part = slice(start, start + CHUNK)
            beside = self.beside[i[part]]
            apart = ((x[part, None] - self.points[beside]) ** 2).sum(-1)
            order = apart.argmin(1)[:, None] if count == 1 else np.argsort(apart, axis=1)[:, :count]
            out[part] = np.take_along_axis(beside, order, 1)

        starts = range(0, len(x), CHUNK)
        if together:
            list(thread_pool(torch.get_num_threads()).map(work, starts))
        else:
            for start in starts:
                work(start)
        return out
