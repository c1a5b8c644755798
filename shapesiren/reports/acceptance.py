"""The section on deviations of a shape's report: the verdict, the figures, and the worst places on the mesh."""

from __future__ import annotations

import numpy as np

from ..metrics.acceptance import ITSELF, percent
from ..metrics.shape import ShapeMetrics
from ..pointcloud.units import named, suffix
from ..tasks.base import FinishedRun
from . import maps, page, plots
from .portraits import ABOVE_ALL, BEHIND, SIDE, Portraits

ACCEPTANCE = "Acceptance"  # the section that a page opens with where a tolerance was given
FIGURES = {
    "mean": "mean, signed",
    "standard_deviation": "standard deviation",
    "rms": "RMS",
    "p50": "50 % within",
    "p68_3": "68.3 % within",
    "p95": "95 % within",
    "p99": "99 % within",
    "lowest": "lowest",
    "highest": "highest",
    "count": "measured at",
    "outside": "of these beyond its edges, not counted",
}


def metrics_of(run: FinishedRun) -> ShapeMetrics | None:
    """What the evaluation found, if there was one."""
    found = run.facts("evaluate")
    return ShapeMetrics.of(found) if found else None


def acceptance(run: FinishedRun, portraits: Portraits, coloured: maps.Map, from_above: bool, size: int) -> page.Section | None:
    """The verdict, what it rests on, and the worst places, on the mesh ``coloured`` by deviation, from two sides. None without
    an evaluation that measured deviations."""
    found = metrics_of(run)
    if found is None or found.deviation is None:
        return None
    accepted, both = found.acceptance, [d for d in (found.deviation, found.reverse) if d is not None]
    tolerance = None if accepted is None else accepted.tolerance
    blocks = []
    if accepted is not None and found.verdict_line is not None:
        blocks.append(page.verdict(accepted.verdict, accepted.passed, found.verdict_line.partition(": ")[2]))
    blocks.append(page.text(f"{found.whose} Positive where {found.deviation.positive}.", quiet=True))
    names = ("mean", "standard_deviation", "rms", "p50", "p68_3", "p95", "p99", "lowest", "highest", "count", "outside")
    shown = [name for name in names if name != "outside" or any(d.outside for d in both)]
    rows = [[FIGURES[name], *(getattr(d, name) for d in both)] for name in shown]
    if accepted is not None:
        rows.insert(0, ["within the tolerance", *(page.Digits(percent(d.within or 0.0)) for d in both)])
    bins = found.deviation.histogram
    chart = plots.histogram(bins.edges.tolist(), bins.counts, named("deviation", found.length_units), "how many", tolerance)
    blocks.append(page.beside(page.table(rows, [found.length_units or "", *(d.what for d in both)]), chart))
    if bins.below or bins.above:
        blocks.append(page.text(f"{bins.below:,} lie below the histogram and {bins.above:,} above it.", quiet=True))
    places = found.deviation.places
    if places:
        many = "beyond it there" if tolerance is not None else "as bad by half there"
        worst = [[i, *map(page.Digits, (*p.coordinates, f"{p.deviation:+.4g}")), p.beyond] for i, p in enumerate(places, 1)]
        blocks.append(
            page.table(worst, ["worst places", *(named(n, found.length_units) for n in ("x", "y", "z", "deviation")), many])
        )
        radius = page.show(float(np.median([p.radius for p in places])))
        blocks.append(
            page.text(
                f"No two of them are nearer to each other than ten spacings, about {radius}{suffix(found.length_units)}.",
                quiet=True,
            )
        )
    sides = SIDE, ABOVE_ALL if from_above else BEHIND
    pictures = [maps.picture(portraits, coloured, size, side, places) for side in sides]
    blocks.append(page.gallery(pictures, large=True))
    if (found.deviation.measured != ITSELF) != (run.reference is not None):
        hint = "the colours are by the scan's points; `shapesiren report --reference FILE` shows them by the reference"
        blocks.append(page.text(f"The figures are against {found.reference}; {hint}.", quiet=True))
    return page.Section(ACCEPTANCE if accepted is not None else "Deviations", blocks)
