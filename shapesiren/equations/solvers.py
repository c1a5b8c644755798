"""What the field's solutions are held against: finite differences, and spectral steps in time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .finite_differences import DifferenceGrid, helmholtz_matrix
from .helmholtz import gaussian
from .plane_waves import PULSE_REACH, pulses
from .problems import Helmholtz, Medium, Poisson, Side, Wave, slowness

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


# ---- Helmholtz ----------------------------------------------------------------------------------------
def helmholtz(problem: Helmholtz, n: int, folder: Path) -> tuple[DifferenceGrid, Complex]:
    """The field (nx, ny) by a sparse direct solve on ``n`` cells a side."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import spsolve

    grid = DifferenceGrid(problem.domain, n)
    matrix, mass = helmholtz_matrix(grid, problem.pml)
    points = grid.points()
    k2 = problem.wavenumber**2 * slowness(problem.medium, points, grid.steps, problem.domain, folder)
    right = sum(gaussian(s, points) for s in problem.source)
    found = spsolve((matrix + sp.diags(mass * k2)).tocsc(), right)
    return grid, np.asarray(found).reshape(grid.counts)


# ---- Wave --------------------------------------------------------------------------------------------
def wave(problem: Wave, times: Array, n: int, folder: Path) -> tuple[DifferenceGrid, Array]:
    """The field at ``times``, (len(times), nx, ny), on a domain so large that nothing comes back from its end.

    In a uniform medium exactly, mode by mode; in others by leapfrog steps with spectral derivatives, of second order
    in time steps of a fifth of the stability bound.
    """
    from scipy import fft

    domain = problem.domain
    fastest = problem.medium.range()[1]
    low = np.array(domain.low)
    reach = fastest * problem.duration * 1.02 + 2 * PULSE_REACH * max(p.width for p in problem.pulse)
    inner = DifferenceGrid(domain, n)
    cells = [int(np.ceil(reach / 2 / s)) for s in inner.steps]  # nothing crosses half of the gap between images
    cells = [c if problem.medium.range()[0] == fastest else 2 * c for c in cells]
    size = [fft.next_fast_len(inner.counts[k] + 2 * cells[k], real=True) for k in (0, 1)]
    axes = [low[k] + inner.steps[k] * (np.arange(size[k]) - cells[k] + 0.5) for k in (0, 1)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    u = pulses(problem, points).reshape(size)
    waves = [2 * np.pi * fft.fftfreq(size[0], inner.steps[0]), 2 * np.pi * fft.rfftfreq(size[1], inner.steps[1])]
    square = waves[0][:, None] ** 2 + waves[1][None, :] ** 2
    inside = (slice(cells[0], cells[0] + inner.counts[0]), slice(cells[1], cells[1] + inner.counts[1]))

    def back(spectrum: NDArray[Any]) -> Array:
        return np.asarray(fft.irfft2(spectrum, s=size, workers=-1))

    if problem.medium.range()[0] == fastest:
        spectrum = fft.rfft2(u, workers=-1)
        return inner, np.stack([back(spectrum * np.cos(fastest * np.sqrt(square) * t))[inside] for t in times])
    speed = slowness(problem.medium, points, np.array(inner.steps), domain, folder).reshape(size) ** -0.5
    step = 0.2 * 2 / (fastest * np.sqrt(square.max()))
    count = int(np.ceil(problem.duration / step))
    step = problem.duration / count
    factor = (speed * step) ** 2

    def bend(v: Array) -> Array:
        return back(-square * fft.rfft2(v, workers=-1))

    before, now = u, u + 0.5 * factor * bend(u)
    frames, wanted = [], list(times)
    previous = before
    for i in range(1, count + 1):
        while wanted and wanted[0] <= i * step + 1e-12:  # linear between steps, which are a small part of a period
            share = (wanted.pop(0) - (i - 1) * step) / step
            frames.append(((1 - share) * previous + share * now)[inside])
        previous, now = now, 2 * now - previous + factor * bend(now)
    while len(frames) < len(times):
        frames.append(previous[inside])
    return inner, np.stack(frames)


# ---- Poisson -----------------------------------------------------------------------------------------
def poisson(problem: Poisson, n: int) -> tuple[DifferenceGrid, Array]:
    """The field (nx, ny) on a rectangle by central differences on cells, second order."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import spsolve

    from .expressions import function

    grid = DifferenceGrid(problem.domain, n)
    points = grid.points()
    right = function(str(problem.right_hand_side))(points).reshape(grid.counts)
    second = []
    for k, names in ((0, ("left", "right")), (1, ("bottom", "top"))):
        size, h = grid.counts[k], grid.steps[k]
        diagonal = np.full(size, -2.0)
        for end, name, bound in ((0, names[0], grid.low[k]), (-1, names[1], grid.high[k])):
            side: Side | None = getattr(problem, name) or problem.border
            assert side is not None
            other = grid.x[1 - k]
            at = np.empty((len(other), 2))
            at[:, k], at[:, 1 - k] = bound, other
            text = side.value if side.value is not None else side.flux
            known = function(str(text))(at)
            line: list[Any] = [slice(None), slice(None)]
            line[k] = end
            if side.value is not None:  # the ghost cell's value is twice the border's less the cell's own
                diagonal[end] -= 1
                right[tuple(line)] -= 2 * known / h**2
            else:
                diagonal[end] += 1
                right[tuple(line)] -= known / h
        second.append(sp.diags([np.ones(size - 1), diagonal, np.ones(size - 1)], [-1, 0, 1]) / h**2)
    matrix = sp.kron(second[0], sp.identity(grid.counts[1])) + sp.kron(sp.identity(grid.counts[0]), second[1])
    return grid, np.asarray(spsolve(matrix.tocsc(), right.ravel())).reshape(grid.counts)


def uniform(medium: Medium) -> bool:
    """Whether a medium has one speed everywhere, and that is 1."""
    low, high = medium.range()
    return low == high == 1.0


def converged(solve: Callable[[int], tuple[DifferenceGrid, NDArray[Any]]], points: Array, n: int) -> tuple[NDArray[Any], float]:
    """A solution on ``n`` cells at points, and its relative error as one on two thirds of them shows it (second order: 4/5 of
    the difference)."""
    fine, coarse = (grid.at(values, points) for grid, values in (solve(n), solve(2 * n // 3)))
    return fine, 0.8 * float(np.linalg.norm(fine - coarse)) / max(float(np.linalg.norm(fine)), 1e-300)
