"""Where the scanner stood: whether a position that a file names can be believed, and what it says of the normals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree

Array = NDArray[np.float64]

MIN_POINTS, MEASURABLE_LENGTHS = 100, (1e-100, 1e100)
MAX_DIAGONALS = 3.0  # diagonals of the scan: a default position in a header says nothing of a cloud so far away
MIN_RANGE_RATIO = 1.5  # of the ranges, 10 to 90 %: below it spacings say nothing of them
SPACING_SLOPE = (0.5, 1.8)  # of log spacing over log range; 1 for a scanner with fixed angular steps, 0 for an even sampling
PLATE_SHARE = 0.5  # share of points in two layers from which they are a thin plate
MAX_SHARE_UNDER = 0.2  # share of points below others that a scan from above may have
SITE_SHARE_UNDER = 0.35  # the same of ground with what stands on it
SITE_HEIGHT = 0.5  # of the shorter horizontal side, that such a site has at most
MAX_HIDDEN_SHARE = 0.25  # share of points behind others that a believable position may leave


def believable(points: Array, position: Array, spread: float = MIN_RANGE_RATIO) -> bool:
    """Whether the points (n, 3) look as if one scanner at ``position`` (3,) had measured them, some of them ``spread`` times
    as far away as others.

    Many programs write (0, 0, 0) into every header. Two things give a real position away: the spacing of the points grows
    with their distance from it, and few of them lie behind others. A cloud that is equally far all round (a ball sampled
    about its centre) is not believed: it looks the same from inside and from outside.
    """
    if not measurable(points):
        return False
    reach = np.linalg.norm(points - position, axis=1)
    low, high = points.min(0), points.max(0)
    if reach.min() == 0 or np.linalg.norm(position - (low + high) / 2) > MAX_DIAGONALS * np.linalg.norm(high - low):
        return False
    near, far = np.quantile(reach, [0.1, 0.9])
    if far < spread * near:
        return False
    some = points if len(points) <= 50_000 else points[np.random.default_rng(0).choice(len(points), 50_000, replace=False)]
    range_ = np.linalg.norm(some - position, axis=1)
    spacing = np.maximum(KDTree(some).query(some, [min(7, len(some))])[0][:, 0], 1e-12 * far)
    slope = float(np.polyfit(np.log(range_), np.log(spacing), 1)[0])
    return SPACING_SLOPE[0] <= slope <= SPACING_SLOPE[1] and hidden_share(some, position) <= MAX_HIDDEN_SHARE


def measurable(points: Array) -> bool:
    """Whether there are enough points to speak of spacings, in coordinates whose squares are numbers. (n, 3)"""
    return (
        len(points) >= MIN_POINTS
        and bool(np.abs(points).max() < MEASURABLE_LENGTHS[1])
        and bool(np.ptp(points, 0).max() > MEASURABLE_LENGTHS[0])
    )


def hidden_share(points: Array, position: Array) -> float:
    """Share of the points that lie behind another one, seen from ``position``: in the same small cell of directions and
    clearly farther. A cell holds about ten points of a single sheet."""
    away = points - position
    reach = np.maximum(np.linalg.norm(away, axis=1), 1e-300)
    spacing = KDTree(points).query(points, [min(7, len(points))])[0][:, 0]
    cell = 2 * float(np.median(spacing / reach))
    _, of_point = np.unique(np.floor(away / reach[:, None] / max(cell, 1e-9)), axis=0, return_inverse=True)
    of_point = of_point.reshape(-1)
    nearest = np.full(of_point.max() + 1, np.inf)
    np.minimum.at(nearest, of_point, reach)
    return float((reach > 1.05 * nearest[of_point] + 5 * spacing).mean())


def seen_from_above(points: Array, spacings: float = 3.0) -> bool:
    """Whether the points are a terrain: hardly any lies clearly below another one, in cells a few spacings wide.

    Share of such points: airborne scan with houses and woods .14; closed shapes .44 and more; one-sided scans of them
    .31 and more, unless they were taken from above.
    """
    columns = _columns(points, spacings)
    return columns is not None and columns.under < MAX_SHARE_UNDER and columns.layered < PLATE_SHARE


def is_site(points: Array) -> bool:
    """Whether the points are ground with what stands on it, whoever saw them from wherever: wide beside their height, and
    of the ground there is one layer. Such a surface has no inside that could tell its sides; it looks up.

    Share of points below others, and in two layers: a city with facades and trees .30, .03; closed shapes .42 and more, or
    (plates) .0, .73; one-sided scans of shapes .38 and more. (n, 3) in any unit
    """
    size = np.ptp(points, axis=0)
    if size[2] >= SITE_HEIGHT * size[:2].min():
        return False
    columns = _columns(points, 3.0)
    return columns is not None and columns.under < SITE_SHARE_UNDER and columns.layered < PLATE_SHARE


class _Columns(NamedTuple):
    """Shares of the points: clearly below another one, and in columns of two layers."""

    under: float
    layered: float


def _columns(points: Array, spacings: float) -> _Columns | None:
    """Of columns so many spacings wide; None where there are too few points to tell."""
    low, high = points.min(0), points.max(0)
    if not (high[:2] > low[:2]).all():
        return None
    some = points if len(points) <= 200_000 else points[np.random.default_rng(0).choice(len(points), 200_000, replace=False)]
    spacing = float(np.median(KDTree(some).query(some[:: max(1, len(some) // 5000)], 2)[0][:, 1]))
    if spacing <= 0:
        return None
    _, of_point = np.unique(np.floor((some[:, :2] - low[:2]) / (spacings * spacing)), axis=0, return_inverse=True)
    of_point = of_point.reshape(-1)
    top = np.full(of_point.max() + 1, -np.inf)
    np.maximum.at(top, of_point, some[:, 2])
    if len(some) <= 2 * len(top):  # the cells are too empty to tell
        return None
    under = float((some[:, 2] < top[of_point] - 5 * spacing).mean())
    return _Columns(under, _layered(some[:, 2], of_point, spacing / 2))


def _layered(height: Array, cell: NDArray[np.integer], least: float) -> float:
    """Share of the points, of heights (n,), in cells (n,) where they form two layers with a gap of at least ``least`` between:
    the sheets of a thin plate that lies flat. A slope has points at all heights between its highest and its lowest.
    """
    order = np.lexsort((height, cell))
    h, c = height[order], cell[order]
    gap = np.where(c[1:] == c[:-1], np.diff(h), -np.inf)
    lower = np.lexsort((gap, c[:-1]))  # the last of each cell is below its widest gap
    lower = lower[np.append(np.diff(c[:-1][lower]) > 0, True)]
    count, first = np.bincount(c), np.searchsorted(c, np.arange(c[-1] + 1))
    where = c[lower]
    below = lower - first[where] + 1
    spread = h[first[where] + count[where] - 1] - h[first[where]]
    even = (below >= 0.2 * count[where]) & (below <= 0.8 * count[where]) & (count[where] >= 6)
    layered = even & (gap[lower] > least) & (gap[lower] > spread / 2)
    return float(count[where][layered].sum() / max(count[count >= 6].sum(), 1))


def high_above(points: Array) -> Array:
    """A position so high that every point is seen vertically. (n, 3) -> (3,)"""
    low, high = points.min(0), points.max(0)
    return (low + high) / 2 + np.array([0.0, 0.0, 100 * np.linalg.norm(high - low)])


def towards(points: Array, normals: Array, sensors: Array, sensor: NDArray[np.integer]) -> Array:
    """Normals turned to the side from which each point was seen; where that is unknown (-1) they stay.

    points, normals : (n, 3); sensors : (k, 3) positions; sensor : (n,) index into them
    """
    known = sensor >= 0
    ray = sensors[np.where(known, sensor, 0)] - points
    return np.where((known & ((normals * ray).sum(1) < 0))[:, None], -normals, normals)
