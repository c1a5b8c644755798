"""A mesh to be turned with the mouse, as a notebook shows it: one frame that holds all it needs, and opens offline."""

from __future__ import annotations

import base64
import html
import json
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ..surface.mesh import TriangleMesh

CLAY = (201, 185, 164)
MOST_FACES = 40_000  # above which a notebook would grow by megabytes at each look


def turnable_page(mesh: TriangleMesh, title: str) -> str:
    """The page: WebGL 2 and nothing else. Vertices are moved into the unit ball, so that UTM keeps its digits."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-300)
    at = (mesh.vertices - (low + (high - low) / 2)) / radius
    colours = mesh.colours if mesh.colours is not None else np.broadcast_to(np.array(CLAY, np.uint8), at.shape)
    data = {
        "title": title,
        "vertices": _packed(at.astype("<f4")),
        "normals": _packed(mesh.normals.astype("<f4")),
        "colours": _packed(colours.astype(np.uint8)),
        "faces": _packed(mesh.faces.astype("<u4")),
    }
    text = resources.files(__package__).joinpath("assets", "turnable.html").read_text(encoding="utf-8")
    # "<" is escaped, so that no title ends the script
    return text.replace("/*DATA*/null", json.dumps(data).replace("<", "\\u003c"))


def turnable_frame(mesh: TriangleMesh, title: str) -> str:
    """The page in a frame of its own, for a notebook's output."""
    page = html.escape(turnable_page(mesh, title), quote=True)
    return f'<iframe srcdoc="{page}" sandbox="allow-scripts" style="width:100%;height:420px;border:0"></iframe>'


def _packed(array: NDArray[np.generic]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
