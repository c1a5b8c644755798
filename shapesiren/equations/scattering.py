"""Scattered waves by finite differences: the simulation behind made-up measurements, and the adjoint-state inversion beside
ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .finite_differences import DifferenceGrid, helmholtz_matrix
from .problems import Inversion, Medium, Source, speeds

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


class Scattering:
    """``(A + k^2 m) v = -k^2 m u_0`` on ``cells`` a side, for all sources; m, the change of squared slowness, is zero but in
    the unknown part."""

    def __init__(self, problem: Inversion, sources: Sequence[Source], receivers: Array, cells: int) -> None:
        import scipy.sparse as sp

        from .greens_function import hankel

        self.problem, self.grid = problem, DifferenceGrid(problem.domain, cells)
        self.square = problem.wavenumber**2
        matrix, mass = helmholtz_matrix(self.grid, problem.pml)
        self.background = (matrix + sp.diags(mass * self.square)).tocsc()
        points = self.grid.points()
        self.inside = np.flatnonzero(((points > problem.unknown.low) & (points < problem.unknown.high)).all(1))
        self.points = points[self.inside]
        self.incident = hankel(sources, problem.wavenumber, self.points)
        self.reading = self.grid.interpolation(receivers)

    def change_of(self, medium: Medium, folder: Path) -> Array:
        """m (cells of the unknown part,) of a medium; a cell's mean over 4 x 4 of its points."""
        shifts = (np.arange(4) + 0.5) / 4 - 0.5
        parts = [
            1 / speeds(medium, self.points + np.array([a, b]) * self.grid.steps, self.problem.domain, folder) ** 2 - 1
            for a in shifts
            for b in shifts
        ]
        return np.asarray(np.mean(parts, 0))

    def solve(self, change: Array) -> tuple[Any, Complex]:
        """The factors of the matrix, and the scattered field (all cells, sources)."""
        import scipy.sparse as sp
        from scipy.sparse.linalg import splu

        diagonal = np.zeros(self.background.shape[0])
        diagonal[self.inside] = self.square * change
        factors = splu((self.background + sp.diags(diagonal)).tocsc())
        right = np.zeros((len(diagonal), self.incident.shape[1]), np.complex128)
        right[self.inside] = -self.square * change[:, None] * self.incident
        return factors, np.asarray(factors.solve(right))

    def measured(self, change: Array) -> Complex:
        """The scattered field at the receivers, (r, sources)."""
        return np.asarray(self.reading @ self.solve(change)[1])

    def invert(self, scattered: Complex, smooth: float, iterations: int) -> tuple[Array, int]:
        """Full-waveform inversion: L-BFGS on the misfit at the receivers, its gradient by the adjoint state
        (Plessix 2006), Tikhonov's term on the gradient of m.

        Parameters
        ----------
        scattered : (r, sources), measured less incident
        smooth : weight of the mean squared gradient of m beside the relative misfit

        Returns
        -------
        m (cells of the unknown part,), and how often the equation was solved
        """
        from scipy.optimize import minimize

        power = float(np.sum(np.abs(scattered) ** 2))
        edges = self.grid.differences(self.inside)
        solved = 0

        def misfit(change: Array) -> tuple[float, Array]:
            nonlocal solved
            solved += 1
            factors, v = self.solve(change)
            left = self.reading @ v - scattered
            adjoint = factors.solve(np.asarray(self.reading.T @ left.conj()), "T")
            total = self.incident + v[self.inside]
            gradient = -np.real((total * adjoint[self.inside]).sum(1)) * self.square * 2 / power
            bend = edges @ change
            value = float(np.sum(np.abs(left) ** 2)) / power + smooth * float(np.mean(bend**2))
            return value, gradient + 2 * smooth / len(bend) * (edges.T @ bend)

        found = minimize(misfit, np.zeros(len(self.inside)), jac=True, method="L-BFGS-B", options={"maxiter": iterations})
        return np.asarray(found.x), solved

    def image(self, change: Array, points: Array) -> Array:
        """m at points (n, 2), zero outside the unknown part."""
        whole = np.zeros(len(self.grid.points()))
        whole[self.inside] = change
        return self.grid.at(whole.reshape(self.grid.counts), points, order=1)
