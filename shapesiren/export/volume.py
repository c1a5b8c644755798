"""Volumes between two runs: cut and fill of terrains, over the cells that both have; of closed bodies, what they enclose."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.triangles import Triangles
from ..surface.mesh import TriangleMesh
from ..surface.verify import verify
from .terrain import HeightGrid, height_grid

BODY_POINTS = 100_000  # at most, that tell how far a body's surface is off


@dataclass(frozen=True)
class Terrain:
    """A mesh, terrain or body, the points (n, 3) behind it, and how far from them it is supported; all in the user's units."""

    mesh: TriangleMesh
    points: NDArray[np.float64]
    support: float


@dataclass(frozen=True)
class Volume:
    """From the first terrain to the second, in the user's units cubed.

    cut, fill : what is taken away, and what is added, both positive; net : fill - cut
    error : of the net volume, one standard deviation: by how much the median of each surface's points lies off it, with the
        uncertainty of that median, times the area; and what cells of twice the side would change
    area : of the cells that both have
    """

    cut: float
    fill: float
    net: float
    error: float
    area: float
    cell: float

    def tree(self) -> dict[str, float]:
        return asdict(self)


def volume_between(before: Terrain, after: Terrain, cell: float) -> Volume:
    """Raises InputError if no cell has heights of both."""
    net, cut, fill, area = _volume(before, after, cell)
    coarse = _volume(before, after, 2 * cell)
    change = abs(net - coarse[0] * area / coarse[3]) if coarse[3] else abs(net)
    off = np.hypot(_offset(before, cell), _offset(after, cell))
    return Volume(cut, fill, net, float(np.hypot(off * area, change)), area, cell)


@dataclass(frozen=True)
class BodyVolume:
    """What two closed bodies enclose, in the user's units cubed. before, after : each; net : after - before
    error : of ``net``, one standard deviation: by how much the median of each body's points lies off its surface, with the
        uncertainty of that median, times its area
    """

    before: float
    after: float
    net: float
    error: float

    def tree(self) -> dict[str, float]:
        return asdict(self)


def volume_of_bodies(before: Terrain, after: Terrain) -> BodyVolume:
    """Raises InputError if a mesh is not watertight."""
    (a, a_error), (b, b_error) = _enclosed(before, "the first"), _enclosed(after, "the second")
    return BodyVolume(a, b, b - a, float(np.hypot(a_error, b_error)))


def _enclosed(body: Terrain, which: str) -> tuple[float, float]:
    """The volume, and its error."""
    centre = body.mesh.vertices.mean(0)
    # far from the origin a volume is a difference of large ones
    mesh = replace(body.mesh, vertices=body.mesh.vertices - centre)
    found = verify(mesh)
    if found.volume is None:
        hint = "mesh --watertight closes it; a terrain is fitted with --surface open"
        raise InputError(f"{which} mesh is not watertight: it encloses no volume", where="--volume", hint=hint)
    points = body.points[:: max(1, len(body.points) // BODY_POINTS)] - centre
    off = Triangles(mesh.vertices, mesh.faces).signed_distance(points)
    return found.volume, _offset_of(off) * found.area


def _grid(terrain: Terrain, cell: float) -> HeightGrid:
    return height_grid(terrain.mesh, cell, terrain.points, max(terrain.support, cell))


def _volume(before: Terrain, after: Terrain, cell: float) -> tuple[float, float, float, float]:
    a, b = _grid(before, cell), _grid(after, cell)
    column, row = round((b.west - a.west) / cell), round((a.north - b.north) / cell)  # of b's first cell in a
    top, left = max(row, 0), max(column, 0)
    bottom, right = (min(n, m + o) for n, m, o in zip(a.heights.shape, b.heights.shape, (row, column), strict=True))
    if bottom <= top or right <= left:
        raise InputError("the two surfaces have no area in common", where="--volume", hint="compare runs of one place")
    rise = b.heights[top - row : bottom - row, left - column : right - column] - a.heights[top:bottom, left:right]
    rise = rise[np.isfinite(rise)]
    if not len(rise):
        raise InputError("no cell has heights of both surfaces", where="--volume", hint="compare runs of one place")
    cut, fill = np.maximum(-rise, 0).sum() * cell**2, np.maximum(rise, 0).sum() * cell**2
    return float(fill - cut), float(cut), float(fill), len(rise) * cell**2


def _offset(terrain: Terrain, cell: float) -> float:
    """By how much the points lie above or below the surface, and the standard error of that, together.

    The median, for the highest surface over points under trees and eaves is no error. Heights are interpolated at the points.
    """
    from scipy.ndimage import map_coordinates

    grid = _grid(terrain, cell)
    column = (terrain.points[:, 0] - grid.west) / cell - 0.5
    row = (grid.north - terrain.points[:, 1]) / cell - 0.5
    rest = terrain.points[:, 2] - map_coordinates(grid.heights, [row, column], order=1, cval=np.nan)
    rest = rest[np.isfinite(rest)]
    return _offset_of(rest) if len(rest) else float(terrain.support)


def _offset_of(rest: NDArray[np.float64]) -> float:
    """The median of signed distances and its standard error, together."""
    middle = np.median(rest)
    spread = 1.4826 * np.median(np.abs(rest - middle))  # of normal deviations, in which a median errs by 1.25 of a mean
    return float(np.hypot(middle, 1.2533 * spread / np.sqrt(len(rest))))
