"""3MF by lib3mf, the consortium's own library: in millimetres, with the vertices' colours.

trimesh writes 3MF too, and leaves colours out (5.2).
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...similarity import Similarity
from ..mesh import TriangleMesh


def require_lib3mf(path: Path) -> None:
    """Raise InputError if the package is missing."""
    try:
        import lib3mf  # noqa: F401
    except ImportError:
        raise InputError("lib3mf is not installed", where=path, hint="pip install shapesiren[print]") from None


def threemf(mesh: TriangleMesh, frame: Similarity, double: bool) -> bytes:
    """A mesh as one object of a 3MF file; the unit of its coordinates is taken for a millimetre.

    3MF holds float32: coordinates that it would round are counted from the frame's centre, which the item's place gives back.
    """
    from lib3mf import Lib3MF, get_wrapper

    wrapper = get_wrapper()
    model = wrapper.CreateModel()
    model.SetUnit(Lib3MF.ModelUnit.MilliMeter)
    body = model.AddMeshObject()
    body.SetName("shapesiren")
    offset = np.array(frame.centre) if double else np.zeros(3)
    body.SetGeometry(
        _structs(Lib3MF.Position, (mesh.vertices - offset).astype(np.float32)),
        _structs(Lib3MF.Triangle, mesh.faces.astype(np.uint32)),
    )
    if mesh.colours is not None:
        _colour(model, body, mesh, Lib3MF)
    place = wrapper.GetIdentityTransform()
    for axis in range(3):
        place.Fields[3][axis] = float(offset[axis])
    model.AddBuildItem(body, place)
    writer = model.QueryWriter("3mf")
    writer.SetDecimalPrecision(9)  # of float32: no two vertices become one
    return bytes(writer.WriteToBuffer())


def _structs(kind: Any, rows: np.ndarray) -> Any:
    """Rows of an array as an array of lib3mf's structures of the same layout."""
    rows = np.ascontiguousarray(rows)
    assert ctypes.sizeof(kind) == rows.dtype.itemsize * rows.shape[1]
    return (kind * len(rows)).from_buffer_copy(rows.tobytes())


def _colour(model: Any, body: Any, mesh: TriangleMesh, lib: Any) -> None:
    """Give each corner its vertex's colour."""
    assert mesh.colours is not None
    distinct, which = np.unique(mesh.colours, axis=0, return_inverse=True)
    group = model.AddColorGroup()
    numbers = []
    for red, green, blue in distinct.tolist():
        colour = lib.Color()
        colour.Red, colour.Green, colour.Blue, colour.Alpha = red, green, blue, 255
        numbers.append(group.AddColor(colour))
    resource = group.GetResourceID()
    at = np.array(numbers, np.uint32)[which.reshape(-1)][mesh.faces]
    rows = np.concatenate([np.full((len(at), 1), resource, np.uint32), at], 1)
    properties = _structs(lib.TriangleProperties, rows)
    body.SetObjectLevelProperty(resource, int(at[0, 0]))
    body.SetAllTriangleProperties(properties)
