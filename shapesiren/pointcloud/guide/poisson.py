"""A Poisson surface of oriented points, on a grid and by Fourier transforms: no library is needed for it.

The indicator of a solid has the gradient of its surface's normals (Kazhdan, Bolitho and Hoppe 2006); on a regular grid
Poisson's equation is a division by the squared frequency (Kazhdan 2005; Peng et al., "Shape As Points", 2021). Points are
spread as wide as they lie apart, octave by octave, in place of an octree; in place of screening (Kazhdan and Hoppe 2013) the
vertices are put on the planes of the points near them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...runtime.kdtree import KDTree
from ...runtime.threads import cores

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MARGIN = 1.12  # side of the grid, of the points' longest side: the grid is periodic, and an image of the surface beside it
NEIGHBOURS = 8  # that tell the surface that a point stands for
SPREAD_CELLS, SPREAD_SPACINGS = 0.4, 0.5  # standard deviation of a spread point: the larger of so many cells and spacings
MOST_OCTAVES = 5  # of spreads: points that lie still farther apart are left with holes between them
PLANE_NEIGHBOURS = 10  # that a vertex is put on the planes of
SUPPORTED = 3.0  # spacings from the nearest point beyond which a vertex stays where it is
LARGEST_STEP = 1.5  # cells, or spacings, that a vertex is moved at most


def poisson_surface(points: Array, normals: Array, depth: int, noise: float = 0.0, fitted: bool = True) -> tuple[Array, Index]:
    """The surface of oriented points (n, 3), unit normals (n, 3) outward: vertices (k, 3), faces (m, 3); none of too few.

    Parameters
    ----------
    depth : the grid has 2^depth cells a side
    noise : standard deviation of the positions: the spread of a point is no less
    fitted : whether vertices are put on the planes of the points
    """
    from skimage.measure import marching_cubes

    cells = 2**depth
    low, high = points.min(0), points.max(0)
    cell = MARGIN * float((high - low).max()) / cells
    origin = (low + high) / 2 - cell * cells / 2
    tree = KDTree(points)
    apart = tree.query(points, [min(NEIGHBOURS + 1, len(points))])[0][:, 0]
    area = np.pi * apart**2 / NEIGHBOURS
    spacing = np.sqrt(area)
    at = (points - origin) / cell
    values = _indicator(at, normals * (area / cell**2)[:, None], np.maximum(spacing, noise) / cell, cells)
    level = float(np.average(_interpolated(values, at), weights=area))
    values -= level
    if not values.min() < 0 < values.max():
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    vertices, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="descent")
    vertices, faces = origin + cell * vertices.astype(np.float64), faces.astype(np.int64)
    if fitted:
        vertices = _on_planes(vertices, tree, normals, np.maximum(spacing, noise), LARGEST_STEP * cell)
    return vertices, faces


def _indicator(at: Array, weighted: Array, spread: Array, cells: int) -> NDArray[np.float32]:
    """(cells,) * 3 values that rise by about 1 across the surface, outward. All lengths are in cells."""
    from scipy.fft import irfftn, rfftfreq, rfftn

    frequency = (
        2
        * np.pi
        * np.stack(np.meshgrid(np.fft.fftfreq(cells), np.fft.fftfreq(cells), rfftfreq(cells), indexing="ij")).astype(np.float32)
    )
    squared = (frequency**2).sum(0)
    octave = np.ceil(np.log2(np.maximum(SPREAD_SPACINGS * spread / SPREAD_CELLS, 1.0))).astype(int).clip(0, MOST_OCTAVES)
    total = np.zeros(squared.shape, np.complex64)
    for k in np.unique(octave).tolist():
        some = octave == k
        width = SPREAD_CELLS * 2.0**k
        corner, weight = _corners(at[some], cells)
        along = np.zeros(squared.shape, np.complex64)
        for axis in range(3):
            splat = np.bincount(corner.reshape(-1), (weight * weighted[some, axis, None]).reshape(-1), cells**3)
            along += frequency[axis] * rfftn(splat.reshape((cells,) * 3).astype(np.float32), workers=cores())
        total += along * np.exp(squared * np.float32(-(width**2) / 2))
    squared[0, 0, 0] = 1
    total *= np.complex64(-1j) / squared
    total[0, 0, 0] = 0
    return np.asarray(irfftn(total, (cells,) * 3, workers=cores()), np.float32)


def _corners(at: Array, cells: int) -> tuple[Index, Array]:
    """Of points (n, 3) the eight corners of the grid round each, numbered (n, 8), and their trilinear weights."""
    base = np.floor(at).astype(np.int64)
    rest = at - base
    number, weight = np.zeros((len(at), 8), np.int64), np.ones((len(at), 8))
    for i in range(8):
        for axis in range(3):
            up = i >> axis & 1
            number[:, i] = number[:, i] * cells + (base[:, axis] + up).clip(0, cells - 1)
            weight[:, i] *= rest[:, axis] if up else 1 - rest[:, axis]
    return number, weight


def _interpolated(values: NDArray[np.float32], at: Array) -> Array:
    corner, weight = _corners(at, len(values))
    return np.asarray((values.reshape(-1)[corner] * weight).sum(1))


def _on_planes(vertices: Array, tree: KDTree, normals: Array, spacing: Array, most: float) -> Array:
    """Vertices (k, 3) on the mean of the planes of the points near them (moving least squares, Alexa et al. 2003)."""
    points = np.asarray(tree.data)
    distance, near = tree.query(vertices, min(PLANE_NEIGHBOURS, len(points)))
    width = spacing[near[:, :1]]
    weight = np.exp(-((distance**2 - distance[:, :1] ** 2) / (1.5 * width) ** 2))
    weight /= weight.sum(1, keepdims=True)
    normal = np.einsum("nk,nki->ni", weight, normals[near])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    # the mean of both normals makes it exact on a sphere, where the planes alone would lie outside
    both = (normals[near] + normal[:, None]) / 2
    height = np.einsum("nk,nki,nki->n", weight, vertices[:, None] - points[near], both)
    height = np.where(distance[:, 0] < SUPPORTED * width[:, 0], height, 0.0)
    height = np.where(np.abs(height) < np.maximum(most, width[:, 0]), height, 0.0)
    return vertices - height[:, None] * normal
