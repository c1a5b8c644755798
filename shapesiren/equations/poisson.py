"""The Poisson equation in a rectangle or a mask, with values or fluxes at its border."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..header import ValueScale
from ..similarity import Similarity
from .equation import Assembled, Equation
from .expressions import function, laplacian
from .facts import PoissonFacts
from .headers import ProblemHeader, described
from .problems import Poisson, shades
from .sampling import refined, sobol
from .settings import IngestSettings

Array = NDArray[np.float64]


def poisson(problem: Poisson, frame: Similarity, folder: Path, settings: IngestSettings, seed: int) -> Assembled:
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
    facts = PoissonFacts(
        points=len(x), border_points=sum(len(b.weight) for b in borders.values()), borders=list(borders), notes=notes
    )
    scale = ValueScale(offset=0.0, scale=size)
    header = ProblemHeader(**described(problem, frame, folder), values=scale, fields=1, complex=False)
    return Assembled(arrays, header, facts)


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
