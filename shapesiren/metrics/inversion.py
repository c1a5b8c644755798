"""Stage ``evaluate`` of an inversion: the medium against the true one, and beside it adjoint-state least squares on finite
differences with the same measurements."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import Tree
from ..equations.headers import InversionHeader
from ..equations.problems import Inversion, speeds
from ..equations.scattering import Scattering
from ..equations.settings import InversionEvaluateSettings
from ..equations.solution import Solution
from ..field import Field
from .equations import correlation, grid_points, relative
from .facts import InversionMetrics

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
CELLS_TO_A_WAVE = 20


def evaluate_inversion(
    fitted: Field, arrays: Arrays, output: Path, settings: InversionEvaluateSettings, say: Callable[[str], None]
) -> InversionMetrics:
    """Errors of the squared slowness where it was unknown, and the misfit of what a simulation in the found medium measures."""
    with np.load(output) as held:
        solution = {name: held[name] for name in held.files}
    header = InversionHeader.of(fitted.header)
    problem = header.posed
    assert isinstance(problem, Inversion)
    found: Tree = {}
    solver, measured = simulation(header, arrays, settings)
    truth = true_medium(header, solution)
    inside = unknown(problem, solution)
    found |= described("", solution["slowness"], truth, inside, solution)
    at = change_at(fitted, solver.points)
    found["misfit"] = relative(solver.measured(at), measured)
    if settings.iterations:
        say(f"adjoint-state inversion on {' x '.join(map(str, solver.grid.counts))} cells beside it")
        start = time.perf_counter()
        change, solved = adjoint(solver, measured, settings)
        baseline = solver.image(change, grid_points(solution)).reshape(solution["slowness"].shape) + 1
        found |= described("adjoint_", baseline, truth, inside, solution)
        found |= {
            "adjoint_misfit": relative(solver.measured(change), measured),
            "adjoint_solves": solved,
            "adjoint_seconds": time.perf_counter() - start,
        }
    return InversionMetrics(**found)


def simulation(
    header: InversionHeader, arrays: Arrays, settings: InversionEvaluateSettings
) -> tuple[Scattering, NDArray[np.complex128]]:
    """Finite differences for a run's problem, and what was measured of the scattered fields, (receivers, sources)."""
    problem = header.posed
    assert isinstance(problem, Inversion)
    receivers = problem.frame().to_user(arrays["data.points"])
    measured = np.asarray(arrays["data.target"] * header.size, np.complex128)
    return Scattering(problem, header.sources, receivers, settings.resolution or default_cells(problem)), measured


def default_cells(problem: Inversion) -> int:
    side = float(max(np.subtract(problem.domain.high, problem.domain.low)))
    return int(min(400, CELLS_TO_A_WAVE * side * problem.wavenumber / (2 * np.pi)))


def described(prefix: str, slowness: Array, truth: Array | None, inside: NDArray[np.bool_], solution: Solution) -> Tree:
    """Where the medium differs most, by how much, and how far all of it is from the true one."""
    m = np.where(inside, slowness - 1, 0.0)
    if truth is None:
        return {f"{prefix}{k}": v for k, v in anomaly(m, sign_of(m), solution).items()}
    t = np.where(inside, truth - 1, 0.0)
    own, real = (anomaly(v, sign_of(t), solution) for v in (m, t))
    found = own | {
        "centre_off": float(np.linalg.norm(np.subtract(own["centre"], real["centre"]))),
        "contrast_ratio": own["contrast"] / (real["contrast"] or 1.0),
        "slowness_error": relative(1 + m[inside], 1 + t[inside]),
        "change_error": relative(m, t),
        "correlation": correlation(m, t),
    }
    return {f"{prefix}{k}": v for k, v in found.items()}


def sign_of(m: Array) -> float:
    """Of the largest change."""
    return float(np.sign(m.flat[np.argmax(np.abs(m))])) or 1.0


def anomaly(m: Array, sign: float, solution: Solution) -> Tree:
    """centre : of the part where m of that sign is beyond half of its 99.5th percentile; contrast : mean m there."""
    most = float(np.quantile(np.maximum(m[m != 0] * sign, 0), 0.995)) if (m != 0).any() else 0.0
    part = (m * sign > most / 2) if most else np.zeros(m.shape, bool)
    if not part.any():
        return {"centre": [0.0, 0.0], "contrast": 0.0}
    points = grid_points(solution).reshape(*m.shape, 2)
    return {"centre": [float(c) for c in points[part].mean(0)], "contrast": float(m[part].mean())}


def unknown(problem: Inversion, solution: Solution) -> NDArray[np.bool_]:
    """Grid points (ny, nx) where the medium was sought."""
    points = grid_points(solution)
    inside = ((points > problem.unknown.low) & (points < problem.unknown.high)).all(1)
    return np.asarray(inside.reshape(len(solution["y"]), len(solution["x"])))


def true_medium(header: InversionHeader, solution: Solution) -> Array | None:
    """The true squared slowness (ny, nx), where it is known."""
    problem = header.posed
    assert isinstance(problem, Inversion)
    if problem.truth is None:
        return None
    points = grid_points(solution)
    found = 1 / speeds(problem.truth, points, problem.domain, Path(header.folder)) ** 2
    return np.asarray(found.reshape(len(solution["y"]), len(solution["x"])))


def change_at(fitted: Field, points: Array) -> Array:
    """m (n,) of the field, at points in the user's coordinates."""
    return np.asarray(np.maximum(fitted(points)[:, -1], -0.999))


def adjoint_image(header: InversionHeader, arrays: Arrays, settings: InversionEvaluateSettings, solution: Solution) -> Array:
    """The squared slowness (ny, nx) that the adjoint-state inversion finds."""
    solver, measured = simulation(header, arrays, settings)
    image = solver.image(adjoint(solver, measured, settings)[0], grid_points(solution))
    return image.reshape(len(solution["y"]), len(solution["x"])) + 1


_known: dict[bytes, tuple[Array, int]] = {}  # the last inversion, by all that it depends on


def adjoint(solver: Scattering, measured: NDArray[np.complex128], settings: InversionEvaluateSettings) -> tuple[Array, int]:
    """The baseline's m and how often it solved; once for the metrics and the pictures of a run."""
    parts = (measured, solver.reading.toarray(), solver.incident, solver.background.data)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts))
    digest.update(repr((solver.problem, settings.iterations, settings.smooth)).encode())
    key = digest.digest()
    if key not in _known:
        found = solver.invert(measured, settings.smooth, settings.iterations)
        _known.clear()
        _known[key] = found
    return _known[key]
