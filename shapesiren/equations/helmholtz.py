"""The Helmholtz equation with perfectly matched layers, at points or in the mean over cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..header import ValueScale
from ..similarity import Similarity
from .equation import Assembled, Equation, names_of
from .facts import HelmholtzFacts
from .headers import ProblemHeader, described
from .problems import Helmholtz, Source, slowness
from .sampling import SOURCE_REACH, cells, quadrature, refined
from .settings import IngestSettings

Array = NDArray[np.float64]
QUADRATURE_ORDER, SOURCE_QUADRATURE_ORDER = 4, 24  # quadrature points along a cell's side; of one in which a source is


def stretched(x: Array, low: Array, high: Array, width: float, strength: float) -> tuple[NDArray[np.complex128], Any]:
    """e = 1 - i strength (d / width)^2 along each axis at depth d in the layers, and its derivative: (n, 2) each.

    Sitzmann et al. 2020, supplement (after Berenger 1994); zero depth outside the layers.
    """
    right, left = x - (high - width), (low + width) - x
    depth = np.maximum(0, np.maximum(right, left))
    side = np.where(right > 0, 1.0, -1.0)
    return np.asarray(1 - 1j * strength * (depth / width) ** 2), -2j * strength * depth / width**2 * side


def helmholtz_operator(x: Array, k2: Array, low: Array, high: Array, width: float, strength: float) -> NDArray[np.complex128]:
    """d_x(e_y / e_x d_x u) + d_y(e_x / e_y d_y u) + e_x e_y k^2 u as coefficients (n, 5) of u, u_x, u_y, u_xx, u_yy."""
    e, slope = stretched(x, low, high, width, strength)
    ratio = e[:, ::-1] / e  # e_y / e_x, e_x / e_y
    first = -ratio * slope / e
    return np.column_stack([e.prod(1) * k2, first, ratio])


def gaussian(source: Source, points: Array) -> NDArray[np.complex128]:
    """A source (n,) at points in the user's coordinates."""
    r = np.linalg.norm(points - np.array(source.position), axis=1)
    return complex(*source.strength) * np.exp(-(r**2) / (2 * source.width**2))


def helmholtz(problem: Helmholtz, frame: Similarity, folder: Path, settings: IngestSettings, seed: int) -> Assembled:
    low, high = (frame.to_box(np.array([c]))[0] for c in (problem.domain.low, problem.domain.high))
    for i, s in enumerate(problem.source):
        if s.width == 0:
            raise InputError(
                f"source {i + 1} has no width", where="helmholtz", hint="width = 0.01; only inversions have points"
            )
    spots = [(frame.to_box(np.array([s.position]))[0], SOURCE_REACH * s.width / frame.scale) for s in problem.source]
    kappa = problem.wavenumber * frame.scale
    width = problem.pml.width / frame.scale
    # the field's size: the far field of the sources in a uniform medium (see `greens_function.hankel`), a quarter across
    far = sum(abs(complex(*s.strength)) * 2 * np.pi * s.width**2 for s in problem.source)
    size = far * 0.25 * np.sqrt(2 / (np.pi * problem.wavenumber * 0.5 * frame.scale))

    def equation(x: Array, share: Array, weight: Array, steps: Array) -> Equation:
        """Rows of ``len(x) / len(weight)`` points each, with weights ``share``, for a box of sides ``steps`` each."""
        user = frame.to_user(x)
        k2 = kappa**2 * slowness(problem.medium, user, steps * frame.scale, problem.domain, folder)
        operator = helmholtz_operator(x, k2, low, high, width, problem.pml.strength) / kappa**2
        force = sum(gaussian(s, user) for s in problem.source) * frame.scale**2 / kappa**2 / size
        target = (force * share).reshape(len(weight), -1).sum(1)
        return Equation(x, operator * share[:, None], target[:, None], weight)

    if settings.cells is None:
        x, weight = refined(low, high, settings.points, spots, seed)
        arrays = equation(x, np.ones(len(x)), weight, np.zeros(2)).arrays("interior")
    else:
        side = float((high - low).max()) / settings.cells
        narrow = [spot for spot in spots if spot[1] < SOURCE_REACH * side]  # of wider sources the even points see enough
        even, around, sides = cells(low, high, settings.cells, narrow)
        arrays = {}
        for name, centres, q in (("interior", even, QUADRATURE_ORDER), ("sources", around, SOURCE_QUADRATURE_ORDER)):
            if len(centres):
                x, share = quadrature(centres, sides, q)
                arrays |= equation(x, share, np.full(len(centres), float(np.prod(sides))), sides / q).arrays(name)
    rows = sum(len(arrays[f"{n}.weight"]) for n in names_of(arrays))
    slowest, fastest = problem.medium.range()
    across = problem.wavenumber / slowest * max(np.subtract(problem.domain.high, problem.domain.low)) / (2 * np.pi)
    samples = np.sqrt(rows) / across
    notes = []
    if samples < 6:
        notes.append(
            f"{samples:.1f} points to the shortest wave: below 6 nothing good comes of it; "
            f"ingest.{'cells' if settings.cells else 'points'} = "
            f"{int(10 * across) if settings.cells else int((10 * across) ** 2)} would make it 10"
        )
    facts = HelmholtzFacts(
        rows=rows,
        waves_across=across,
        points_to_a_wave=float(samples),
        sources=len(problem.source),
        slowest=slowest,
        fastest=fastest,
        notes=notes,
    )
    scale = ValueScale(offset=0.0, scale=float(size))
    header = ProblemHeader(**described(problem, frame, folder), values=scale, fields=1, complex=True)
    return Assembled(arrays, header, facts)
