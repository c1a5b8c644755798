"""Where the points of an equation lie, and how much of the domain each stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .finite_differences import DifferenceGrid
from .problems import Domain

Array = NDArray[np.float64]
SOURCE_REACH = 6.0  # widths of a source within which it gets points of its own; there it is 1e-8 of its peak


def sobol(count: int, low: Any, high: Any, seed: int) -> Array:
    """A low-discrepancy sequence in a box, (count, d)."""
    from scipy.stats.qmc import Sobol

    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    unit = Sobol(len(low), scramble=True, seed=seed).random(1 << int(np.ceil(np.log2(max(2, count)))))[:count]
    return low + unit * (high - low)


def refined(low: Array, high: Array, count: int, spots: list[tuple[Array, float]], seed: int) -> tuple[Array, Array]:
    """Points (n, 2) of a box and the area that each stands for: even, and denser in discs (centre, radius)."""
    even = sobol(count, low, high, seed)
    weight = np.full(len(even), float(np.prod(high - low)) / count)
    parts, weights = [], []
    taken = np.zeros(len(even), bool)
    for i, (centre, radius) in enumerate(spots):
        inside = np.linalg.norm(even - centre, axis=1) < radius
        disc = sobol(max(200, count // 6 // len(spots)), [0, 0], [1, 1], seed + 1 + i)
        r, angle = radius * np.sqrt(disc[:, 0]), 2 * np.pi * disc[:, 1]
        points = centre + np.stack([r * np.cos(angle), r * np.sin(angle)], 1)
        others = np.zeros(len(points), bool)
        for other, reach in spots[:i]:
            others |= np.linalg.norm(points - other, axis=1) < reach
        parts.append(points[~others])
        weights.append(np.full((~others).sum(), np.pi * radius**2 / len(points)))
        taken |= inside
    return np.concatenate([even[~taken], *parts]), np.concatenate([weight[~taken], *weights])


def cells(low: Array, high: Array, along: int, spots: list[tuple[Array, float]]) -> tuple[Array, Array, Array]:
    """Centres (n, 2) of the nearly square cells of a box, ``along`` its longest side: those without, and those with a part of a
    spot (centre, radius); and the sides (2,) of a cell."""
    grid = DifferenceGrid(Domain(low=(low[0], low[1]), high=(high[0], high[1])), along)
    centres = grid.points()
    near = np.zeros(len(centres), bool)
    for centre, radius in spots:
        near |= (np.abs(centres - centre) < grid.steps / 2 + radius).all(1)
    return centres[~near], centres[near], grid.steps


def quadrature(centres: Array, size: Array, order: int) -> tuple[Array, Array]:
    """Gauss-Legendre points (n order^d, d) of cells, one cell after the other, and weights that sum to 1 in each."""
    at, weight = np.polynomial.legendre.leggauss(order)
    d = centres.shape[1]
    unit = np.stack(np.meshgrid(*[at] * d, indexing="ij"), -1).reshape(-1, d)
    share = np.stack(np.meshgrid(*[weight / 2] * d, indexing="ij")).prod(0).ravel()
    return (centres[:, None] + unit * size / 2).reshape(-1, d), np.tile(share, len(centres))
