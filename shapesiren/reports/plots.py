"""Charts as plotly takes them: plain dictionaries, arrays as base64 (plotly.js >= 2.35)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from . import page

Trace = dict[str, Any]
CODES = {"float32": "f4", "int32": "i4", "uint8": "u1"}
CLAY = "#c9b9a4"
OUT = "#c23b4b"  # of what is out of tolerance
COLOURS = ("#0b63b5", "#d9822b", "#2a9d5c", "#c23b4b", "#7d5fb2", "#8c6d46", "#c65fa5", "#7a8288")


def packed(values: ArrayLike, kind: Any = np.float32) -> Trace:
    """An array of one or two dimensions as plotly.js reads it."""
    array = np.ascontiguousarray(values, kind)
    out: Trace = {"dtype": CODES[array.dtype.name], "bdata": base64.b64encode(array.tobytes()).decode()}
    return out | ({"shape": ", ".join(map(str, array.shape))} if array.ndim > 1 else {})


def curves(
    lines: Mapping[str, Sequence[float | None]],
    x: Sequence[float],
    x_name: str,
    y_name: str,
    log: bool = False,
    log_x: bool = False,
) -> Markup:
    """Lines over one axis. Values that a logarithm does not have are left out."""
    return several({name: (x, y) for name, y in lines.items()}, x_name, y_name, log, log_x)


def several(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float | None]]],
    x_name: str,
    y_name: str,
    log: bool = False,
    log_x: bool = False,
) -> Markup:
    """Lines with an axis each."""
    traces = []
    for i, (name, (x, y)) in enumerate(lines.items()):
        shown = [v if v is not None and np.isfinite(v) and (v > 0 or not log) else None for v in y]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": list(x),
                "y": shown,
                "line": {"width": 1.6, "color": COLOURS[i % len(COLOURS)]},
            }
        )
    layout = flat_layout(x_name, y_name)
    layout["xaxis"] |= {"type": "log" if log_x else "linear"}
    layout["yaxis"] |= {"type": "log" if log else "linear"}
    layout |= {"hovermode": "x unified", "showlegend": len(traces) > 1, "legend": {"orientation": "h", "y": 1.12}}
    return page.chart(traces, layout, height=340)


def flat_layout(x_name: str, y_name: str) -> Trace:
    return {
        "margin": {"l": 62, "r": 14, "t": 14, "b": 46},
        "xaxis": {"title": {"text": x_name}, "exponentformat": "power"},
        "yaxis": {"title": {"text": y_name}, "exponentformat": "power"},
    }


def mesh(
    vertices: NDArray[Any],
    faces: NDArray[Any],
    *,
    colours: NDArray[np.uint8] | None = None,
    heat: NDArray[Any] | None = None,
    most: float = 1.0,
    heat_name: str = "",
    least: float = 0.0,
    stops: Sequence[tuple[float, str]] | None = None,
    colour: str = CLAY,
) -> Trace:
    """Triangles, lit; of one ``colour``, coloured by vertex, or by a value ``heat`` (n,) from ``least`` to ``most``, in the
    colours of ``stops``."""
    trace: Trace = {
        "type": "mesh3d",
        "x": packed(vertices[:, 0]),
        "y": packed(vertices[:, 1]),
        "z": packed(vertices[:, 2]),
        "i": packed(faces[:, 0], np.int32),
        "j": packed(faces[:, 1], np.int32),
        "k": packed(faces[:, 2], np.int32),
        "lighting": {
            "ambient": 0.45,
            "diffuse": 0.75,
            "specular": 0.12,
            "roughness": 0.6,
            "fresnel": 0.05,
            "facenormalsepsilon": 0,
            "vertexnormalsepsilon": 0,
        },
        "lightposition": {"x": -200, "y": 600, "z": 0},  # in the viewer's eyes: a lamp beside the camera
        "hovertemplate": "%{x:.6g}, %{y:.6g}, %{z:.6g}<extra></extra>",
    }
    if heat is not None:
        bar = {"title": {"text": heat_name, "side": "right"}, "thickness": 14, "len": 0.85, "exponentformat": "power"}
        trace |= {
            "intensity": packed(heat),
            "cmin": least,
            "cmax": most,
            "colorscale": "Viridis" if stops is None else [list(stop) for stop in stops],
            "colorbar": bar,
            "hovertemplate": "%{intensity:.3g}<extra></extra>",
        }
        trace["lighting"] = {"ambient": 0.75, "diffuse": 0.35, "specular": 0.0, "facenormalsepsilon": 0}
    elif colours is not None:
        trace["vertexcolor"] = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours.tolist()]
    else:
        trace["color"] = colour
    return trace


def like(trace: Trace, other: Trace, index: int) -> Trace:
    """A mesh without the arrays that it shares with trace ``other``, number ``index`` of its chart: the page puts them back."""
    return {k: v for k, v in trace.items() if k not in "xyzijk" or v != other[k]} | {"like": index}


def points(at: NDArray[Any], colours: NDArray[np.uint8] | None = None, size: float = 1.6) -> Trace:
    marker: Trace = {"size": size, "color": COLOURS[0]}
    if colours is not None:
        marker["color"] = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours.tolist()]
    return {
        "type": "scatter3d",
        "mode": "markers",
        "x": packed(at[:, 0]),
        "y": packed(at[:, 1]),
        "z": packed(at[:, 2]),
        "marker": marker,
        "hovertemplate": "%{x:.6g}, %{y:.6g}, %{z:.6g}<extra></extra>",
    }


def histogram(
    edges: Sequence[float], counts: Sequence[int], x_name: str, y_name: str, tolerance: float | None = None, height: int = 300
) -> Markup:
    """Bars between ``edges``; those beyond the tolerance are red, and lines mark it."""
    middle = [(a + b) / 2 for a, b in pairwise(edges)]
    out = [tolerance is not None and abs(m) > tolerance for m in middle]
    trace = {
        "type": "bar",
        "x": middle,
        "y": list(counts),
        "width": [b - a for a, b in pairwise(edges)],
        "marker": {"color": [OUT if o else COLOURS[2] if tolerance is not None else COLOURS[0] for o in out]},
        "hovertemplate": "%{x:.4g}: %{y:,}<extra></extra>",
    }
    layout = flat_layout(x_name, y_name)
    layout["yaxis"] |= {"exponentformat": "none", "separatethousands": True, "automargin": True}
    layout["xaxis"] |= {"nticks": 6, "tickangle": 0, "showexponent": "last"}
    layout |= {"showlegend": False, "bargap": 0}
    if tolerance is not None:
        line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 1.4, "dash": "dash", "color": OUT}}
        layout["shapes"] = [line | {"x0": x, "x1": x} for x in (-tolerance, tolerance)]
    return page.chart([trace], layout, height=height)


def scene_layout(up: str) -> Trace:
    """An empty room round a model, seen from the side and a little from above."""
    vertical = {axis: float(axis == up) for axis in "xyz"}
    order = {"x": "yzx", "y": "zxy", "z": "xyz"}[up]
    eye = dict(zip(order, (1.15, 1.0, 0.6), strict=True))
    axis = {"visible": False}
    return {
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "showlegend": False,
        "scene": {
            "aspectmode": "data",
            "xaxis": axis,
            "yaxis": axis,
            "zaxis": axis,
            "dragmode": "orbit",
            "camera": {"up": vertical, "eye": eye, "projection": {"type": "perspective"}},
        },
    }


def level_lines(
    values: NDArray[Any], x: NDArray[Any], y: NDArray[Any], names: tuple[str, str], step: float, bar: str = ""
) -> Markup:
    """A slice of a distance field: filled level lines every ``step``, the zero level drawn thick; ``bar`` names the values."""
    reach = step * np.ceil(float(np.abs(values).max()) / step)
    shared = {"type": "contour", "z": packed(values), "x": packed(x), "y": packed(y), "zmid": 0, "hoverinfo": "skip"}
    lines = shared | {
        "colorscale": "RdBu",
        "zmin": -reach,
        "zmax": reach,
        "hoverinfo": "all",
        "hovertemplate": "%{z:.4g}<extra></extra>",
        "contours": {"start": -reach, "end": reach, "size": step, "coloring": "heatmap"},
        "line": {"width": 0.6, "color": "#555"},
        "colorbar": {"thickness": 12, "exponentformat": "power", "title": {"text": bar, "side": "right"}},
    }
    zero = shared | {
        "contours": {"start": 0, "end": 0, "size": 1, "coloring": "none"},
        "line": {"width": 2.6, "color": "#111"},
        "showscale": False,
    }
    layout = flat_layout(*names)
    layout["yaxis"] |= {"scaleanchor": "x", "constrain": "domain"}
    layout["xaxis"] |= {"constrain": "domain"}
    return page.chart([lines, zero], layout, height=400)
