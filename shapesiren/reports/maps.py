"""Maps on a mesh: a value at each vertex, the colours that it is shown in, and a picture of it with its colour bar."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..metrics.deviations import Place, Sided
from ..metrics.surface_distance import Surface
from ..pointcloud.header import CloudHeader
from ..runtime.kdtree import KDTree
from ..surface.support import SUPPORT_SPACINGS, Support
from ..tasks.base import FinishedRun
from . import page
from .portraits import SIDE, Portraits

Array = NDArray[np.float64]
Stop = tuple[float, str]  # where along the colour bar, from 0 to 1, and the colour there

GREY = "#b4b4b0"  # where nothing is known
VIRIDIS = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
BELOW, ABOVE = ("#2346b0", "#9fc0f2"), ("#f7b08f", "#b3152a")  # from the tolerance outwards, on either side
WITHIN = "#cfe6c8"
MEASURED, INVENTED = ("#1f5fa8", "#cfe0ee"), ("#f0a05a", "#a8201a")
SUPPORT = "measured or invented"  # the name of the map of that, which is in spacings


@dataclass(frozen=True)
class Map:
    """What is shown on a mesh. name : of the button; title : of the colour bar; note : a line below a picture
    values : (n,) at the vertices; low, high : ends of the colour bar; known : (n,), or None where all are
    """

    name: str
    title: str
    values: Array
    low: float
    high: float
    stops: Sequence[Stop]
    known: NDArray[np.bool_] | None = None
    note: str = ""

    def colours(self) -> NDArray[np.uint8]:
        """(n, 3) of the vertices."""
        at = np.clip((self.values - self.low) / max(self.high - self.low, 1e-30), 0, 1)
        places, table = [place for place, _ in self.stops], np.array([page.rgb(colour) for _, colour in self.stops])
        rgb = np.stack([np.interp(at, places, table[:, k]) for k in range(3)], 1)
        if self.known is not None:
            rgb[~self.known] = page.rgb(GREY)
        return np.asarray(np.round(rgb), np.uint8)


def sequential(name: str, title: str, values: Array, note: str = "") -> Map:
    """Of values from 0 on, dark to bright; the largest hundredth of them is the brightest."""
    stops = [(i / (len(VIRIDIS) - 1), colour) for i, colour in enumerate(VIRIDIS)]
    return Map(name, title, values, 0.0, float(np.quantile(values, 0.99)) or 1e-12, stops, note=note)


def diverging(values: Array, known: NDArray[np.bool_], tolerance: float | None, title: str, note: str) -> Map:
    """Of signed deviations: what is within the tolerance is pale green, what is outside turns red, what is inside blue."""
    size = np.abs(values[known]) if known.any() else np.ones(1)
    reach = float(np.quantile(size, 0.99)) or 1e-12
    reach = reach if tolerance is None else max(reach, 2 * tolerance)
    edge = 0.5 * (tolerance or 0.0) / reach
    stops = [(0.0, BELOW[0]), (0.5 - edge, BELOW[1]), (0.5 - edge, WITHIN), (0.5 + edge, WITHIN), (0.5 + edge, ABOVE[0])]
    if tolerance is None:
        stops = [(0.0, BELOW[0]), (0.3, BELOW[1]), (0.5, "#f3f3ef"), (0.7, ABOVE[0])]
    return Map("deviation", title, values, -reach, reach, [*stops, (1.0, ABOVE[1])], known, note)


def error_bars_map(deviation: Array, support: Support, vertices: Array) -> Map:
    """Of standard deviations (n,) of vertices (n, 3), in the user's units. They were measured at points that are held out, and
    tell nothing of what is far from all points."""
    known = ~support.unsupported(vertices)
    shown = sequential("error bars", "standard deviation of the surface", deviation)
    return shown if known.all() else replace(shown, known=known, note="Grey: no point is near, so nothing is known.")


def support_of(run: FinishedRun) -> Support:
    return Support(KDTree(run.arrays["points"].astype(np.float64)), CloudHeader.of(run.field.header))


def support_map(support: Support, vertices: Array) -> Map:
    """How far vertices (n, 3), in box coordinates, are from the nearest point, in the spacings there: what is measured, and
    what is invented. The break lies where `Support.unsupported` does, by which ``likeness.unsupported_share`` is counted."""
    distance, index = support.nearest(vertices)
    spacings = SUPPORT_SPACINGS * distance / support.reach[index]
    middle = 0.5
    stops = [(0.0, MEASURED[0]), (middle, MEASURED[1]), (middle, INVENTED[0]), (1.0, INVENTED[1])]
    title = "distance to the nearest point, in spacings there"
    note = f"Blue is measured; orange and red, farther than {SUPPORT_SPACINGS:g} spacings from any point, is invented."
    return Map(SUPPORT, title, spacings, 0.0, 2 * SUPPORT_SPACINGS, stops, note=note)


def deviation_map(support: Support, mesh: Surface, target: Surface, reference: str | None, tolerance: float | None) -> Map:
    """The signed deviation at the vertices of a mesh, in the user's units: from a reference mesh; or of the point that is
    nearest, of a scan or a reference of points. Where none is near, nothing is known: control points are spots."""
    scale = support.header.frame.scale
    if target.faces is not None:
        values, known = Sided(target).deviation(mesh.vertices)
        note = f"Red is outside {reference}, blue inside."
        return diverging(values * scale, known, tolerance, f"deviation from {reference}", note)
    of_points, over = Sided(mesh, welded=True).deviation(target.vertices)
    tree = KDTree(target.vertices[over] if over.any() else target.vertices)
    distance, index = tree.query(mesh.vertices)
    values = (of_points[over] if over.any() else of_points)[index] * scale * (1 if reference is None else -1)
    near, nearest = support.nearest(mesh.vertices)
    known = near <= support.reach[nearest]
    if reference is not None:
        known = distance <= np.minimum(target.reach, 2 * support.reach[nearest])
    whose = "the scan's points" if reference is None else reference
    outside = "the point is outside the mesh" if reference is None else f"the mesh is outside {reference}"
    title = "deviation of the nearest point" if reference is None else f"deviation from {reference}"
    return diverging(values, known, tolerance, title, f"Red: {outside}; blue: inside. Grey: none of {whose} is near.")


def picture(
    portraits: Portraits, shown: Map | None, size: int, direction: tuple[float, float] = SIDE, places: Sequence[Place] = ()
) -> Markup:
    """A mesh coloured by a map, with its colour bar, and the places numbered that can be seen."""
    from PIL import Image

    colours = portraits.cloud.colours if shown is None else shown.colours()
    drawing = (np.clip(portraits.draw(direction, size, colours), 0, 1) * 255).round().astype(np.uint8)
    image = Image.fromarray(drawing)
    _number(image, portraits, direction, size, places)
    rows = np.flatnonzero((drawing < 255).any((1, 2)))  # what is flat leaves much above and below it
    if len(rows):
        image = image.crop((0, max(0, int(rows[0]) - 12), size, min(size, int(rows[-1]) + 12)))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    if shown is None:
        return page.image(out.getvalue(), "the mesh", "the mesh")
    return page.figure(page.picture(out.getvalue(), shown.title), colour_bar(shown), caption=shown.note)


def colour_bar(shown: Map) -> Markup:
    return page.colour_bar(shown.stops, shown.low, shown.high, shown.title)


def _number(image: Any, portraits: Portraits, direction: tuple[float, float], size: int, places: Sequence[Place]) -> None:
    """Draw the number of each place where it is, unless the mesh hides it."""
    from PIL import ImageDraw, ImageFont

    if not places:
        return
    at = np.array([place.position for place in places])
    camera = portraits.camera(direction)
    hidden = portraits.hidden(at, camera) & (not portraits.inside)
    where, _ = camera.project(camera.normalised(at), size)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=13)
    for i, (row, column) in reversed(list(enumerate(where.tolist()))):
        if hidden[i]:
            continue
        pen.ellipse((column - 3, row - 3, column + 3, row + 3), outline="#000000", width=2)
        right = column < size - 30
        spot, anchor = (column + (7 if right else -7), row - 8), "la" if right else "ra"
        pen.text(spot, str(i + 1), "#000000", font, anchor, stroke_width=2, stroke_fill="#ffffff")
