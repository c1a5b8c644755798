"""Where an open surface ends: faces cut along a level of their vertices. What is done to a face depends on its own corners
alone, so that two tiles cut an edge that they share in the same place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Cut = tuple[Array, NDArray[np.float32], Index, NDArray[np.bool_], Index]

LEAST_SHARE = 0.05  # of an edge that a cut leaves at least, on both sides


def cut_by_level(
    at: Array, normals: NDArray[np.float32], faces: Index, border: NDArray[np.bool_], keys: Index, level: Array
) -> Cut:
    """The part of a mesh in which ``level`` (n,), linear on a face, is not above 0.

    Parameters
    ----------
    at, normals : (n, 3) vertices; faces : (m, 3)
    border : (n,) which vertices a tile shares with others; keys : (n, 2) of each, the second -1

    Returns
    -------
    all of them, of the vertices that are left; one on a cut edge of two border vertices is a border vertex, and its key is
    those of the two, the smaller one first
    """
    inside = level <= 0
    count = inside[faces].sum(1)
    whole = count == 3
    crossed = np.flatnonzero((count > 0) & ~whole)
    corners, lone = faces[crossed], count[crossed] == 1
    first = np.argmax(inside[corners] == lone[:, None], axis=1)
    a, b, c = corners[np.arange(len(corners))[:, None], (first[:, None] + np.arange(3)) % 3].T
    ends = np.sort(np.concatenate([np.stack([a, b], 1), np.stack([a, c], 1)]), axis=1)
    code, number = np.unique(ends[:, 0] * max(1, len(at)) + ends[:, 1], return_inverse=True)
    low, high = code // max(1, len(at)), code % max(1, len(at))
    near, far = np.where(inside[low], low, high), np.where(inside[low], high, low)
    share = -level[near] / np.maximum(level[far] - level[near], 1e-12)
    share = np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)[:, None]
    place = at[near] + share * (at[far] - at[near])
    direction = normals[near] + share * (normals[far] - normals[near])
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-12)
    ab, ac = len(at) + number.reshape(2, -1)
    joined = np.concatenate(
        [
            faces[whole],
            np.stack([a, ab, ac], 1)[lone],
            np.stack([b, c, ac], 1)[~lone],
            np.stack([b, ac, ab], 1)[~lone],
        ]
    )
    every = np.concatenate([at, place])
    shared = np.concatenate([border, border[near] & border[far]])
    pair = np.sort(np.stack([keys[near, 0], keys[far, 0]], 1), 1)
    named = np.concatenate([keys, pair])
    used = np.zeros(len(every), bool)
    used[joined] = True
    renumber = np.cumsum(used) - 1
    facing = np.concatenate([normals, direction.astype(np.float32)])
    return every[used], facing[used], renumber[joined], shared[used], named[used]
