"""Problems as equations: points, the operator's coefficients there, right-hand sides and quadrature weights, as plain arrays.

An equation is linear in the field u: ``operator . (u, du/dx_k, d2u/dx_k^2) = target`` at every point, to hold in the mean
of squares under ``weight``, which says how much of the domain (or border) a point stands for. Everything is in the network's
box and relative to the field's own size, so that a target of one is a large one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import Tree
from ..errors import InputError
from ..similarity import Similarity
from .expressions import function, laplacian
from .finite_differences import DifferenceGrid
from .problems import Domain, Helmholtz, Inversion, Poisson, Problem, Source, Wave, shades, slowness

Array = NDArray[np.float64]
ORDER, FINE = 4, 24  # quadrature points along a cell's side; of one in which a source is
NEAR = 6.0  # widths of a source within which it gets points of its own; there it is 1e-8 of its peak


@dataclass(frozen=True)
class Equation:
    """points (g n, d), operator (g n, 1 + 2 d), target (n, k), weight (n,).

    Each row is the sum over g consecutive points: one of them, or the quadrature points of a cell, whose weights are in the
    operator then. The mean residual of a cell, and not that at points, is what has to vanish where a medium jumps:
    second derivatives jump with it, which no smooth network can follow, but means do not.
    """

    points: Array
    operator: NDArray[Any]
    target: NDArray[Any]
    weight: Array

    @property
    def group(self) -> int:
        return len(self.points) // len(self.weight)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """As entries of a cache file."""
        return {f"{name}.{part}": getattr(self, part) for part in ("points", "operator", "target", "weight")}


def equation_from(arrays: dict[str, NDArray[Any]], name: str) -> Equation:
    return Equation(*(np.asarray(arrays[f"{name}.{part}"]) for part in ("points", "operator", "target", "weight")))


def names_of(arrays: dict[str, NDArray[Any]]) -> list[str]:
    """The equations in a cache file."""
    return [name.removesuffix(".weight") for name in arrays if name.endswith(".weight")]


INNER = ("interior", "sources")  # equations inside the domain, which share one right-hand side


def force(equations: Mapping[str, Equation]) -> float:
    """The right-hand side's own size: the integral of its square over the domain."""
    inner = [equations[n] for n in INNER if n in equations]
    return sum(float((e.weight[:, None] * np.abs(e.target) ** 2).sum()) for e in inner)


def ingest_problem(problem: Problem, folder: Path, settings: Any, seed: int) -> tuple[dict[str, NDArray[Any]], Tree, Tree]:
    """Arrays, header and facts of a problem.

    Parameters
    ----------
    folder : that files named in the problem count from
    settings : `tasks.equations.IngestSettings`
    """
    from .measurements import inversion  # which need this module
    from .plane_waves import wave

    frame = problem.frame()
    makers: dict[type[Problem], Any] = {Helmholtz: _helmholtz, Wave: wave, Poisson: _poisson, Inversion: inversion}
    arrays, more, info = makers[type(problem)](problem, frame, folder, settings, seed)
    header = {
        "frame": {"centre": list(frame.centre), "scale": frame.scale},
        "problem": problem.model_dump(mode="json"),
        "folder": str(folder.absolute()),
    }
    return arrays, header | more, info


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


# ---- Helmholtz ----------------------------------------------------------------------------------------
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


def _helmholtz(problem: Helmholtz, frame: Similarity, folder: Path, settings: Any, seed: int) -> Any:
    low, high = (frame.to_box(np.array([c]))[0] for c in (problem.domain.low, problem.domain.high))
    for i, s in enumerate(problem.source):
        if s.width == 0:
            raise InputError(
                f"source {i + 1} has no width", where="helmholtz", hint="width = 0.01; only inversions have points"
            )
    spots = [(frame.to_box(np.array([s.position]))[0], NEAR * s.width / frame.scale) for s in problem.source]
    kappa = problem.wavenumber * frame.scale
    width = problem.pml.width / frame.scale
    # the field's size: the far field of the sources in a uniform medium (see `equations.solvers.hankel`), a quarter across
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
        narrow = [spot for spot in spots if spot[1] < NEAR * side]  # of wider sources the even points see enough
        even, around, sides = cells(low, high, settings.cells, narrow)
        arrays = {}
        for name, centres, q in (("interior", even, ORDER), ("sources", around, FINE)):
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
    info = {
        "rows": rows,
        "waves across": across,
        "points to a wave": float(samples),
        "sources": len(problem.source),
        "slowest": slowest,
        "fastest": fastest,
        "notes": notes,
    }
    more = {"values": {"offset": 0.0, "scale": float(size)}, "fields": 1, "complex": True}
    return arrays, more, info


# ---- Poisson -----------------------------------------------------------------------------------------
def _poisson(problem: Poisson, frame: Similarity, folder: Path, settings: Any, seed: int) -> Any:
    low, high = (frame.to_box(np.array([c]))[0] for c in (problem.domain.low, problem.domain.high))
    x, weight = refined(low, high, settings.points, [], seed)
    notes = []
    if problem.mask:
        held = shades(folder / problem.mask, frame.to_user(x), problem.domain) > 0.5
        if held.mean() < 1e-3:
            raise InputError("nothing of the mask is white", where=problem.mask)
        x, weight = x[held], weight[held]
        notes.append(f"{held.mean():.1%} of the rectangle are inside the mask")
    user = frame.to_user(x)
    if problem.right_hand_side is not None:
        f = function(str(problem.right_hand_side))(user)
    else:
        assert problem.exact is not None
        f = laplacian(problem.exact)(user)
    if not np.isfinite(f).all():
        raise InputError("the right-hand side is not finite everywhere in the domain", where="right_hand_side")
    operator = np.zeros((len(x), 5))
    operator[:, 3:] = 1.0
    borders = _borders(problem, frame, folder, max(400, settings.points // 8), seed)
    size = max(float(np.abs(f).max()) * frame.scale**2 / np.pi**2, *(float(np.abs(b.target).max()) for b in borders.values()))
    size = size or 1.0
    arrays = Equation(x, operator, f[:, None] * frame.scale**2 / size, weight).arrays("interior")
    for name, b in borders.items():
        arrays |= Equation(b.points, b.operator, b.target / size, b.weight).arrays(name)
    info = {
        "points": len(x),
        "border points": sum(len(b.weight) for b in borders.values()),
        "borders": list(borders),
        "notes": notes,
    }
    return arrays, {"values": {"offset": 0.0, "scale": size}, "fields": 1, "complex": False}, info


def _borders(problem: Poisson, frame: Similarity, folder: Path, count: int, seed: int) -> dict[str, Equation]:
    """``value`` and ``flux`` equations of all sides; targets in the user's units of the field."""
    parts: dict[str, list[Equation]] = {"value": [], "flux": []}
    for side, (x, normal, length) in _outlines(problem, frame, folder, count, seed).items():
        known = (getattr(problem, side) if side != "border" else None) or problem.border
        user = frame.to_user(x)
        if known is not None and known.flux is not None:
            kind, target = "flux", function(str(known.flux))(user) * frame.scale
        elif known is not None and known.value is not None:
            kind, target = "value", function(str(known.value))(user)
        else:
            assert problem.exact is not None
            kind, target = "value", function(problem.exact)(user)
        operator = np.zeros((len(x), 5))
        if kind == "value":
            operator[:, 0] = 1
        else:
            operator[:, 1:3] = normal
        parts[kind].append(Equation(x, operator, target[:, None], np.full(len(x), length / len(x))))
    joined = {}
    for kind, found in parts.items():
        if found:
            columns = [np.concatenate([getattr(e, f) for e in found]) for f in ("points", "operator", "target", "weight")]
            joined[kind] = Equation(*columns)
    return joined


def _outlines(
    problem: Poisson, frame: Similarity, folder: Path, count: int, seed: int
) -> dict[str, tuple[Array, Array, float]]:
    """side -> points (n, 2), outward normals (n, 2), length; box coordinates."""
    low, high = (frame.to_box(np.array([c]))[0] for c in (problem.domain.low, problem.domain.high))
    if problem.mask:
        return {"border": _mask_outline(problem, frame, folder, count)}
    found = {}
    for axis, names in ((0, ("left", "right")), (1, ("bottom", "top"))):
        for name, bound, sign in zip(names, (low, high), (-1.0, 1.0), strict=True):
            other = 1 - axis
            points, normal = np.empty((count, 2)), np.zeros((count, 2))
            points[:, axis], normal[:, axis] = bound[axis], sign
            points[:, other] = sobol(count, [low[other]], [high[other]], seed + 3 + axis)[:, 0]
            found[name] = (points, normal, float((high - low)[other]))
    return found


def _mask_outline(problem: Poisson, frame: Similarity, folder: Path, count: int) -> tuple[Array, Array, float]:
    """Even points on the line where the mask is half grey."""
    from skimage.measure import find_contours

    assert problem.mask
    low, high = np.array(problem.domain.low), np.array(problem.domain.high)
    fine = 1024
    axes = [np.linspace(low[k], high[k], fine) for k in (0, 1)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    shade = np.pad(shades(folder / problem.mask, grid, problem.domain).reshape(fine, fine), 1)
    points, normals, lengths = [], [], []
    step = (high - low) / (fine - 1)
    for line in find_contours(shade, 0.5):
        user = frame.to_box(np.clip(low + (line - 1) * step, low, high))
        edges = np.diff(user, axis=0)
        sizes = np.linalg.norm(edges, axis=1)
        total = float(sizes.sum())
        if total < 1e-3:
            continue
        lengths.append((user, edges, sizes, total))
    everything = sum(t for *_, t in lengths)
    for user, edges, sizes, total in lengths:
        share = max(16, round(count * 4 * total / everything))
        at = (np.arange(share) + 0.5) / share * total
        ends = np.cumsum(sizes)
        i = np.minimum(np.searchsorted(ends, at), len(sizes) - 1)
        points.append(user[i] + edges[i] * ((at - (ends[i] - sizes[i])) / np.maximum(sizes[i], 1e-12))[:, None])
        normals.append(edges[i][:, ::-1] * [-1, 1] / np.maximum(sizes[i], 1e-12)[:, None])
    x, n = np.concatenate(points), np.concatenate(normals)
    ahead = shades(folder / problem.mask, frame.to_user(x + n * 4 / fine), problem.domain)
    behind = shades(folder / problem.mask, frame.to_user(x - n * 4 / fine), problem.domain)
    if np.mean(ahead - behind) > 0:
        n = -n
    return x, n, float(everything)
