"""PLY, the Stanford polygon format: reading it, ASCII and binary, clouds and meshes; and the table of vertices to write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud
from .columns import cloud_of, match, name_by_hand, plain
from .mesh import checked_faces, strip_triangles, triangulate
from .partial import ChooseRows, take_rows
from .splats import are_splats, of_splats

NORMALS, COLOURS, INTENSITY = ("nx", "ny", "nz"), ("red", "green", "blue"), "intensity"  # as they are written


def read_ply(path: Path, choose: ChooseRows, words: tuple[str, ...]) -> PointCloud:
    """ASCII and binary, any scalar types, faces with any number of corners, and triangle strips; Gaussian splats.

    A file with faces is read whole: its points belong together.
    """
    elements = {element.name: element.data for element in _parsed(path).elements}
    if "vertex" not in elements:
        raise InputError("the PLY file has no vertex element", where=path)
    vertex = elements["vertex"]
    names = vertex.dtype.names or ()
    scalars = [n for n in names if vertex.dtype[n].kind != "O"]
    if {plain(n) for n in set(names) - set(scalars)} & set("xyz"):
        raise InputError("the PLY coordinates are lists", where=path)
    columns = name_by_hand(words, len(scalars), scalars, path) if words else match(scalars, path, "PLY vertices")
    is_mesh = any(len(elements[name]) for name in ("face", "tristrips") if name in elements)
    rows = None if is_mesh else choose(len(vertex))
    if rows is not None:
        vertex = take_rows(vertex, rows)
    faces, notes = _faces(elements)
    splats = not is_mesh and not words and are_splats(scalars)
    if not is_mesh and not words and not splats:
        notes += columns.notes()  # of a mesh nothing but points, colours and faces is used
    cloud = cloud_of(columns, lambda i: np.asarray(vertex[scalars[i]]), notes)
    if splats:
        return of_splats(cloud, lambda name: np.asarray(vertex[name]), path)
    return replace(cloud, faces=checked_faces(faces, len(cloud.points), path))


def _parsed(path: Path) -> Any:
    """plyfile's `PlyData`; fast where all faces are triangles."""
    from plyfile import PlyData, PlyElementParseError, PlyHeaderParseError

    try:
        try:
            return PlyData.read(path, known_list_len={"face": {"vertex_indices": 3}})
        except (PlyElementParseError, KeyError, ValueError):
            return PlyData.read(path)  # faces of other sizes, or another name of the list
    except PlyHeaderParseError as e:
        raise InputError(f"not a PLY file ({e})", where=path) from None
    except PlyElementParseError as e:
        raise InputError(f"the PLY file is truncated or damaged ({e})", where=path) from None


def _faces(elements: dict[str, NDArray[Any]]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """The triangles (m, 3) of all faces and strips, or None where the file has neither; and a note about strips."""
    triangles: list[NDArray[np.int64]] = []
    notes: tuple[str, ...] = ()
    if "face" in elements and len(elements["face"]):
        faces = elements["face"]
        lists = [n for n in ("vertex_indices", "vertex_index") if n in (faces.dtype.names or ())]
        if lists:
            triangles.append(triangulate(faces[lists[0]]))
    if "tristrips" in elements:
        strips = elements["tristrips"]
        name = (strips.dtype.names or ("",))[0]
        triangles += [strip_triangles(np.asarray(strip)) for strip in strips[name]]
        notes = ("triangle strips unrolled",)
    return (np.concatenate(triangles) if triangles else None), notes


def vertex_table(
    points: NDArray[np.floating],
    normals: NDArray[np.floating] | None,
    colours: NDArray[np.uint8] | None,
    intensity: NDArray[np.floating] | None = None,
    uncertainty: NDArray[np.floating] | None = None,
    invented: NDArray[np.uint8] | None = None,
    *,
    double: bool,
) -> NDArray[Any]:
    """The vertices of a PLY file as a structured array (n,), little-endian, with the names that `read_ply` looks for.

    Parameters
    ----------
    points, normals, colours : (n, 3) each
    intensity, uncertainty, invented : (n,)
    double : whether coordinates are float64; all else is float32, and colours uint8
    """
    real = "<f8" if double else "<f4"
    columns: list[tuple[str, str, NDArray[Any]]] = [(n, real, c) for n, c in zip("xyz", points.T, strict=True)]
    if normals is not None:
        columns += [(n, "<f4", c) for n, c in zip(NORMALS, normals.T, strict=True)]
    if colours is not None:
        columns += [(n, "u1", c) for n, c in zip(COLOURS, colours.T, strict=True)]
    if intensity is not None:
        columns.append((INTENSITY, "<f4", intensity))
    if uncertainty is not None:
        columns.append(("uncertainty", "<f4", uncertainty))
    if invented is not None:
        columns.append(("invented", "u1", invented))
    table = np.empty(len(points), [(name, kind) for name, kind, _ in columns])
    for name, _, column in columns:
        table[name] = column
    return table
