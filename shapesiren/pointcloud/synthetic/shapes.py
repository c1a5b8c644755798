"""Analytic shapes with exact signed distance: the truth that tests and benchmarks measure against.

Each function takes (n, 3) points and returns (n,) distances, negative inside. All fit in [-1, 1]^3. Formulas without a note
follow from the definition; the box and the extrusion follow Inigo Quilez, "3D SDF functions"
(iquilezles.org/articles/distfunctions).

To add a shape, write such a function and enter it in `SHAPES`: the commands know it by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ...runtime.kdtree import KDTree

Array = NDArray[np.float64]
Distance = Callable[[Array], Array]


def sphere(p: Array, radius: float = 0.7) -> Array:
    """Smooth, genus 0."""
    return np.linalg.norm(p, axis=1) - radius


def torus(p: Array, major: float = 0.6, minor: float = 0.22) -> Array:
    """Smooth, genus 1."""
    return np.hypot(np.hypot(p[:, 0], p[:, 1]) - major, p[:, 2]) - minor


def box(p: Array, half: tuple[float, float, float] = (0.7, 0.5, 0.4)) -> Array:
    """Sharp edges and corners."""
    q = np.abs(p) - np.array(half)
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)


def plate(p: Array) -> Array:
    """Thin: a sheet 2 % of the box's side thick, so two surfaces .04 apart."""
    return box(p, (0.7, 0.6, 0.02))


def cylinder(p: Array, radius: float = 0.45, half_height: float = 0.65) -> Array:
    """Two sharp circular edges, one curved face."""
    return _extrude(np.hypot(p[:, 0], p[:, 1]) - radius, p[:, 2], half_height)


def holed_plate(p: Array, half_height: float = 0.15) -> Array:
    """High genus: a plate with a grid of 3 x 2 round holes, genus 6, sharp rims."""
    q = np.abs(p[:, :2]) - np.array([0.8, 0.55])
    outline = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)
    holes = np.min([np.hypot(p[:, 0] - x, p[:, 1] - y) - 0.16 for x in (-0.5, 0.0, 0.5) for y in (-0.26, 0.26)], axis=0)
    # The outline and the holes are disjoint curves, so the distance to the nearest of them is exact.
    unsigned = np.minimum(np.abs(outline), np.abs(holes))
    inside = (outline < 0) & (holes > 0)
    return _extrude(np.where(inside, -unsigned, unsigned), p[:, 2], half_height)


def two_spheres(p: Array) -> Array:
    """Two components, .27 apart."""
    a = np.linalg.norm(p - np.array([0.45, 0.1, 0]), axis=1) - 0.35
    b = np.linalg.norm(p + np.array([0.45, 0.1, 0]), axis=1) - 0.3
    return np.minimum(a, b)


TREFOIL_TUBE = 0.13  # radius


def trefoil_curve(t: Array) -> Array:
    """The trefoil knot's centre line at parameters t in [0, 2 pi): (n,) -> (n, 3)."""
    return trefoil_jet(t)[0]


def trefoil_jet(t: Array) -> tuple[Array, Array, Array]:
    """Place on the centre line, and its first and second derivative by the parameter; each (n, 3)."""
    (s1, s2, s3), (c1, c2, c3) = (wave(np.outer((1, 2, 3), t)) for wave in (np.sin, np.cos))
    place = s1 + 2 * s2, c1 - 2 * c2, -s3
    first = c1 + 4 * c2, 4 * s2 - s1, -3 * c3
    second = -s1 - 8 * s2, 8 * c2 - c1, 9 * s3
    return tuple(np.stack(v, -1) * 0.27 for v in (place, first, second))  # type: ignore[return-value]


@cache
def _trefoil_table() -> tuple[Array, KDTree]:
    """Parameters of a fine polyline, and a tree of its places."""
    from ...runtime.kdtree import KDTree

    table = np.linspace(0, 2 * np.pi, 4096, endpoint=False)
    return table, KDTree(trefoil_curve(table))


def trefoil(p: Array) -> Array:
    """Smooth, genus 1, knotted: a tube round the trefoil curve.

    Exact to rounding: the nearest curve point is found on a fine polyline and polished by Newton's method;
    the tube is thinner than the curve's reach, so no other formula is needed inside.
    """
    table, tree = _trefoil_table()
    t = table[tree.query(p)[1]]
    for _ in range(3):
        place, first, second = trefoil_jet(t)
        slope = ((place - p) * first).sum(1)
        curvature = (first * first).sum(1) + ((place - p) * second).sum(1)
        t = t - np.clip(slope / np.maximum(curvature, 1e-3), -2e-3, 2e-3)
    return np.linalg.norm(p - trefoil_curve(t), axis=1) - TREFOIL_TUBE


def _extrude(planar: Array, z: Array, half_height: float) -> Array:
    """Signed distance of a planar region's extrusion along z, from those of the region and the height above the middle."""
    w = np.abs(z) - half_height
    outside = np.hypot(np.maximum(planar, 0), np.maximum(w, 0))
    return np.minimum(np.maximum(planar, w), 0) + outside


SHAPES: dict[str, Distance] = {f.__name__: f for f in (sphere, torus, box, plate, cylinder, holed_plate, two_spheres, trefoil)}


def gradient(distance: Distance, points: Array, h: float = 1e-5) -> Array:
    """Unit gradient of a signed distance by central differences of step ``h``, its normal on the surface. (n, 3) -> (n, 3)"""
    g = np.stack([distance(points + h * e) - distance(points - h * e) for e in np.eye(3)], 1)
    return g / np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-30)


def tessellate(distance: Distance, resolution: int = 128) -> tuple[Array, NDArray[np.int64]]:
    """A fine mesh of an analytic shape: marching cubes of [-1, 1]^3 with vertices moved onto the surface.

    The distance is asked for at every fourth corner of the grid first. Where it says that the surface is farther away than the
    corners round it, it stands for theirs, as a distance changes by no more than the way walked; elsewhere each is asked for.

    Parameters
    ----------
    resolution : cells along each axis

    Returns
    -------
    vertices : (n, 3) on the zero level set
    faces : (m, 3), wound so that their normals point outward
    """
    from skimage.measure import marching_cubes

    axis = np.linspace(-1, 1, resolution + 1)
    corners = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    coarse = corners[::4, ::4, ::4]
    nearest = np.round(np.arange(resolution + 1) / 4).astype(int).clip(max=resolution // 4)  # coarse corner to each, by axis
    volume = distance(coarse.reshape(-1, 3)).reshape(coarse.shape[:3])[np.ix_(nearest, nearest, nearest)]
    near = np.abs(volume) < 2 / resolution * (3 + 1) * 3**0.5  # three cells from the coarse corner, one round it
    volume[near] = distance(corners[near])
    volume[volume == 0] = 1e-9
    vertices, faces, _, _ = marching_cubes(volume, 0.0, gradient_direction="ascent")
    vertices = vertices.astype(np.float64) * 2 / resolution - 1
    for _ in range(2):
        vertices = vertices - distance(vertices)[:, None] * gradient(distance, vertices)
    return vertices, faces[:, ::-1].astype(np.int64)
