"""Classical solvers of the Poisson equation on pixels: what a network's answer stands beside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def from_laplacian(target: Array) -> Array:
    """The image (h, w, c), of mean 0, whose five-point Laplacian with no flux over the border is ``target`` (h, w, c).

    The cosine transform diagonalises that operator (Press et al., Numerical Recipes, section 20.4).
    """
    from scipy.fft import dctn, idctn

    height, width = target.shape[:2]
    eigenvalues = (2 * np.cos(np.pi * np.arange(height) / height) - 2)[:, None] + (
        2 * np.cos(np.pi * np.arange(width) / width) - 2
    )
    eigenvalues[0, 0] = 1
    spectrum = dctn(target, axes=(0, 1)) / eigenvalues[..., None]
    spectrum[0, 0] = 0
    return np.asarray(idctn(spectrum, axes=(0, 1)))


def from_gradient(target: Array) -> Array:
    """The image (h, w, c), of mean 0, whose forward differences are nearest to ``target`` (h, w, c, 2) in least squares.

    Gradients at pixels are averaged to the edges between them; the normal equations are a Poisson equation.
    """
    x, y = target[..., 0], target[..., 1]
    dx, dy = (x[:, 1:] + x[:, :-1]) / 2, (y[1:] + y[:-1]) / 2
    divergence = np.zeros(x.shape)
    divergence[:, :-1] += dx
    divergence[:, 1:] -= dx
    divergence[:-1] += dy
    divergence[1:] -= dy
    return from_laplacian(divergence)


def clone(background: Array, gradients: tuple[Array, Array], mask: NDArray[np.bool_]) -> Array:
    """Seamless cloning (Perez et al. 2003): inside the mask, the image whose differences are nearest to the given ones and
    that meets the background at the mask's border.

    Parameters
    ----------
    background : (h, w, c)
    gradients : forward differences along x (h, w - 1, c) and y (h - 1, w, c)
    mask : (h, w) bool
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    height, width, channels = background.shape
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    rows, columns, values = [], [], []
    right = np.zeros((int(mask.sum()), channels))
    for axis, difference in ((1, gradients[0]), (0, gradients[1])):
        a = tuple(slice(0, -1) if k == axis else slice(None) for k in range(2))
        b = tuple(slice(1, None) if k == axis else slice(None) for k in range(2))
        for own, other, sign in ((a, b, -1.0), (b, a, 1.0)):
            inside = mask[own]
            i = number[own][inside]
            rows.append(i)
            columns.append(i)
            values.append(np.ones(len(i)))
            right[i] += sign * difference[inside]
            known = ~mask[other][inside]
            j = number[other][inside]
            rows.append(i[~known])
            columns.append(j[~known])
            values.append(-np.ones(int((~known).sum())))
            right[i[known]] += background[other][inside][known]
    size = len(right)
    system = coo_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(size, size))
    out = background.copy()
    out[mask] = splu(system.tocsc()).solve(right)
    return out
