"""Pictures and reports of solutions: the field, a solver's, and their difference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..equations.headers import InversionHeader, ProblemHeader
from ..equations.settings import DecodeSettings, InversionEvaluateSettings
from ..equations.solution import Solution, decode_solution, shade
from ..field import Field
from ..metrics.equations import free, reference_of
from ..metrics.inversion import adjoint_image, true_medium
from ..tasks.base import FinishedRun
from . import page, plots
from .figure_file import encoded
from .figures import panels_figure
from .media import mp4
from .shape import THUMBNAIL_SIZE, jpeg

RESOLUTION, FRAMES, SHOWN = 161, 41, 5  # of pictures; of a wave's animation; of those in its picture
Values = NDArray[np.float64]
Panel = tuple[str, Values, dict[str, Any]]


def solution_panels(fitted: Field, arrays: Any) -> list[list[Panel]]:
    """Rows of (title, values (ny, nx), how they are drawn)."""
    solution = decode_solution(fitted, DecodeSettings(resolution=RESOLUTION, frames=SHOWN))
    if fitted.task == "inversion":
        return _inversion(fitted, arrays, solution)
    truth, _ = reference_of(ProblemHeader.of(fitted.header), solution, None)
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


def solution_figure(fitted: Field, arrays: Any) -> Any:
    """A matplotlib figure of the panels; the first row of values is at the bottom."""
    rows = solution_panels(fitted, arrays)
    return panels_figure([[(title, np.asarray(values)[::-1, :, None], how) for title, values, how in row] for row in rows])


def equation_sections(run: FinishedRun) -> list[page.Section]:
    """The picture; of a wave the animation and its error over time."""
    drawn = page.image(encoded(solution_figure(run.field, run.arrays), "png"), "the field beside its reference")
    sections = [page.Section("Field and reference", [drawn])]
    found = run.facts("evaluate")
    if "error_over_time" in found:
        errors = {"relative error": [float(e) for e in found["error_over_time"]]}
        curve = plots.curves(errors, found["times"], "time", "relative error")
        sections.insert(0, page.Section("Waves", [page.player(animation(run.field), "field, reference, difference"), curve]))
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


def animation(fitted: Field) -> bytes:
    """Field, reference and difference side by side, as a video."""
    solution = decode_solution(fitted, DecodeSettings(resolution=RESOLUTION, frames=FRAMES))
    truth, _ = reference_of(ProblemHeader.of(fitted.header), solution, None)
    assert truth is not None
    most = float(np.abs(truth).max()) / 3
    frames = []
    for u, v in zip(solution["u"], truth, strict=True):
        whole = np.concatenate([shade(part, most) for part in (u, v, u - v)], 1)
        frames.append(np.pad(whole, ((0, whole.shape[0] % 2), (0, whole.shape[1] % 2), (0, 0)), mode="edge"))
    return mp4(frames, max(4.0, math.ceil(FRAMES / 5)))
