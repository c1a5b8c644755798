"""Writing meshes: PLY, OBJ, STL, GLB, 3MF, OFF, by extension; float64 where float32 would lose the coordinates."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import plugins
from ..errors import InputError
from ..pointcloud.io import crs
from ..pointcloud.io.ply import vertex_table
from ..pointcloud.io.read import read_cloud
from ..runtime.files import write_atomically
from ..similarity import Similarity
from .mesh import TriangleMesh
from .printing.threemf import require_lib3mf, threemf
from .written_units import DEFINED, UNKNOWN, WrittenUnits


def check_output(path: Path) -> None:
    """Raise InputError now if `write_mesh` could not write ``path`` later."""
    added = plugins.part("writer", path.suffix.lower())
    if added is not None and path.suffix.lower() in WRITERS:
        raise InputError(f"{added.title}: shapesiren writes it itself", hint="give your format another extension")
    if path.suffix.lower() not in WRITERS and added is None:
        known = [*WRITERS, *(part.name for part in plugins.parts("writer"))]
        raise InputError(f"unknown mesh format {path.suffix!r}", where=path, hint=f"known: {' '.join(known)}")
    if path.suffix.lower() == ".3mf":
        require_lib3mf(path)
    if path.is_dir():
        raise InputError("this is a folder", where=path, hint="name a file in it")
    parent = path.absolute().parent
    if not parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint=f"mkdir -p {path.parent}")
    if not os.access(parent, os.W_OK):
        raise InputError("no permission to write there", where=path)


def write_mesh(path: Path, mesh: TriangleMesh, frame: Similarity, resolution: int, units: WrittenUnits = UNKNOWN) -> None:
    """Write atomically, in the format of the extension; beside it ``NAME.prj`` with the coordinate system, if it has one.

    Parameters
    ----------
    frame, resolution : decide whether float32 resolves the grid at these coordinates. If not, PLY is written
        with double coordinates, GLB with the offset in its node's transform, STL as text.
    units : that the file is to be in, and what the mesh's coordinates are multiplied by for that

    Raises
    ------
    InputError : unknown extension, or the place cannot be written
    """
    check_output(path)
    if units.scale != 1.0:
        bars = None if mesh.uncertainty is None else (mesh.uncertainty * units.scale).astype(np.float32)
        mesh = replace(mesh, vertices=mesh.vertices * units.scale, uncertainty=bars)
        frame = Similarity(tuple(c * units.scale for c in frame.centre), frame.scale * units.scale)
    double, suffix = frame.needs_float64(2 * frame.scale / resolution), path.suffix.lower()
    content = WRITERS[suffix](mesh, frame, double) if suffix in WRITERS else _plugged(suffix, mesh)
    if units.units is not None and suffix in TITLES:
        title = TITLES[suffix]
        content = content.replace(title, title + title.replace(b"shapesiren", f"units {units.units}".encode()), 1)
    try:
        write_atomically(path, content)
        if units.crs is not None and suffix not in DEFINED and crs.parsed(units.crs):
            write_atomically(path.with_suffix(".prj"), units.crs.encode())
    except OSError as e:
        raise InputError(f"cannot write it ({e.strerror})", where=path) from None


def _plugged(suffix: str, mesh: TriangleMesh) -> bytes:
    """What a plugin makes of a mesh. Raises RunError if it fails."""
    writer = plugins.part("writer", suffix)
    assert writer is not None  # `check_output` saw it
    content = writer.call(mesh)
    if isinstance(content, str):
        return content.encode()
    if not isinstance(content, bytes):
        raise writer.error(f"it returned {type(content).__name__}, not bytes or text")
    return content


def read_mesh(path: Path) -> TriangleMesh:
    """A PLY file that `write_mesh` wrote."""
    cloud = read_cloud(path)
    if cloud.faces is None or cloud.normals is None:
        raise InputError("not a mesh that shapesiren wrote", where=path, hint="run `shapesiren mesh --force`")
    normals = cloud.normals.astype(np.float32)
    return TriangleMesh(cloud.points, cloud.faces, normals, cloud.colours, cloud.intensity, error_bars_of(path))


def error_bars_of(path: Path) -> NDArray[np.float32] | None:
    """(n,) standard deviations of the vertices of a PLY file that `write_mesh` wrote, or None where it has none."""
    from plyfile import PlyData

    vertex = PlyData.read(path, known_list_len={"face": {"vertex_indices": 3}})["vertex"]
    return np.array(vertex["uncertainty"]) if "uncertainty" in vertex.data.dtype.names else None


def _ply(mesh: TriangleMesh, frame: Similarity, double: bool) -> bytes:
    from plyfile import PlyData, PlyElement

    vertex = vertex_table(mesh.vertices, mesh.normals, mesh.colours, mesh.intensity, mesh.uncertainty, double=double)
    # plyfile writes lists row by row, 2.4 s for a million: the header is its own, the rest bytes
    one = np.zeros(1, [("vertex_indices", "<i4", (3,))])
    elements = [PlyElement.describe(vertex, "vertex"), PlyElement.describe(one, "face")]
    header = PlyData(elements, byte_order="<", comments=["shapesiren"]).header
    face = np.empty(len(mesh.faces), [("corners", "u1"), ("vertex_indices", "<i4", (3,))])
    face["corners"], face["vertex_indices"] = 3, mesh.faces
    header = header.replace("element face 1\n", f"element face {len(face)}\n")
    return header.encode() + b"\n" + vertex.tobytes() + face.tobytes()


def _trimesh(mesh: TriangleMesh, offset: np.ndarray) -> Any:
    import trimesh

    return trimesh.Trimesh(
        mesh.vertices - offset, mesh.faces, vertex_normals=mesh.normals, vertex_colors=mesh.colours, process=False
    )


def _obj(mesh: TriangleMesh, frame: Similarity, double: bool) -> bytes:
    """Text, 17 digits where float32 would not do; colours follow the coordinates, as MeshLab writes them."""
    digits = ".17g" if double else ".9g"
    rows = mesh.vertices if mesh.colours is None else np.hstack([mesh.vertices, mesh.colours / 255])
    pattern = "v " + " ".join([f"%{digits}"] * 3 + ["%.6g"] * (rows.shape[1] - 3))
    out = io.StringIO()
    out.write("# shapesiren\n")
    np.savetxt(out, rows, pattern)
    np.savetxt(out, mesh.normals, "vn %.6g %.6g %.6g")
    np.savetxt(out, np.repeat(mesh.faces + 1, 2, axis=1), "f %d//%d %d//%d %d//%d")
    return out.getvalue().encode()


def _off(mesh: TriangleMesh, frame: Similarity, double: bool) -> bytes:
    out = io.StringIO()
    out.write(f"OFF\n{len(mesh.vertices)} {len(mesh.faces)} 0\n")
    np.savetxt(out, mesh.vertices, "%.17g" if double else "%.9g")
    np.savetxt(out, mesh.faces, "3 %d %d %d")
    return out.getvalue().encode()


def _stl(mesh: TriangleMesh, frame: Similarity, double: bool) -> bytes:
    """Binary; its float32 would lose large coordinates, which are therefore written as text."""
    if not double:
        return bytes(_trimesh(mesh, np.zeros(3)).export(file_type="stl"))
    corner = mesh.vertices[mesh.faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    pattern = "facet normal %.6g %.6g %.6g\nouter loop\n" + "vertex %.17g %.17g %.17g\n" * 3 + "endloop\nendfacet"
    out = io.StringIO()
    out.write("solid shapesiren\n")
    np.savetxt(out, np.hstack([normal, corner.reshape(-1, 9)]), pattern)
    out.write("endsolid shapesiren\n")
    return out.getvalue().encode()


def _glb(mesh: TriangleMesh, frame: Similarity, double: bool) -> bytes:
    """Its float32 buffer holds coordinates round the frame's centre, which goes into the node's transform."""
    import trimesh

    offset = np.array(frame.centre) if double else np.zeros(3)
    transform = np.eye(4)
    transform[:3, 3] = offset
    scene = trimesh.Scene()
    scene.add_geometry(_trimesh(mesh, offset), node_name="mesh", transform=transform)
    return bytes(scene.export(file_type="glb"))


TITLES = {".ply": b"comment shapesiren\n", ".obj": b"# shapesiren\n"}  # lines after which the units stand
WRITERS: dict[str, Callable[[TriangleMesh, Similarity, bool], bytes]] = {
    ".ply": _ply,
    ".obj": _obj,
    ".stl": _stl,
    ".glb": _glb,
    ".3mf": threemf,
    ".off": _off,
}
