"""Stage ``evaluate`` of a solution of equations: against a solver that is not ours; a small residual proves nothing."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..equations import solvers
from ..equations.equation import DOMAIN_EQUATIONS, equation_from, force, names_of
from ..equations.finite_differences import DifferenceGrid
from ..equations.greens_function import hankel
from ..equations.headers import ProblemHeader
from ..equations.problems import Helmholtz, Poisson, Wave, problem_from
from ..equations.settings import EvaluateSettings
from ..errors import InputError
from ..field import Field
from ..nets.derivatives import value_gradient_diagonal
from ..runtime.files import write_atomically
from .facts import SolutionMetrics

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
SOLUTION, REFERENCE = "solution.npz", "reference.npz"  # of a run: what was decoded, and the solver's on the same grid
WAVE_CELLS, PULSE_CELLS = 30, 4  # of a reference, to the shortest wave and to a pulse's width


def evaluate_solution(
    fitted: Field, arrays: Arrays, output: Path, reference: Path | None, settings: EvaluateSettings
) -> SolutionMetrics:
    """Relative error and correlation of the written solution where the problem is free of layers, and the residual."""
    with np.load(output) as held:
        solution = {name: held[name] for name in held.files}
    header = ProblemHeader.of(fitted.header)
    found: dict[str, Any] = {"residual": residual(fitted, arrays)}
    if reference is not None:
        truth: NDArray[Any] | None = _given(reference, solution["u"])
        error: float | None = None
    else:
        truth, error = reference_of(header, solution, settings.resolution)
    if truth is None:
        return SolutionMetrics(**found)
    if reference is None:
        keep_reference(output, header, solution, truth)
    inside = free(header, solution)
    u, v = solution["u"][..., inside], truth[..., inside]
    found |= {"relative_error": relative(u, v), "correlation": correlation(u, v)}
    if error is not None:
        found["reference_error"] = error
    if u.ndim > 1:
        found["error_over_time"] = [relative(a, b) for a, b in zip(u, v, strict=True)]
        found["times"] = solution["t"].tolist()
    return SolutionMetrics(**found)


def keep_reference(output: Path, header: ProblemHeader, solution: dict[str, NDArray[Any]], truth: NDArray[Any]) -> None:
    """Keep the reference beside the written solution, for the report: with what it is the reference of."""
    made = io.BytesIO()
    np.savez_compressed(made, u=truth, problem=np.array(_posed(header)), output=np.array(_digest(output)))
    write_atomically(output.parent / REFERENCE, made.getvalue())


def kept_reference(run: Path, header: ProblemHeader) -> tuple[dict[str, NDArray[Any]], NDArray[Any]] | None:
    """The written solution of a run and the reference on its grid that was kept; None unless it is of just that solution."""
    try:
        with np.load(run / REFERENCE) as held:
            truth, posed, output = held["u"], str(held["problem"]), str(held["output"])
        if posed != _posed(header) or output != _digest(run / SOLUTION):
            return None
        with np.load(run / SOLUTION) as held:
            return {name: held[name] for name in held.files}, truth
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _posed(header: ProblemHeader) -> str:
    return json.dumps([header.problem, header.folder])


def relative(found: NDArray[Any], truth: NDArray[Any]) -> float:
    return float(np.linalg.norm(found - truth)) / max(float(np.linalg.norm(truth)), 1e-300)


def correlation(found: NDArray[Any], truth: NDArray[Any]) -> float:
    """|<found, truth>| over the product of their norms."""
    norms = np.linalg.norm(found) * np.linalg.norm(truth)
    return float(abs(np.vdot(found, truth)) / max(norms, 1e-300))


def free(header: ProblemHeader, solution: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Which grid points (ny, nx) count: outside layers, inside a mask, and not within three widths of a source, where the
    reference of a uniform medium has a singularity that a Gaussian has not."""
    problem = header.posed
    points = grid_points(solution)
    low, high = np.array(problem.domain.low), np.array(problem.domain.high)
    shape = (len(solution["y"]), len(solution["x"]))
    margin = problem.pml.width if isinstance(problem, Helmholtz) else 0.0
    inside = ((points >= low + margin - 1e-9) & (points <= high - margin + 1e-9)).all(1)
    if isinstance(problem, Helmholtz):
        for s in problem.source:
            inside &= np.linalg.norm(points - np.array(s.position), axis=1) > 3 * s.width
    if isinstance(problem, Poisson) and problem.mask:
        from ..equations.problems import shades

        inside &= shades(Path(header.folder) / problem.mask, points, problem.domain) > 0.5
    return np.asarray(inside.reshape(shape))


def grid_points(solution: dict[str, NDArray[Any]]) -> Array:
    """(ny nx, 2), x fastest."""
    return np.stack(np.meshgrid(solution["x"], solution["y"]), -1).reshape(-1, 2)


def reference_of(
    header: ProblemHeader, solution: dict[str, NDArray[Any]], resolution: int | None
) -> tuple[NDArray[Any] | None, float | None]:
    """The reference on a solution's grid, shaped like its ``u``, and its own relative error; None where there is none."""
    times = tuple(solution["t"].tolist()) if "t" in solution else ()
    return _reference(_posed(header), tuple(solution["x"].tolist()), tuple(solution["y"].tolist()), times, resolution)


@lru_cache(4)
def _reference(
    text: str, x: tuple[float, ...], y: tuple[float, ...], times: tuple[float, ...], resolution: int | None
) -> tuple[NDArray[Any] | None, float | None]:
    tree, place = json.loads(text)
    problem, folder = problem_from(tree), Path(place)
    points = grid_points({"x": np.array(x), "y": np.array(y)})
    shape = (len(y), len(x))
    side = float(max(np.subtract(problem.domain.high, problem.domain.low)))
    if isinstance(problem, Helmholtz):
        if solvers.uniform(problem.medium):
            return hankel(problem.source, problem.wavenumber, points).sum(1).reshape(shape), 0.0
        shortest = 2 * np.pi * problem.medium.range()[0] / problem.wavenumber
        n = resolution or int(min(900, max(WAVE_CELLS * side / shortest, 2 * side / min(s.width for s in problem.source))))
        found, error = solvers.converged(lambda m: solvers.helmholtz(problem, m, folder), points, n)
        return found.reshape(shape), error
    if isinstance(problem, Wave):
        n = resolution or int(min(1500, PULSE_CELLS * side / min(p.width for p in problem.pulse)))

        def solve(cells: int) -> tuple[DifferenceGrid, NDArray[Any]]:
            return solvers.wave(problem, np.array(times), cells, folder)

        grid, frames = solve(n)
        fine = np.stack([grid.at(f, points) for f in frames])
        grid, frames = solve(2 * n // 3)
        coarse = np.stack([grid.at(f, points) for f in frames])
        return fine.reshape(len(times), *shape), relative(coarse, fine)
    if isinstance(problem, Poisson):
        if problem.exact is not None:
            from ..equations.expressions import function

            return function(problem.exact)(points).reshape(shape), 0.0
        if problem.mask:
            return None, None  # stairs along its border would be the reference's own error
        found, error = solvers.converged(lambda m: solvers.poisson(problem, m), points, resolution or 400)
        return found.reshape(shape), error
    return None, None


def residual(fitted: Field, arrays: Arrays) -> dict[str, float]:
    """Root mean square residual of each equation; of those in the domain relative to their right-hand side, if there is one."""
    net, found = fitted.net, {}
    equations = {name: equation_from(arrays, name) for name in names_of(arrays)}
    inner = force(equations)
    for name, e in equations.items():
        total = 0.0
        step = max(1, 4096 // e.group)
        for i in range(0, len(e.weight), step):
            part, points = slice(i, i + step), slice(i * e.group, (i + step) * e.group)
            with torch.no_grad():
                v, g, d = (t.double().numpy() for t in value_gradient_diagonal(net, torch.from_numpy(e.points[points]).float()))
            streams = np.concatenate([v[:, None], g.transpose(0, 2, 1), d.transpose(0, 2, 1)], 1)  # (n, 1 + 2 d, m)
            if np.iscomplexobj(e.operator):
                streams = streams[..., 0::2] + 1j * streams[..., 1::2]
            applied = (e.operator[points][..., None] * streams[..., : e.target.shape[1]]).sum(1)
            left = applied.reshape(-1, e.group, applied.shape[1]).sum(1) - e.target[part]
            total += float((e.weight[part, None] * np.abs(left) ** 2).sum())
        power = inner if name in DOMAIN_EQUATIONS else float((e.weight[:, None] * np.abs(e.target) ** 2).sum())
        found[name] = float(np.sqrt(total / (power or e.weight.sum())))
    return found


def _given(path: Path, like: NDArray[Any]) -> NDArray[Any]:
    try:
        with np.load(path) as held:
            truth = np.asarray(held["u"])
    except (OSError, ValueError, KeyError) as e:
        raise InputError(f"no solution in it ({e})", where=path, hint="an .npz file with an array u") from None
    if truth.shape != like.shape:
        raise InputError(
            f"its u has shape {truth.shape}, the solution {like.shape}", where=path, hint="decode.resolution and decode.frames"
        ) from None
    return truth
