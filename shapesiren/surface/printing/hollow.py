"""The cavity of a hollow part, and the drain through its bottom.

The inside of an offset is a level set of a distance. The field is one near its surface; how well is measured, on the offset it
gives, against the mesh. Where it is not good enough, distances from the mesh itself on a grid take its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import RunError
from ...runtime.triangles import Triangles
from .solids import from_mesh

if TYPE_CHECKING:
    from manifold3d import Manifold

Array = NDArray[np.float64]

CELLS = 128  # of the grid, along the longest side
BLOCK = 4  # corners along a side that are looked at together first
STEEPEST = 1.5  # slope of a field that is a distance nearly
MOST_OFF = 0.1  # share of the wall by which 90 % of a cavity's vertices may be off
SMALLEST_POCKET = 1e-3  # share of the largest pocket's volume below which one is left solid


def cavity(
    vertices: Array, faces: NDArray[np.int64], wall: float, field: Callable[[Array], Array] | None
) -> tuple[Manifold, str, float]:
    """What lies deeper than ``wall`` under a closed mesh, all in millimetres.

    Parameters
    ----------
    field : (k, 3) -> (k,) distances that the fit knows, negative inside; None: only the mesh is asked

    Returns
    -------
    pockets, where it is from ("field" or "mesh"), and the median distance of its vertices from the mesh

    Raises
    ------
    RunError : nothing is that thick
    """
    by_mesh = Triangles(vertices, faces).signed_distance

    if field is not None:
        found = _offset(field, vertices, wall)
        if found is not None:
            off = np.abs(by_mesh(found[0]) + wall)
            if np.quantile(off, 0.9) <= MOST_OFF * wall and float((off > 0.5 * wall).mean()) < 1e-3:
                return from_mesh(*found), "field", float(np.median(-by_mesh(found[0])))
    found = _offset(by_mesh, vertices, wall)
    if found is None:
        raise RunError(
            f"nothing of the part is thick enough for walls of {wall:g} mm",
            where="--hollow",
            hint="thinner walls, or a larger --height",
        )
    return from_mesh(*found), "mesh", float(np.median(-by_mesh(found[0])))


def _offset(distance: Callable[[Array], Array], vertices: Array, wall: float) -> tuple[Array, NDArray[np.int64]] | None:
    """The level set of ``distance`` at -wall inside the bounds of (n, 3) vertices; None where there is none."""
    from skimage.measure import marching_cubes

    low, high = vertices.min(0), vertices.max(0)
    step = float((high - low).max()) / CELLS
    counts = np.ceil((high - low) / step).astype(int) + 3
    origin = (low + high) / 2 - (counts - 1) * step / 2
    at = origin + step * np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 3)
    f = _near_zero(lambda x: distance(x) + wall, at, counts, step)
    for axis in range(3):  # nothing outside: the cavity is closed whatever a field does there
        for end in (0, -1):
            np.moveaxis(f, axis, 0)[end] = np.maximum(np.moveaxis(f, axis, 0)[end], step)
    if not (f < 0).any():
        return None
    hair = 1e-4 * step
    f = np.where(np.abs(f) < hair, np.where(f < 0, -hair, hair), f)
    v, faces, _, _ = marching_cubes(f, 0.0, gradient_direction="descent")
    return origin + step * v.astype(np.float64), faces.astype(np.int64)


def _near_zero(values: Callable[[Array], Array], at: Array, counts: NDArray[np.int64], step: float) -> Array:
    """Values at a grid's corners ``at`` (k, 3), as an array of its ``counts``: exact where the level set may be, elsewhere
    those at the centre of a block of `BLOCK` corners along each side."""
    index = np.stack(np.meshgrid(*map(np.arange, counts), indexing="ij"), -1).reshape(-1, 3)
    blocks = -(-counts // BLOCK)
    block = np.ravel_multi_index(tuple((index // BLOCK).T), tuple(blocks))
    centre = np.stack(np.meshgrid(*map(np.arange, blocks), indexing="ij"), -1).reshape(-1, 3) * BLOCK + (BLOCK - 1) / 2
    f = values(at[0] + step * centre)[block]
    near = np.abs(f) <= STEEPEST * np.sqrt(3) * BLOCK / 2 * step
    f[near] = values(at[near])
    return f.reshape(counts)


def pockets_to_keep(cavities: Manifold, only_largest: bool) -> tuple[Manifold, int]:
    """The pockets that are worth it, or the largest alone where a drain reaches no other; and how many were left solid."""
    from manifold3d import Manifold

    pockets = sorted((p for p in cavities.decompose() if p.volume() > 0), key=lambda p: -p.volume())
    if not pockets:
        return cavities, 0
    kept = pockets[:1] if only_largest else [p for p in pockets if p.volume() >= SMALLEST_POCKET * pockets[0].volume()]
    return Manifold.compose(kept), len(pockets) - len(kept)


def drain_through(pocket: Manifold, wall: float, diameter: float) -> Manifold:
    """A cylinder from below the part, z < 0, into the lowest place of a pocket that is as wide as it.

    Raises
    ------
    RunError : the pocket is nowhere so wide near its bottom
    """
    from manifold3d import Manifold
    from scipy.spatial import cKDTree

    low, high = pocket.bounding_box()[2], pocket.bounding_box()[5]
    for up in (0.1, 0.25, 0.5, 1.0, 2.0):
        height = min(low + up * wall, (low + high) / 2)
        room = pocket.slice(height).offset(-diameter / 2)
        if room.is_empty():
            continue
        outline = np.concatenate([np.asarray(p) for p in room.to_polygons()])
        # of what has room for the drain the middle of the widest part: eroded until nearly nothing is left
        step = float(np.ptp(outline, axis=0).max()) / 4
        while step > diameter / 20:
            smaller = room.offset(-step)
            if smaller.is_empty():
                step /= 2
            else:
                room = smaller
        outline = np.concatenate([np.asarray(p) for p in room.to_polygons()])
        centre = outline[cKDTree(outline).query(outline.mean(0))[1]]
        return Manifold.cylinder(height + 1.0, diameter / 2, circular_segments=48).translate([*centre.tolist(), -1.0])
    raise RunError(
        f"the cavity has no room for a drain of {diameter:g} mm", where="--drain", hint="a narrower drain or thinner walls"
    )
