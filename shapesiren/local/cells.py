"""Points -> the leaves of an octree over the whole box: small where there are points, large where there are none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..nets.octree import DEEPEST, Octree

Index = NDArray[np.int64]

HALF = 1.1  # half the side of the cube that the cells fill; beyond it the field is continued


class Cells(NamedTuple):
    """octree : the leaves
    starts (n + 1,), points : leaf a has ``points[starts[a] : starts[a + 1]]`` in its support, indices into the cloud
    """

    octree: Octree
    starts: Index
    points: Index


def cut(
    points: NDArray[np.floating], half: float, support: float, most: int, largest: float, smallest: float, beside: int = 0
) -> Cells:
    """Leaves with at most ``most`` points in their support, all over the cube [-half, half]^3.

    Parameters
    ----------
    points : (n, 3) box coordinates
    support : side of the cube whose points a leaf takes, and which it helps to describe, in cells
    largest, smallest : half sides between which a leaf's is, box units; below ``smallest`` no leaf is cut for its points
    """
    points = np.asarray(points, np.float64)
    at = np.zeros((1, 3), np.int64)
    owner, member = np.zeros(len(points), np.int64), np.arange(len(points))
    cells: list[Index] = []
    starts: list[Index] = []
    members: list[Index] = []
    for level in range(DEEPEST + 1):
        h = half / 2**level
        count = np.bincount(owner, minlength=len(at))
        own = np.abs((points[member] + half) / h - 2 * at[owner] - 1).max(1) <= 1
        limit = np.where(np.bincount(owner[own], minlength=len(at)) > 0, most, beside or most)
        split = ((count > limit) & (h / 2 >= smallest) | (h > largest)) & (level < DEEPEST)
        cells.append(np.concatenate([np.full(((~split).sum(), 1), level), at[~split]], 1))
        starts.append(count[~split])
        members.append(member[~split[owner]])
        keep = split[owner]
        owner, member = (np.cumsum(split) - 1)[owner[keep]], member[keep]
        at = at[split]
        if not len(at):
            break
        # a point's place in units of the half side of its cell; a child has half of it, its centre at -.5 or .5
        place = (points[member] + half) / h - 2 * at[owner] - 1
        low, high = (np.abs(place + 0.5) <= support / 2), (np.abs(place - 0.5) <= support / 2)
        parts = []
        for child in range(8):
            inside = np.ones(len(member), bool)
            for axis in range(3):
                inside &= (high if child >> (2 - axis) & 1 else low)[:, axis]
            index = np.flatnonzero(inside)
            parts.append((8 * owner[index] + child, member[index]))
        owner, member = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(owner, kind="stable")
        owner, member = owner[order], member[order]
        bits = np.array([(c >> 2 & 1, c >> 1 & 1, c & 1) for c in range(8)])
        at = (2 * at[:, None] + bits).reshape(-1, 3)
    every, counts = np.concatenate(cells), np.concatenate(starts)
    octree = Octree.of(every, half)
    order = np.argsort(Octree(every, half).codes, kind="stable")
    first = np.cumsum(counts) - counts
    sizes = counts[order]
    begin = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.repeat(first[order] - begin[:-1], sizes) + np.arange(begin[-1])
    return Cells(octree, begin, np.concatenate(members)[flat])
