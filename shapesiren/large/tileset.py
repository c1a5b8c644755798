"""3D Tiles (OGC 22-025r4, version 1.1) of a large run's mesh: its pyramid as a tree of glTF tiles, for viewers in a browser.

Coordinates are metres, z up, from the middle of the tileset, whose place is in the root's transform: on the globe where the
scan's coordinate system is known, else in the scan's own coordinates. Contents have y up, as glTF wants it; viewers turn it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..pointcloud.io import crs
from ..runtime.files import write_atomically
from ..runtime.working import working_at
from ..similarity import Similarity
from ..surface.glb import Y_UP, write_glb
from .pyramid import Node, Pyramid
from .tiles import Tile, name_of

Array = NDArray[np.float64]

CONTENT = "content"  # folder of the tiles, beside the tileset
ECEF = "EPSG:4978"  # earth-centred, earth-fixed, WGS 84: what a tileset on the globe is in
UNLOADED = 16.0  # times the error of the root: what is missing where nothing is shown


@dataclass(frozen=True)
class Placed:
    """Where a tileset stands. transform : 16 numbers, column by column; on_globe : whether it is in ECEF"""

    transform: list[float]
    on_globe: bool


def write_tileset(path: Path, pyramid: Pyramid, frame: Similarity, metres: float, system: str | None) -> Placed:
    """Write ``path`` and the tiles in a folder beside it; the tileset comes last, so that it is whole or absent.

    Parameters
    ----------
    pyramid : built to its top
    frame : of the user's coordinates; metres : in one of their units
    system : coordinate system of these, as WKT or a code, None if there is none
    """
    folder = path.parent / CONTENT
    folder.mkdir(exist_ok=True)
    total = sum(len(nodes) for nodes in pyramid.keys)
    scale = frame.scale * metres
    top = [(pyramid.top, node) for node in sorted(pyramid.keys[pyramid.top])]
    origin = pyramid.centre(*top[0])
    written = 0

    def tile(level: int, node: Tile) -> tuple[dict[str, Any], Array, Array]:
        """A tile with those below it, and the corners of the box round them all, metres from the middle of the tileset."""
        nonlocal written
        made = pyramid.node(level, node)
        name = f"{level}-{name_of(node)}.glb"
        offset = (pyramid.centre(level, node) - origin) * scale
        _write_content(folder / name, made, scale, offset)
        written += 1
        working_at(f"tile {written} of {total}", written / total)
        at = made.vertices.astype(np.float64) * scale + offset
        low, high = at.min(0), at.max(0)
        below = [tile(level - 1, child) for child in pyramid.children[level][node]] if level else []
        for _, lower, upper in below:
            low, high = np.minimum(low, lower), np.maximum(high, upper)
        entry: dict[str, Any] = {
            "boundingVolume": _box(low, high),
            "geometricError": float(made.facts["error"]) * scale,
            "refine": "REPLACE",
            "content": {"uri": f"{CONTENT}/{name}"},
            "extras": {"level": level, "tile": name_of(node), "faces": len(made.faces)},
        }
        if below:
            entry["children"] = [child for child, _, _ in below]
        return entry, low, high

    roots = [tile(*node) for node in top]
    low, high = np.min([r[1] for r in roots], 0), np.max([r[2] for r in roots], 0)
    root = roots[0][0]
    if len(roots) > 1:
        error = max(r[0]["geometricError"] for r in roots)
        root = {"boundingVolume": _box(low, high), "geometricError": error, "refine": "ADD", "children": [r[0] for r in roots]}
    placed = _placed(frame.to_user(origin[None])[0], metres, system)
    root["transform"] = placed.transform
    error = max(UNLOADED * root["geometricError"], float(np.linalg.norm(high - low)) / 2)
    tileset = {"asset": {"version": "1.1", "generator": "shapesiren"}, "geometricError": error, "root": root}
    write_atomically(path, json.dumps(tileset, indent=1).encode())
    return placed


def _write_content(path: Path, node: Node, scale: float, offset: Array) -> None:
    vertices = (node.vertices.astype(np.float64) * scale).astype(np.float32)
    normals = node.normals.astype(np.float32)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    matrix = np.array(Y_UP, np.float64).reshape(4, 4).T
    matrix = matrix @ np.block([[np.eye(3), offset[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])

    def parts() -> Iterator[tuple[Any, Any, Any]]:
        yield vertices, normals, node.faces

    low, high = vertices.min(0), vertices.max(0)
    columns = tuple(matrix.T.reshape(-1).tolist())
    write_atomically(path, lambda file: write_glb(file, parts, len(vertices), len(node.faces), low, high, columns, path.stem))


def _box(low: Array, high: Array) -> dict[str, list[float]]:
    half = np.maximum((high - low) / 2, 1e-6)
    return {"box": [*((low + high) / 2).tolist(), half[0], 0.0, 0.0, 0.0, half[1], 0.0, 0.0, 0.0, half[2]]}


def _placed(origin: Array, metres: float, system: str | None) -> Placed:
    """The transform of a tileset whose middle is at ``origin``, in the user's coordinates."""
    if system is not None and (globe := _on_globe(origin, metres, system)) is not None:
        return Placed(globe, True)
    at = origin * metres
    return Placed([1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, *at.tolist(), 1.0], False)


def _on_globe(origin: Array, metres: float, system: str) -> list[float] | None:
    """The linear part of the way from a projected system to ECEF at a point; None where that is not known."""
    try:
        from pyproj import CRS, Transformer
        from pyproj.exceptions import ProjError
    except ImportError:
        return None
    try:
        source = CRS.from_user_input(system)
        if not (source.is_projected or (source.is_compound and source.sub_crs_list[0].is_projected)):
            return None
        way = Transformer.from_crs(source.to_3d() if len(source.axis_info) < 3 else source, ECEF, always_xy=True)
        steps = np.vstack([np.zeros(3), np.eye(3)]) * 10.0 + origin  # ten units are straight to a micrometre
        there = np.stack(way.transform(*steps.T), 1)
    except (ProjError, ValueError, IndexError):
        return None
    if not np.isfinite(there).all() or crs.parsed(system) is None:
        return None
    axes = (there[1:] - there[0]) / 10.0 / metres
    columns = np.zeros((4, 4))
    columns[:3, :3], columns[3, :3], columns[3, 3] = axes, there[0], 1.0
    return [float(x) for x in columns.reshape(-1)]
