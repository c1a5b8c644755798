"""Binary glTF (Khronos, glTF 2.0, chapter 4) of a mesh that comes in parts and is never held as a whole."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

MOST_BYTES = 2**32 - 1  # of a file: its length is a 32-bit number
TOO_LARGE = "-o NAME.ply, or fewer faces (--faces N; of a large run --level 1, or tiles: --tiles -o FOLDER/tileset.json)"
FLOAT, UNSIGNED_INT, ARRAY, ELEMENTS = 5126, 5125, 34962, 34963  # of the standard
Part = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]], NDArray[np.integer[Any]]]
SURFACE = {"baseColorFactor": [0.8, 0.8, 0.8, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.9}
Y_UP = (1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1)  # columns of the matrix from z up to y up, as glTF has it


def check_size(vertices: int, faces: int, where: object) -> None:
    """Raise InputError if a GLB file of a mesh would be longer than such files can be."""
    if (length := 24 * vertices + 12 * faces + 4096) > MOST_BYTES:
        what = f"{length / 2**30:.1f} GiB are more than GLB can hold (4 GiB)"
        raise InputError(what, where=where, hint=TOO_LARGE)


def write_glb(
    file: IO[bytes],
    parts: Callable[[], Iterable[Part]],
    vertices: int,
    faces: int,
    low: NDArray[np.floating[Any]],
    high: NDArray[np.floating[Any]],
    matrix: tuple[float, ...] | None = None,
    name: str = "mesh",
    extras: dict[str, Any] | None = None,
) -> None:
    """Write a mesh with normals.

    Parameters
    ----------
    parts : called three times, each time for the same (vertices (n, 3), unit normals (n, 3), faces (m, 3)); the faces count all
        vertices, those of the parts before included
    vertices, faces : how many there are in all
    low, high : corners (3,) of the box round the vertices, in float32 as these are written
    matrix : 16 numbers, column by column, from the vertices to the scene

    Raises
    ------
    InputError : of `check_size`
    """
    check_size(vertices, faces, name)
    node: dict[str, Any] = {"mesh": 0, "name": name}
    if matrix is not None:
        node["matrix"] = [float(x) for x in matrix]
    if extras:
        node["extras"] = extras
    lengths = (12 * vertices, 12 * vertices, 12 * faces)
    offsets = (0, lengths[0], lengths[0] + lengths[1])
    tree = {
        "asset": {"version": "2.0", "generator": "shapesiren"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0, "mode": 4}]}],
        "materials": [{"pbrMetallicRoughness": SURFACE, "doubleSided": True}],
        "buffers": [{"byteLength": sum(lengths)}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": offset, "byteLength": length, "target": ELEMENTS if i == 2 else ARRAY}
            for i, (offset, length) in enumerate(zip(offsets, lengths, strict=True))
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": FLOAT,
                "count": vertices,
                "type": "VEC3",
                "min": np.float32(low).tolist(),
                "max": np.float32(high).tolist(),
            },
            {"bufferView": 1, "componentType": FLOAT, "count": vertices, "type": "VEC3"},
            {"bufferView": 2, "componentType": UNSIGNED_INT, "count": 3 * faces, "type": "SCALAR"},
        ],
    }
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + sum(lengths)
    file.write(struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON") + text)
    file.write(struct.pack("<I4s", sum(lengths), b"BIN\0"))
    for which, kind in ((0, "<f4"), (1, "<f4"), (2, "<u4")):
        for part in parts():
            file.write(np.ascontiguousarray(part[which], kind).tobytes())
