"""Meshes: STL, OFF, GLB, 3MF, and OBJ with faces, through trimesh; and how polygons of other formats become triangles."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud

# the units that a 3MF file may name (3MF core specification 1.3, table 3-2), but for the micron
UNITS_3MF = {"millimeter": "mm", "centimeter": "cm", "meter": "m", "inch": "in", "foot": "ft"}


def read_mesh(path: Path, content: bytes | None = None) -> PointCloud:
    """All parts of a scene as one mesh; a file without faces is a point cloud. Colours only if every part has them.

    ``content`` is parsed in place of what the file holds, beside which its materials lie.
    """
    import trimesh

    if content is None:
        scene = trimesh.load_scene(str(path), process=False)
    else:
        beside = trimesh.resolvers.FilePathResolver(str(path))
        scene = trimesh.load_scene(io.BytesIO(content), file_type=path.suffix[1:].lower(), resolver=beside, process=False)
    points: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int64]] = []
    colours: list[NDArray[np.uint8] | None] = []
    start = 0  # of a part's vertices among all
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        part = scene.geometry[name]
        vertices = getattr(part, "vertices", None)
        if vertices is None or not len(vertices):
            continue
        points.append(trimesh.transform_points(np.asarray(vertices, np.float64), matrix))
        if isinstance(part, trimesh.Trimesh):
            faces.append(np.asarray(part.faces, np.int64) + start)
            colours.append(_vertex_colours(part.visual, len(vertices)))
        else:
            own = getattr(part, "colors", None)
            colours.append(own[:, :3] if own is not None and len(own) == len(vertices) else None)
        start += len(vertices)
    if not points:
        raise InputError("there are no points in it", where=path)
    present = [c for c in colours if c is not None]
    units = UNITS_3MF.get(str(scene.metadata.get("units", "")).rstrip("s")) if path.suffix.lower() == ".3mf" else None
    return PointCloud(
        np.concatenate(points),
        colours=np.concatenate(present) if len(present) == len(colours) else None,
        faces=checked_faces(np.concatenate(faces) if faces else None, start, path),
        units=units,
        units_from="" if units is None else "as its attribute says",
    )


def _vertex_colours(visual: Any, count: int) -> NDArray[np.uint8] | None:
    """Colours (count, 3) of trimesh's ``visual``, those of a texture included, or None."""
    if not getattr(visual, "defined", False):
        return None
    if visual.kind == "texture":
        visual = visual.to_color()
    own = visual.vertex_colors
    return np.asarray(own)[:, :3].astype(np.uint8) if len(own) == count else None


def checked_faces(faces: NDArray[np.int64] | None, count: int, where: object) -> NDArray[np.int64] | None:
    """The same (m, 3) faces, or None if there are none. Raises InputError about one that names none of ``count`` vertices."""
    if faces is None or not len(faces):
        return None
    if faces.min() < 0 or faces.max() >= count:
        raise InputError(f"a face names vertex {int(faces.max())}, but there are {count}", where=where)
    return faces


def triangulate(polygons: NDArray[Any]) -> NDArray[np.int64]:
    """Polygons, an (m, k) array or m lists of indices -> (t, 3) triangles, fans from each first corner."""
    if polygons.dtype != object:
        table = np.asarray(polygons, np.int64).reshape(len(polygons), -1)
        groups = [table]
    else:
        sizes = np.array([len(p) for p in polygons])
        groups = [np.stack(list(polygons[sizes == k])).astype(np.int64) for k in np.unique(sizes) if k >= 3]
    fans = [g[:, [0, i, i + 1]] for g in groups for i in range(1, g.shape[1] - 1)]
    return np.concatenate(fans) if fans else np.empty((0, 3), np.int64)


def strip_triangles(strip: NDArray[np.integer]) -> NDArray[np.int64]:
    """Triangle strips in one list, -1 between them -> (t, 3) triangles; every other one is turned over."""
    out = []
    cuts = np.flatnonzero(strip < 0)
    for part in np.split(np.asarray(strip, np.int64), cuts):
        part = part[part >= 0]
        if len(part) < 3:
            continue
        t = np.stack([part[:-2], part[1:-1], part[2:]], 1)
        t[1::2] = t[1::2][:, [1, 0, 2]]
        out.append(t[(t[:, 0] != t[:, 1]) & (t[:, 1] != t[:, 2]) & (t[:, 2] != t[:, 0])])
    return np.concatenate(out) if out else np.empty((0, 3), np.int64)
