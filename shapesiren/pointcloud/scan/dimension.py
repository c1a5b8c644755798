"""Whether points lie on surfaces at all: they may fill a volume, or lie on curves, and then there is nothing to be meshed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...runtime.kdtree import KDTree

Array = NDArray[np.float64]

POINTS, LOOKS = 20_000, 400  # that stand for all; at which neighbourhoods are looked at
NEIGHBOURS = tuple(12 * 2**i for i in range(9))
MIN_POINTS = 200  # of a cloud that is judged
TRIMMED = 0.01  # share of the points at either end of an axis that do not count for its size
THICK = 0.5  # deviation across a neighbourhood, of that along it, from which it is no sheet
THIN = 0.3  # second deviation, of the first, up to which it is a line
RASTER = 7  # cells a side, over the plane of a neighbourhood
# Measured, from 24 neighbours to the reach, of the size. Share of neighbourhoods that are thick, the least: balls, cubes,
# voxels .86 to 1, noise of 5 % of the size .19, of 1 % and plates as thin as 2 % 0, a gyroid 0, rooms and terrain .1. Share of
# the raster that is filled, the most: edges of parts, circles, six profiles side by side .24 to .31, twelve .59, spinning
# scanners of 16 lines .45 to .79, all else 1.
VOLUME_REACH, VOLUME_SHARE = 0.15, 0.6
CURVE_REACH, CURVE_FILLED, CURVE_SHARE = 0.2, 0.36, 0.4
SPARSE_RANK, SPARSE_SHARE = 8, 0.05  # of the neighbour that should be near; share of points without it that is worth a word


class Neighbourhoods(NamedTuple):
    """Of so many ``neighbours`` of each point that is looked at.

    reach : median distance to the farthest, of the size; thick : share of them that are no sheets
    thin : share of them that are lines; filled : median share of the plane that they cover
    """

    neighbours: int
    reach: float
    thick: float
    thin: float
    filled: float


def require_surface(points: Array, curves_too: bool, where: object) -> None:
    """Raise InputError if points (n, 3) fill a volume or, where ``curves_too`` is asked for, lie on curves.

    The whole cloud is judged, by how thick its neighbourhoods are and how much of their planes they cover, from narrow ones to
    a good part of its size: a sheet that is thick with noise is thin beside a wider neighbourhood, and lines that a
    scanner measures in lie side by side.
    """
    if len(points) < MIN_POINTS:
        return
    volume, curve = True, curves_too
    for found in neighbourhoods(points):
        if found.neighbours == NEIGHBOURS[0]:
            curve = curve and found.thin > CURVE_SHARE
        else:
            volume = volume and found.thick > VOLUME_SHARE
            curve = curve and (found.filled < CURVE_FILLED or found.reach > CURVE_REACH)
        if volume and found.reach > VOLUME_REACH and found.neighbours > NEIGHBOURS[1]:
            what = f"its points fill a volume, there is no surface through them ({found.thick:.0%} of the places are no sheet)"
            hint = "keep those of its surface alone; --set ingest.dimension=any takes them as they are"
            raise InputError(what, where=where, hint=hint)
        if curve and found.reach > CURVE_REACH:
            what = "its points lie on curves, such as the edges of a part: they do not say what is between"
            hint = "give the mesh itself, or points of its faces; --set ingest.dimension=any takes them as they are"
            raise InputError(what, where=where, hint=hint)
        if not volume and not curve:
            return


def neighbourhoods(points: Array) -> Iterator[Neighbourhoods]:
    """Those of some of the points (n, 3), of a part of them, from narrow to wide."""
    low, high = np.quantile(points, [TRIMMED, 1 - TRIMMED], axis=0)
    size = max(float((high - low).max()), 1e-300)
    rng = np.random.default_rng(0)
    part = (points[rng.permutation(len(points))[:POINTS]] - low) / size
    some, tree = part[:LOOKS], KDTree(part)
    for k in NEIGHBOURS:
        if k > len(part) / 4:
            return
        distance, near = tree.query(some, k)
        local = part[near] - part[near].mean(1, keepdims=True)
        variance, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", local, local))
        first, second, third = np.sqrt(np.maximum(variance[:, ::-1], 0)).T
        reach = distance[:, -1:]
        plane = np.einsum("nki,nij->nkj", part[near] - some[:, None], axes[:, :, 1:]) / np.maximum(reach, 1e-300)[..., None]
        yield Neighbourhoods(
            k,
            float(np.median(reach)),
            float((third > THICK * first).mean()),
            float((second < THIN * first).mean()),
            float(np.median(_filled(plane))),
        )


def _filled(plane: Array) -> Array:
    """(n,) share of a raster over the unit disc that points (n, k, 2) fall into."""
    n, k, _ = plane.shape
    cell = np.clip(((plane + 1) / 2 * RASTER).astype(np.int64), 0, RASTER - 1)
    hit = np.zeros((n, RASTER * RASTER), bool)
    hit[np.repeat(np.arange(n), k), (cell[..., 0] * RASTER + cell[..., 1]).reshape(-1)] = True
    middle = (np.arange(RASTER) + 0.5) / RASTER * 2 - 1
    disc = np.hypot(middle[:, None], middle).reshape(-1) < 0.9
    return np.asarray(hit[:, disc].mean(1))


def sparse(tree: KDTree, support: float) -> tuple[float, float] | None:
    """Share of a cloud's points whose neighbours lie farther than ``support``, within which a surface is kept, and the distance
    within which nearly all have theirs; None where those are few. Spinning scanners are so, whose rings part with the range.
    """
    points = np.asarray(tree.data)
    some = np.random.default_rng(0).permutation(len(points))[:POINTS]
    distance = tree.query(points[some], [min(SPARSE_RANK + 1, len(points))])[0][:, 0]
    share = float((distance > support).mean())
    return (share, float(np.quantile(distance, 1 - TRIMMED))) if share > SPARSE_SHARE else None
