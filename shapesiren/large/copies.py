"""Files for others of a large run's mesh, at any level, written without being held: PLY, GLB, tiles, 3D Tiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..pointcloud.header import CloudHeader
from ..runtime.files import write_atomically
from ..runtime.working import working_at
from ..similarity import Similarity
from ..surface.io import TILES, TILESET, write_mesh
from ..surface.mesh import TriangleMesh
from ..surface.settings import MeshSettings
from ..surface.written_units import WrittenUnits, written_units
from .lattice import MeshPlan
from .level_mesh import LevelMesh
from .pyramid import Pyramid, joined
from .tiles import name_of
from .tileset import write_tileset

HELD_FACES = 20_000_000  # of a format that is made in memory
COARSE_FACES = 2_000_000  # of a level that is shown or drawn as a whole


def write_copy(run: Path, path: Path, header: CloudHeader, settings: MeshSettings) -> None:
    """Write the mesh of a large run, or a coarser level of it, as the name of the file says.

    Raises
    ------
    InputError : nothing is meshed yet; the format cannot hold so much, or cannot be written
    """
    weld, plan = joined(run, settings), MeshPlan.open(run)
    pyramid = Pyramid(run, weld)
    name, suffix = path.name.lower(), path.suffix.lower()
    units = written_units(header, settings, ".glb" if name == TILESET else suffix)
    frame = header.frame
    if name == TILESET:
        pyramid.build()
        write_tileset(path, pyramid, frame, units.scale, header.crs if settings.scale is None else None)
        return
    level = settings.level or 0
    pyramid.build(level)
    cells = round(2 / plan.step)
    if name == TILES:
        write_tiles(path, pyramid, level, frame, cells, units, header)
        return
    whole = LevelMesh(pyramid, level, frame, units.scale)
    double = Similarity(tuple(c * units.scale for c in frame.centre), frame.scale * units.scale).needs_float64(
        plan.step * frame.scale * units.scale
    )
    if suffix == ".ply":
        whole.write_ply(path, double, units.units)
    elif suffix == ".glb":
        whole.write_glb(path, double)
    elif whole.faces > HELD_FACES:
        hint = f"-o NAME.ply or NAME.glb, -o FOLDER/{TILES}, -o FOLDER/{TILESET}, or --level {level + 1}"
        raise InputError(f"{whole.faces:,} faces are too many for {suffix[1:].upper()}", where=path, hint=hint)
    else:
        write_mesh(path, as_mesh(LevelMesh(pyramid, level, frame)), frame, cells, units)


def as_mesh(level: LevelMesh) -> TriangleMesh:
    """A level in memory, in the coordinates that it has."""
    parts = list(level.parts())
    return TriangleMesh(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.faces for p in parts]),
        np.concatenate([p.normals for p in parts]),
    )


def coarse_mesh(run: Path, settings: MeshSettings, frame: Similarity, most: int = COARSE_FACES) -> TriangleMesh:
    """The finest level of a run's mesh with at most so many faces, in memory, in the user's coordinates; it is made now."""
    pyramid = Pyramid(run, joined(run, settings))
    return as_mesh(LevelMesh(pyramid, coarse_level(pyramid, most), frame))


def built_level(run: Path, settings: MeshSettings, frame: Similarity, most: int) -> TriangleMesh | None:
    """The same of the levels that are there already; None if none of them has so few faces. Nothing is written."""
    pyramid = Pyramid(run, joined(run, settings))
    for level in range(pyramid.top + 1):
        if pyramid.is_built(level) and faces_of(pyramid, level) <= most:
            return as_mesh(LevelMesh(pyramid, level, frame))
    return None


def coarse_level(pyramid: Pyramid, most: int = COARSE_FACES) -> int:
    """The finest level whose faces are at most so many, by their number on the levels below; it is built."""
    for level in range(pyramid.top + 1):
        pyramid.build(level)
        if faces_of(pyramid, level) <= most:
            return level
    return pyramid.top


def faces_of(pyramid: Pyramid, level: int) -> int:
    """Of a level that is built, without opening what it is made of."""
    return sum(int(pyramid.facts(level, node)["faces"]) for node in pyramid.keys[level])


def write_tiles(
    path: Path, pyramid: Pyramid, level: int, frame: Similarity, cells: int, units: WrittenUnits, header: CloudHeader
) -> None:
    """A PLY file for each tile, or node of a level, beside an index of them at ``path``. What two tiles share has the same
    coordinates in both, to the last bit."""
    level = min(level, pyramid.top)
    whole = LevelMesh(pyramid, level, frame)
    entries: list[dict[str, Any]] = []
    shared = _shared_vertices(pyramid, level, whole)
    for i, node in enumerate(whole.nodes):
        made = pyramid.node(level, node)
        at = made.vertices.astype(np.float64) + pyramid.centre(level, node)
        at[made.border] = shared[whole.first[whole.begins[i] : whole.begins[i] + len(made.border)]]
        mesh = TriangleMesh(frame.to_user(at), made.faces.astype(np.int64), made.normals.astype(np.float32))
        file = f"{name_of(node)}.ply"
        write_mesh(path.with_name(file), mesh, frame, cells, units)
        corners = np.stack([mesh.vertices.min(0), mesh.vertices.max(0)]) * units.scale
        entries.append({"file": file, "vertices": len(at), "faces": len(mesh.faces), "bounds": corners.tolist()})
        working_at(f"tile {i + 1} of {len(whole.nodes)}", (i + 1) / len(whole.nodes))
    index = {
        "format": 1,
        "level": level,
        "vertices": whole.vertices,
        "faces": whole.faces,
        "units": units.units,
        "tiles": entries,
    }
    write_atomically(path, json.dumps(index, indent=1).encode())


def _shared_vertices(pyramid: Pyramid, level: int, whole: LevelMesh) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(rows, 3) Box coordinates of the vertices at the sides of nodes, as each has them."""
    at = np.empty((len(whole.first), 3))
    for i, node in enumerate(whole.nodes):
        made = pyramid.node(level, node)
        rows = slice(whole.begins[i], whole.begins[i] + len(made.border))
        at[rows] = made.vertices[made.border].astype(np.float64) + pyramid.centre(level, node)
    return at
