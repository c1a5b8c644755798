"""What a field is, for whoever gets its file without anything else: a model card (Mitchell et al. 2019) in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .header import Header
from .nets.network import Network
from .version import __version__

KINDS = {
    "shape": "the signed distance to a surface that was fitted to a scan: negative inside, zero on the surface",
    "image": "the intensities of an image",
    "audio": "the amplitude of a sound over time",
    "video": "the intensities of a video",
    "prior": "the typical signal of a collection; the network behind it completes others of their kind",
}
SOLVED = "Many small sine networks in the cells of an octree, their last layers solved by least squares (`local`)."
TRAINED = "A sinusoidal network (SIREN; Sitzmann et al. 2020, arxiv.org/abs/2006.09661), trained by gradient descent (`siren`)."


def model_card(net: Network, task: str, header: Header, figures: Mapping[str, Any] | None = None) -> str:
    """Markdown, the same for the same field.

    Parameters
    ----------
    figures : what was measured of it, names to numbers, in the user's units; none where nothing was
    """
    spec, said = net.spec(), header.tree()
    frame = header.frame
    low, high = header.box_bounds()
    corners = [frame.to_user(corner[None])[0] for corner in (low, high)]
    units = str(said.get("units") or "the input's own")
    how = {"local": SOLVED, "siren": TRAINED}.get(str(spec["kind"]), f"A network of the kind `{spec['kind']}`.")
    rows = [
        ("made by", f"shapesiren {__version__}"),
        ("task", f"`{task}`"),
        ("network", f"`{spec['kind']}`, {sum(p.numel() for p in net.parameters()):,} parameters"),
        (
            "inputs",
            f"{net.in_features} coordinates, in units of {units}" if task == "shape" else f"{net.in_features} coordinates",
        ),
        ("bounds", f"{_numbers(corners[0])} to {_numbers(corners[1])}"),
    ]
    if task == "shape":
        rows += [
            ("surface", "open: it is trimmed where no point is" if said.get("open") else "closed"),
            ("scan's noise", _length(said.get("noise"), frame.scale)),
            ("scan's spacing", _length(said.get("spacing"), frame.scale)),
            ("normals", str(said.get("normals", "given"))),
            ("coordinate system", "named in the header" if said.get("crs") else "not known"),
        ]
    lines = [
        f"# A field of shapesiren: {task}",
        "",
        f"A function of coordinates, {KINDS.get(task, f'fitted by the task {task}')}. {how}",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
    ]
    if figures:
        lines += ["## Measured", "", "| | |", "| --- | --- |", *(f"| {k} | {_figure(v)} |" for k, v in figures.items()), ""]
    lines += [
        "## Use",
        "",
        "`shapesiren.field.Field.load(path)` gives a callable of (n, d) points in the coordinates of the input.",
        "Nothing in the file runs code: weights are safetensors, the rest is JSON under the key `shapesiren` of its metadata.",
        "",
        "## Limits",
        "",
        _limits(task, said.get("prior")),
        "Rights in it follow those in the input, which this file does not know.",
        "",
    ]
    return "\n".join(lines)


def _limits(task: str, prior: Any) -> str:
    if task == "prior":
        return "It knows signals of the kind that it was trained on; what it completes of others is a guess by their likeness."
    known = f"Where no point is near, the prior {prior} invented it" if prior else "It knows its one input and nothing else"
    return f"{known}. Far from what was measured it is a guess" + (
        ": on a mesh, colours of `report` show where." if task == "shape" else "."
    )


def _numbers(corner: Any) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in corner) + ")"


def _length(value: Any, scale: float) -> str:
    return "not measured" if not value else f"{float(value) * scale:.3g}"


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else "unknown"
    return str(value)
