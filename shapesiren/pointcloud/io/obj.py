"""OBJ: what has faces goes to trimesh, with the one thing mended that it reads wrongly; what has none is a cloud, read here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud
from .colours import to_uint8
from .mesh import read_mesh
from .numbers import numbers

FACE = re.compile(r"^[ \t]*f[ \t]", re.MULTILINE)
RELATIVE = re.compile(r"^[ \t]*f[ \t].*-\d", re.MULTILINE)
KINDS = ("v", "vt", "vn")  # of elements, in the order in which a corner of a face names them


def read_obj(path: Path) -> PointCloud:
    """A mesh, or a cloud of its vertices with their colours, and with normals if there are as many."""
    text = path.read_bytes().decode("latin-1").replace("\\\r\n", " ").replace("\\\n", " ")
    if not FACE.search(text):
        return _cloud(text, path)
    return read_mesh(path, absolute_indices(text, path).encode("latin-1") if RELATIVE.search(text) else None)


def absolute_indices(text: str, where: object) -> str:
    """The text with -1 in a face replaced by the number of the element that was the last one when the face was written, and so
    on. trimesh counts from the end of the file. Raises InputError about one that names an element before the first."""
    seen = dict.fromkeys(KINDS, 0)
    lines = text.splitlines()
    for i, line in enumerate(lines):
        words = line.split()
        kind = words[0] if words else ""
        if kind in seen:
            seen[kind] += 1
        elif kind == "f" and "-" in line:
            corners = [_absolute(corner, seen, i + 1, where) for corner in words[1:]]
            lines[i] = " ".join(["f", *corners])
    return "\n".join(lines) + "\n"


def _absolute(corner: str, seen: dict[str, int], line: int, where: object) -> str:
    """A corner, ``v/vt/vn`` with what it has of them."""
    out = []
    for kind, word in zip(KINDS, corner.split("/"), strict=False):
        if word.startswith("-") and word[1:].isdigit():
            if int(word) < -seen[kind]:
                raise InputError(f"line {line}: {kind} {word} of a face, of which {seen[kind]} stand before it", where=where)
            word = str(seen[kind] + 1 + int(word))
        out.append(word)
    return "/".join(out)


def _cloud(text: str, path: Path) -> PointCloud:
    """Lines ``v x y z``, ``v x y z w`` or ``v x y z [w] r g b``, and ``vn`` if every vertex has one."""
    vertices, normals = _rows(text, "v", path), _rows(text, "vn", path)
    if not len(vertices):
        raise InputError("there are no points in it", where=path)
    width = vertices.shape[1]
    if width < 3:
        raise InputError(f"its vertices have {width} coordinates", where=path)
    rgb = vertices[:, -3:] if width in (6, 7) else None
    return PointCloud(
        vertices[:, :3],
        normals if normals.shape == (len(vertices), 3) else None,
        None if rgb is None else to_uint8(rgb, bool(np.nanmax(rgb, initial=0) > 1)),
    )


def _rows(text: str, kind: str, path: Path) -> NDArray[np.float64]:
    """The numbers of all lines of a kind, (n, k)."""
    lines = [(i, line.split("#")[0].strip()) for i, line in enumerate(text.splitlines(), 1)]
    lines = [(i, line[len(kind) :].strip()) for i, line in lines if line.split(None, 1)[:1] == [kind]]
    return numbers(lines, None, path) if lines else np.empty((0, 3))
