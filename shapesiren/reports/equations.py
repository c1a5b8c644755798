"""Pictures and reports of solutions: the field, a solver's, and their difference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..equations.headers import InversionHeader, ProblemHeader
from ..equations.settings import DecodeSettings, InversionEvaluateSettings
from ..equations.solution import Solution, decode_solution, shade
from ..field import Field
from ..metrics.equations import free, kept_reference, reference_of
from ..metrics.inversion import adjoint_image, true_medium
from ..tasks.base import FinishedRun
from . import page, plots
from .figure_file import encoded
from .figures import panels_figure
from .media import mp4
from .shape import THUMBNAIL_SIZE, jpeg

RESOLUTION, FRAMES, SHOWN = 161, 41, 5  # of pictures; of a wave's animation; of those in its picture
FINEST = 401  # samples along a side of pictures that are made of a run's own solution
Values = NDArray[np.float64]
Panel = tuple[str, Values, dict[str, Any]]


def solution_panels(fitted: Field, arrays: Any, solution: Solution, truth: NDArray[Any] | None) -> list[list[Panel]]:
    """Rows of (title, values (ny, nx), how they are drawn). ``truth``: the reference on its grid, if there is one."""
    if fitted.task == "inversion":
        return _inversion(fitted, arrays, solution)
    u = solution["u"]
    if "t" in solution:
        assert truth is not None
        top = float(np.abs(truth).max())
        rows = [("field", u), ("reference", truth), ("difference", u - truth)]
        return [
            [(f"{name}, t = {t:.3g}", values[i], around(top / 3)) for i, t in enumerate(solution["t"])] for name, values in rows
        ]
    if truth is None:
        return [[("field", np.real(u), around(float(np.abs(u).max())))]]
    inside = free(ProblemHeader.of(fitted.header), solution)
    most = float(np.quantile(np.abs(truth[inside]), 0.99))
    parts: list[tuple[str, Any, dict[str, Any]]] = [("", np.real, around(most))]
    if np.iscomplexobj(u):
        parts = [("real part", np.real, around(most)), ("magnitude", np.abs, {"cmap": "viridis", "vmin": 0, "vmax": most})]
    wrong = np.where(inside, np.abs(u - truth), np.nan)
    panels: list[list[Panel]] = []
    for name, take, how in parts:
        panels.append([(f"field {name}", take(u), how), (f"reference {name}", take(truth), how)])
    scale = float(np.nanquantile(wrong, 0.99)) or 1.0
    panels[0].append(
        (f"error where it counts, to {scale / most:.2g} of the field", wrong, {"cmap": "magma", "vmin": 0, "vmax": scale})
    )
    if len(panels) > 1:
        residual = np.where(inside, np.angle(u / truth), np.nan)
        panels[1].append(("phase difference, to .3", residual, around(0.3)))
    return panels


def _inversion(fitted: Field, arrays: Any, solution: Solution) -> list[list[Panel]]:
    truth = true_medium(InversionHeader.of(fitted.header), solution)
    baseline = adjoint_image(InversionHeader.of(fitted.header), arrays, InversionEvaluateSettings(), solution)
    given = [("field", solution["slowness"]), ("adjoint state, finite differences", baseline)]
    if truth is not None:
        given.insert(1, ("true", truth))
    most = max(float(np.abs(v - 1).max()) for _, v in given)
    media: list[Panel] = [(f"squared slowness, {name}", v - 1, around(most)) for name, v in given]
    u = np.real(solution["u"][0])
    waves: list[Panel] = [
        (f"waves of source {i + 1}", np.real(solution["u"][i]), around(float(np.quantile(np.abs(u), 0.99))))
        for i in range(min(len(media), len(solution["u"])))
    ]
    return [media, waves] if len(waves) == len(media) else [media]


def around(most: float) -> dict[str, Any]:
    """Colours that diverge from zero."""
    return {"cmap": "RdBu_r", "vmin": -(most or 1.0), "vmax": most or 1.0}


def solution_figure(fitted: Field, arrays: Any, run: Path | None = None) -> Any:
    """A matplotlib figure of the panels, with axes and colour bars; the first row of values is at the bottom.

    ``run``: the folder in which an evaluation may have kept the reference; it is computed where it has not.
    """
    solution, truth = _drawn(fitted, SHOWN, run)
    rows = solution_panels(fitted, arrays, solution, truth)
    x, y = solution["x"], solution["y"]
    half = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2  # values stand in the middle of their pixels
    extent = (float(x[0] - half[0]), float(x[-1] + half[0]), float(y[0] - half[1]), float(y[-1] + half[1]))
    flipped = [[(title, np.asarray(values)[::-1, :, None], how) for title, values, how in row] for row in rows]
    return panels_figure(flipped, extent)


def _drawn(fitted: Field, frames: int, run: Path | None) -> tuple[Solution, NDArray[Any] | None]:
    """The solution on a grid for pictures, with at most so many frames, and the reference on it, if there is one.

    The grid is the one on which the run was evaluated, where the reference of that was kept: a solver may take half a minute.
    """
    header = ProblemHeader.of(fitted.header)
    if fitted.task != "inversion" and run is not None and (kept := kept_reference(run, header)) is not None:
        return thinned(*kept, frames)
    solution = decode_solution(fitted, DecodeSettings(resolution=RESOLUTION, frames=frames))
    if fitted.task == "inversion":
        return solution, None
    return solution, reference_of(header, solution, None)[0]


def thinned(solution: Solution, truth: NDArray[Any], frames: int) -> tuple[Solution, NDArray[Any]]:
    """At most so many frames of a solution and its reference, evenly spaced, on a grid no finer than pictures show."""
    step = math.ceil(max(len(solution["x"]), len(solution["y"])) / FINEST)
    solution = solution | {"x": solution["x"][::step], "y": solution["y"][::step], "u": solution["u"][..., ::step, ::step]}
    truth = truth[..., ::step, ::step]
    if "t" not in solution or len(solution["t"]) <= frames:
        return solution, truth
    index = np.linspace(0, len(solution["t"]) - 1, frames).round().astype(int)
    return solution | {"t": solution["t"][index], "u": solution["u"][index]}, truth[index]


def equation_sections(run: FinishedRun) -> list[page.Section]:
    """The picture; of a wave the animation and its error over time."""
    drawn = page.image(encoded(solution_figure(run.field, run.arrays, run.folder), "png"), "the field beside its reference")
    sections = [page.Section("Field and reference", [drawn])]
    found = run.facts("evaluate")
    if "error_over_time" in found:
        errors = {"relative error": [float(e) for e in found["error_over_time"]]}
        curve = plots.curves(errors, found["times"], "time", "relative error")
        sections.insert(
            0, page.Section("Waves", [page.player(animation(run.field, run.folder), "field, reference, difference"), curve])
        )
    return sections


def thumbnail(run: FinishedRun) -> bytes:
    """The field as a small JPEG."""
    return jpeg(small(run.field, THUMBNAIL_SIZE) / 255)


def small(fitted: Field, resolution: int) -> NDArray[np.uint8]:
    """A small picture (ny, nx, 3) of the field: of a wave half-way, of an inversion its medium."""
    solution = decode_solution(fitted, DecodeSettings(resolution=resolution, frames=3))
    values = solution["slowness"] - 1 if "slowness" in solution else np.real(solution["u"])
    values = values[1] if "t" in solution else values
    return shade(values, float(np.quantile(np.abs(values), 0.995)))


def animation(fitted: Field, run: Path | None = None) -> bytes:
    """Field, reference and difference side by side, as a video. ``run``: see `solution_figure`."""
    solution, truth = _drawn(fitted, FRAMES, run)
    assert truth is not None
    most = float(np.abs(truth).max()) / 3
    frames = []
    for u, v in zip(solution["u"], truth, strict=True):
        whole = np.concatenate([shade(part, most) for part in (u, v, u - v)], 1)
        frames.append(np.pad(whole, ((0, whole.shape[0] % 2), (0, whole.shape[1] % 2), (0, 0)), mode="edge"))
    return mp4(frames, max(4.0, math.ceil(len(frames) / 5)))
