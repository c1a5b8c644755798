"""Pulling marching-cubes vertices onto the zero level set, with normals from the field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ValuesAndGradients = Callable[[NDArray[np.float64]], tuple[NDArray[np.float32], NDArray[np.float32]]]


def newton_refine(
    field: ValuesAndGradients, vertices: NDArray[np.float64], step: float, iterations: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Newton steps along the gradient, ``x <- x - f grad f / |grad f|^2``.

    Marching cubes places vertices by linear interpolation, an error of second order in the cell size;
    a step or two removes it. A vertex may move half a cell in all, so that no triangle flips over, and
    the best position seen is kept, so that no step makes a vertex worse.

    Parameters
    ----------
    field : callable, (n, 3) box coordinates -> values (n,), gradients (n, 3)
    vertices : (n, 3) box coordinates
    step : side of a grid cell, in box units

    Returns
    -------
    vertices : (n, 3) float64
    normals : (n, 3) float32, unit; zero where the gradient vanishes
    residual : (n,) float32, |f| / |grad f| at the result: distance to the level set to first order
    """
    start, x = vertices, vertices.copy()
    best = np.full(len(x), np.inf, np.float32)
    kept, normals = vertices.copy(), np.zeros((len(x), 3), np.float32)
    for i in range(iterations + 1):
        f, g = field(x)
        length = np.linalg.norm(g, axis=1)
        residual = np.abs(f) / np.maximum(length, 1e-12)
        better = residual < best
        kept[better], best[better] = x[better], residual[better]
        normals[better] = g[better] / np.maximum(length[better], 1e-12)[:, None]
        if i == iterations:
            break
        move = x - (f / np.maximum(length, 1e-12) ** 2)[:, None] * g - start
        far = np.linalg.norm(move, axis=1)
        x = start + move * np.minimum(1, 0.5 * step / np.maximum(far, 1e-30))[:, None]
    return kept, normals, best
