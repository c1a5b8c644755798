"""Finite differences on a rectangle: its cells, and the Helmholtz operator there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problems import AbsorbingLayers, Domain

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def widened(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """One more value at both ends of an axis, by the cubic through the last four, or a line if there are fewer."""
    v = np.moveaxis(values, axis, 0)
    factors = (4.0, -6.0, 4.0, -1.0) if len(v) > 3 else (2.0, -1.0)
    first = sum(f * v[i] for i, f in enumerate(factors))
    last = sum(f * v[-1 - i] for i, f in enumerate(factors))
    return np.moveaxis(np.concatenate([np.asarray(first)[None], v, np.asarray(last)[None]]), 0, axis)


class DifferenceGrid:
    """Cell centres of a rectangle, ``n`` along its longest side."""

    def __init__(self, domain: Domain, n: int) -> None:
        low, high = np.array(domain.low), np.array(domain.high)
        self.h = float((high - low).max()) / n
        self.counts = [max(2, round(float(s) / self.h)) for s in high - low]
        self.low, self.high = low, high
        self.steps = (high - low) / self.counts
        self.x = [low[k] + self.steps[k] * (np.arange(self.counts[k]) + 0.5) for k in (0, 1)]

    def points(self) -> Array:
        """(nx ny, 2), y fastest."""
        return np.stack(np.meshgrid(*self.x, indexing="ij"), -1).reshape(-1, 2)

    def at(self, values: NDArray[Any], points: Array, order: int = 3) -> NDArray[Any]:
        """Values (nx, ny) at points (n, 2), by splines of an order; up to the border, half a cell beyond the last centres."""
        from scipy.ndimage import map_coordinates

        where = ((points - self.low) / self.steps + 0.5).T
        padded = widened(widened(values, 0), 1)
        if np.iscomplexobj(padded):
            parts = [map_coordinates(v, where, order=order, mode="nearest") for v in (padded.real, padded.imag)]
            return np.asarray(parts[0] + 1j * parts[1])
        return np.asarray(map_coordinates(padded, where, order=order, mode="nearest"))

    def interpolation(self, points: Array) -> Any:
        """A sparse matrix (n, cells) that takes values at points, by cubic Lagrange polynomials on 4 x 4 cells."""
        import scipy.sparse as sp

        where = (points - self.low) / self.steps - 0.5
        first = np.clip(np.floor(where).astype(int) - 1, 0, np.array(self.counts) - 4)
        at = where - first  # in [1, 2] but near the ends
        factors = np.ones((len(points), 2, 4))
        for i in range(4):
            for j in range(4):
                if i != j:
                    factors[:, :, i] *= (at - j) / (i - j)
        rows, columns, values = [], [], []
        for i in range(4):
            for j in range(4):
                rows.append(np.arange(len(points)))
                columns.append((first[:, 0] + i) * self.counts[1] + first[:, 1] + j)
                values.append(factors[:, 0, i] * factors[:, 1, j])
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sp.csr_matrix(entries, (len(points), self.counts[0] * self.counts[1]))

    def differences(self, cells: NDArray[np.intp]) -> Any:
        """A sparse matrix that takes the slopes between neighbours among some cells, and to the zero beside them."""
        import scipy.sparse as sp

        number = np.full(self.counts[0] * self.counts[1], -1)
        number[cells] = np.arange(len(cells))
        plane = number.reshape(self.counts)
        parts = []
        for k in (0, 1):
            a, b = (plane[:-1], plane[1:]) if k == 0 else (plane[:, :-1], plane[:, 1:])
            a, b = a.ravel(), b.ravel()
            kept = (a >= 0) | (b >= 0)
            a, b = a[kept], b[kept]
            rows = np.arange(len(a))
            for index, sign in ((a, -1.0), (b, 1.0)):
                real = index >= 0
                entries = (np.full(int(real.sum()), sign / self.steps[k]), (rows[real], index[real]))
                parts.append(sp.csr_matrix(entries, (len(a), len(cells))))
        return sp.vstack([parts[0] + parts[1], parts[2] + parts[3]]).tocsr()


def helmholtz_matrix(grid: DifferenceGrid, layers: AbsorbingLayers) -> Any:
    """``d_x(e_y/e_x d_x) + d_y(e_x/e_y d_y)`` by central differences, second order, zero outside, and ``e_x e_y``."""
    import scipy.sparse as sp

    def stretch(x: Array, k: int) -> Complex:
        depth = np.maximum(0, np.maximum(x - (grid.high[k] - layers.width), grid.low[k] + layers.width - x))
        return np.asarray(1 - 1j * layers.strength * (depth / layers.width) ** 2)

    centre, second = [], []
    for k in (0, 1):
        faces = 1 / stretch(grid.low[k] + grid.steps[k] * np.arange(grid.counts[k] + 1), k)
        second.append(sp.diags([faces[1:-1], -(faces[:-1] + faces[1:]), faces[1:-1]], [-1, 0, 1]) / grid.steps[k] ** 2)
        centre.append(stretch(grid.x[k], k))
    matrix = sp.kron(second[0], sp.diags(centre[1])) + sp.kron(sp.diags(centre[0]), second[1])
    return matrix.tocsc(), np.outer(centre[0], centre[1]).ravel()
