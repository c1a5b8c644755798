"""A solution of equations on a grid, and its files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..runtime.files import write_atomically
from .headers import InversionHeader, ProblemHeader
from .problems import Inversion
from .settings import DecodeSettings

Solution = dict[str, NDArray[Any]]
SOLUTION_FILES = (".npz", ".png", ".gif", ".mp4")


def decode_solution(fitted: Field, settings: DecodeSettings) -> Solution:
    """``x`` (nx,) and ``y`` (ny,) in the user's coordinates, of a wave ``t`` too, and ``u`` (ny, nx) or (frames, ny, nx),
    complex where the field is. Of an inversion ``u`` (sources, ny, nx) and ``slowness`` (ny, nx), squared, 1 where it is known.
    """
    header = ProblemHeader.of(fitted.header)
    problem = header.posed
    low, high = np.array(problem.domain.low), np.array(problem.domain.high)
    step = float((high - low).max()) / (settings.resolution - 1)
    x, y = (np.linspace(low[k], high[k], max(2, round(float(high[k] - low[k]) / step) + 1)) for k in (0, 1))
    plane = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    if fitted.net.in_features == 3:
        times = np.linspace(0, 2 * fitted.frame.centre[2], settings.frames)
        frames = [values_at(fitted, np.column_stack([plane, np.full(len(plane), t)]))[:, 0] for t in times]
        return {"x": x, "y": y, "t": times, "u": np.stack(frames).reshape(len(times), len(y), len(x))}
    u = values_at(fitted, plane).T.reshape(-1, len(y), len(x))
    if not isinstance(problem, Inversion):
        return {"x": x, "y": y, "u": u[0]}
    from .greens_function import hankel

    measured = InversionHeader.of(header)
    whole = u * measured.size + hankel(measured.sources, problem.wavenumber, plane).T.reshape(u.shape)
    sought = ((plane > problem.unknown.low) & (plane < problem.unknown.high)).all(1)
    change = np.where(sought, np.maximum(fitted(plane)[:, -1], -0.999), 0.0)
    return {"x": x, "y": y, "u": whole, "slowness": 1 + change.reshape(len(y), len(x))}


def values_at(fitted: Field, points: NDArray[np.float64]) -> NDArray[Any]:
    """The fields (n, k), complex where they are, at points in the user's coordinates."""
    out = fitted(points)
    header = ProblemHeader.of(fitted.header)
    count = header.fields
    return out[:, 0 : 2 * count : 2] + 1j * out[:, 1 : 2 * count : 2] if header.complex else out[:, :count]


def write_solution(path: Path, solution: Solution) -> None:
    out = io.BytesIO()
    np.savez_compressed(out, **solution)  # type: ignore[arg-type]
    write_atomically(path, out.getvalue())


def check_solution_output(path: Path) -> None:
    """Raise InputError early if no solution can be written there."""
    if path.suffix.lower() not in SOLUTION_FILES:
        raise InputError(
            f"cannot write a solution as {path.suffix or 'a file without extension'!r}",
            where=path,
            hint=f"one of {' '.join(SOLUTION_FILES)}",
        )


def convert_solution(solution: Solution, path: Path) -> None:
    """Write a solution: arrays, a picture (real part, a wave's last frame, an inversion's medium), or a moving one."""
    check_solution_output(path)
    kind = path.suffix.lower()
    if kind == ".npz":
        write_solution(path, solution)
        return
    shown = solution["slowness"] - 1 if "slowness" in solution else np.real(solution["u"])
    frames = shown.reshape(-1, len(solution["y"]), len(solution["x"]))
    if kind == ".png":
        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(shade(frames[-1], float(np.abs(frames).max()))).save(out, "PNG")
        write_atomically(path, out.getvalue())
        return
    if "t" not in solution:
        raise InputError("only a wave moves", where=path, hint="-o NAME.png")
    from ..media.video import write_frames

    most = float(np.quantile(np.abs(frames), 0.999)) or 1.0
    write_frames(path, [shade(f, most) for f in frames], 12.0)


def shade(values: NDArray[np.floating], most: float) -> NDArray[np.uint8]:
    """(ny, nx) -> (ny, nx, 3): blue below zero, white, red above; the first row is the top."""
    at = np.clip(values[::-1] / (most or 1.0), -1, 1)
    red, blue = np.clip(1 + at, 0, 1), np.clip(1 - at, 0, 1)
    return np.asarray(np.round(np.stack([red, np.minimum(red, blue), blue], -1) * 255), np.uint8)
