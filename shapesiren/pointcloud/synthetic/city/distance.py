"""The exact distance to a city's surface: what is seen of the union of ground, buildings, trunks and crowns.

Every thing stands on level ground, and nothing else touches anything. So each piece of the surface is bounded by the rim in
which it meets another (wall and ground, trunk and ground, crown and trunk), the rim belongs to both, and the distance to the
surface is the least of the distances to the pieces: the ground without the places on which something stands, walls and roofs
without floors, trunks without ends, crowns without the discs where trunks enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .ground import PITCH, Ground
from .layout import Buildings, City, Trees

Array = NDArray[np.float64]

POINTS_AT_ONCE = 1 << 18


def signed_distance(city: City, points: Array) -> Array:
    """Distance to the surface, negative inside of the ground, of buildings, trees and posts.

    To rounding where it is below 5 m; farther away the ground may be nearer than is found, see `Ground.nearest`.

    Parameters
    ----------
    points : (n, 3) in metres

    Returns
    -------
    distance : (n,) in metres
    """
    points = np.asarray(points, dtype=np.float64)
    parts = [_of_part(city, points[i : i + POINTS_AT_ONCE]) for i in range(0, len(points), POINTS_AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _of_part(city: City, p: Array) -> Array:
    ground, b, t = city.ground, city.buildings, city.trees
    u = ground.nearest(p)
    down = p[:, 2] - ground.height(u)
    nearest = np.sqrt(((p[:, :2] - u) ** 2).sum(1) + down**2)
    on_it = ((p[:, :2] >= 0) & (p[:, :2] <= ground.size)).all(1)
    inside = on_it & (p[:, 2] < ground.height(np.clip(p[:, :2], 0, ground.size)))
    order, starts, blocks = _by_block(ground, p)
    of_building, of_tree = _block_of(ground, b.x, b.y), _block_of(ground, t.x, t.y)
    ny = ground.level.shape[1]
    for block, start, end in zip(blocks, starts[:-1], starts[1:], strict=True):
        rows = order[start:end]
        x = p[rows]
        i, j = divmod(int(block), ny)
        near = [(i + di) * ny + j + dj for di in (-1, 0, 1) for dj in (-1, 0, 1) if 0 <= j + dj < ny]
        best, within = nearest[rows], inside[rows]
        things = np.flatnonzero(np.isin(of_building, near))
        trees = np.flatnonzero(np.isin(of_tree, near))
        best[_stood_on(b, t, things, trees, u[rows])] = np.inf  # there the ground does not count
        low, high = x.min(0), x.max(0)
        for k in things:
            _building(b, int(k), x, best, within, low, high)
        for k in trees:
            _tree(t, int(k), x, best, within, low, high)
        nearest[rows], inside[rows] = best, within
    return np.where(inside, -nearest, nearest)


def _block_of(ground: Ground, x: Array, y: Array) -> NDArray[np.int64]:
    nx, ny = ground.level.shape
    i, j = np.clip((x // PITCH).astype(int), 0, nx - 1), np.clip((y // PITCH).astype(int), 0, ny - 1)
    return np.asarray(i * ny + j, dtype=np.int64)


def _by_block(ground: Ground, p: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The order of points by their blocks, where each block starts in it with the end of all, and the blocks."""
    block = _block_of(ground, p[:, 0], p[:, 1])
    order = np.argsort(block, kind="stable")
    blocks, starts = np.unique(block[order], return_index=True)
    return order, np.append(starts, len(p)), blocks


def _stood_on(b: Buildings, t: Trees, things: NDArray[np.int64], trees: NDArray[np.int64], u: Array) -> NDArray[np.bool_]:
    """(n,) whether something stands on the places ``u`` (n, 2)."""
    taken = np.zeros(len(u), bool)
    for k in things:
        dx, dy = u[:, 0] - b.x[k], u[:, 1] - b.y[k]
        along, across = b.cos[k] * dx + b.sin[k] * dy, b.cos[k] * dy - b.sin[k] * dx
        taken |= (np.abs(along) < b.length[k]) & (np.abs(across) < b.width[k])
    for k in trees:
        taken |= (u[:, 0] - t.x[k]) ** 2 + (u[:, 1] - t.y[k]) ** 2 < t.trunk[k] ** 2
    return taken


def _building(b: Buildings, k: int, x: Array, best: Array, inside: NDArray[np.bool_], low: Array, high: Array) -> None:
    """Take the distance to a building into account where it is the least so far."""
    radius = float(np.hypot(b.length[k], b.width[k]))
    top = b.base[k] + b.eaves[k] + b.ridge[k]
    rows = _near(x, best, inside, (b.x[k], b.y[k]), radius, b.base[k], top, low, high)
    if not len(rows):
        return
    dx, dy = x[rows, 0] - b.x[k], x[rows, 1] - b.y[k]
    along, across = np.abs(b.cos[k] * dx + b.sin[k] * dy), np.abs(b.cos[k] * dy - b.sin[k] * dx)
    up = x[rows, 2] - b.base[k]
    length, width, eaves, ridge = b.length[k], b.width[k], b.eaves[k], b.ridge[k]
    # the outline across the ridge: wall from (width, 0) to (width, eaves), roof on to (0, eaves + ridge)
    wall = np.hypot(across - width, up - np.clip(up, 0, eaves))
    t = np.clip(((width - across) * width + (up - eaves) * ridge) / (width**2 + ridge**2), 0, 1)
    roof = np.hypot(across - width * (1 - t), up - (eaves + t * ridge))
    outline = np.minimum(wall, roof)
    past = along - length
    sides = np.hypot(outline, np.maximum(past, 0))
    in_outline = (up >= 0) & (across <= width) & ((up - eaves) * width <= ridge * (width - across))
    floor = np.hypot(np.maximum(across - width, 0), up)  # the outline's lower side bounds the end walls alone
    end = np.hypot(past, np.where(in_outline, 0.0, np.minimum(outline, floor)))
    best[rows] = np.minimum(best[rows], np.minimum(sides, end))
    inside[rows] |= in_outline & (past < 0)


def _tree(t: Trees, k: int, x: Array, best: Array, inside: NDArray[np.bool_], low: Array, high: Array) -> None:
    """The same for a tree or a post."""
    top = t.base[k] + t.top[k] + t.crown[k]
    rows = _near(x, best, inside, (t.x[k], t.y[k]), max(t.crown[k], t.trunk[k]), t.base[k], top, low, high)
    if not len(rows):
        return
    out = np.hypot(x[rows, 0] - t.x[k], x[rows, 1] - t.y[k])
    up = x[rows, 2] - t.base[k]
    trunk, crown, reach = t.trunk[k], t.crown[k], t.reach[k]
    stem = np.hypot(out - trunk, up - np.clip(up, 0, reach))
    above = up - t.top[k]
    radius = np.hypot(out, above)
    ball = np.abs(radius - crown)
    # straight below the middle the nearest point of the sphere lies in the trunk: not seen, and its rim is the trunk's
    ball[(above < 0) & (out * np.sqrt(crown**2 - trunk**2) < -above * trunk)] = np.inf
    best[rows] = np.minimum(best[rows], np.minimum(stem, ball))
    inside[rows] |= (radius < crown) | ((out < trunk) & (up >= 0) & (up < reach))


def _near(
    x: Array,
    best: Array,
    inside: NDArray[np.bool_],
    middle: tuple[float, float],
    radius: float,
    bottom: float,
    top: float,
    low: Array,
    high: Array,
) -> NDArray[np.int64]:
    """Points of ``x`` that may be nearer to something in an upright cylinder than their ``best``, or in it."""
    most = float(best.max(initial=0.0))
    gap = np.maximum(np.maximum(low[:2] - middle - radius, middle - high[:2] - radius), 0)
    if np.hypot(*gap) > most and np.isfinite(most):
        return np.zeros(0, np.int64)
    out = np.maximum(np.hypot(x[:, 0] - middle[0], x[:, 1] - middle[1]) - radius, 0)
    up = np.maximum(np.maximum(bottom - x[:, 2], x[:, 2] - top), 0)
    return np.flatnonzero(out**2 + up**2 <= best**2)
