"""A mesh unwrapped onto a square: charts by xatlas (github.com/jpcy/xatlas), packed side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .mesh import TriangleMesh

PART_FACES = 4_000  # that xatlas cuts into charts at a time: its cost grows faster than their number
PACKED_AT = 1024  # side of the square that charts are packed on; they are scaled to the texture's afterwards
GAP = 2  # texels of that square between charts: as many times more of a larger texture, for mipmaps
USED = 0.6  # share of the square that charts are expected to cover


@dataclass(frozen=True)
class Atlas:
    """place : (k, 2) of corners on the unit square, x to the right and y down; vertex : (k,) of the mesh, that each is of
    faces : (m, 3) into these, in the order of the mesh's; charts : how many
    """

    place: NDArray[np.float64]
    vertex: NDArray[np.int64]
    faces: NDArray[np.int64]
    charts: int


def require_xatlas() -> None:
    """Raise InputError if the package is missing."""
    try:
        import xatlas  # noqa: F401
    except ImportError:
        raise InputError("xatlas is not installed", where="mesh.texture", hint="pip install shapesiren[texture]") from None


def unwrap(mesh: TriangleMesh, size: int) -> Atlas:
    """Charts of a mesh for a texture of ``size`` texels a side; none overlap, and gaps are left between them."""
    import xatlas

    require_xatlas()
    centred = mesh.vertices - mesh.vertices.mean(0)
    corner = centred[mesh.faces]
    area = float(np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1).sum()) / 2
    centred /= max(area, 1e-300) ** 0.5
    packed_at = min(size, PACKED_AT)
    atlas, parts, used = xatlas.Atlas(), parts_of(corner.mean(1)), []
    for part in parts:
        vertices, faces = np.unique(mesh.faces[part], return_inverse=True)
        used.append(vertices)
        atlas.add_mesh(
            centred[vertices].astype(np.float32),
            faces.reshape(-1, 3).astype(np.uint32),
            mesh.normals[vertices].astype(np.float32),
        )
    options = xatlas.PackOptions()
    options.padding, options.bilinear = GAP, True
    options.texels_per_unit = packed_at * USED**0.5
    atlas.generate(pack_options=options)

    side = max(atlas.width, atlas.height)
    place, vertex = [], []
    made = np.empty_like(mesh.faces)
    start = 0
    for i, part in enumerate(parts):
        of, corners, where = atlas.get_mesh(i)
        made[part] = corners.astype(np.int64) + start
        vertex.append(used[i][of])
        place.append(where.astype(np.float64) * (atlas.width / side, atlas.height / side))
        start += len(of)
    return Atlas(np.concatenate(place), np.concatenate(vertex), made, atlas.chart_count)


def parts_of(centres: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Faces with these centres (m, 3), in compact parts of at most `PART_FACES`, halved along their longest side."""
    parts, waiting = [], [np.arange(len(centres))]
    while waiting:
        part = waiting.pop()
        if len(part) <= PART_FACES:
            parts.append(np.sort(part))
            continue
        along = centres[part, int(np.ptp(centres[part], axis=0).argmax())]
        order = np.argsort(along, kind="stable")
        waiting += [part[order[: len(part) // 2]], part[order[len(part) // 2 :]]]
    return parts
