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
from . import glb
from .mesh import Texture, TriangleMesh
from .printing.threemf import require_lib3mf, threemf
from .written_units import DEFINED, UNKNOWN, WrittenUnits


def check_output(path: Path) -> None:
    """Raise InputError now if `write_mesh` could not write ``path`` later."""
    added = plugins.part("writer", path.suffix.lower())
    if added is not None and path.suffix.lower() in WRITERS:
        raise InputError(f"{added.title}: shapesiren writes it itself", hint="give your format another extension")
    if path.suffix.lower() not in WRITERS and added is None and path.name.lower() not in IN_TILES:
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


def check_size(path: Path, vertices: int, faces: int) -> None:
    """Raise InputError if a mesh is more than the format of ``path`` can hold: its numbers have 32 bits."""
    suffix = path.suffix.lower()
    hint = "--faces N makes it coarser, --box takes a part"
    if suffix == ".glb":
        glb.check_size(vertices, faces, path)
    elif suffix == ".ply" and vertices > MOST_INDEX:
        raise InputError(f"{vertices:,} vertices are more than PLY can number (2^31)", where=path, hint=hint)
    elif suffix == ".stl" and faces > MOST_FACES:
        raise InputError(f"{faces:,} faces are more than STL can count (2^32)", where=path, hint=hint)


def write_mesh(path: Path, mesh: TriangleMesh, frame: Similarity, resolution: int, units: WrittenUnits = UNKNOWN) -> None:
    """Write atomically, in the format of the extension; beside it ``NAME.prj`` with the coordinate system, if it has one.

    A texture goes into GLB, and beside OBJ (`companions`). It stands in place of the colours of vertices, which viewers would
    multiply it by; other formats keep these.

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
    check_size(path, len(mesh.vertices), len(mesh.faces))
    if units.scale != 1.0:
        bars = None if mesh.uncertainty is None else (mesh.uncertainty * units.scale).astype(np.float32)
        mesh = replace(mesh, vertices=mesh.vertices * units.scale, uncertainty=bars)
        frame = Similarity(tuple(c * units.scale for c in frame.centre), frame.scale * units.scale)
    double, suffix = frame.needs_float64(2 * frame.scale / resolution), path.suffix.lower()
    content = WRITERS[suffix](mesh, frame, double) if suffix in WRITERS else _plugged(suffix, mesh)
    beside: list[tuple[Path, bytes]] = []
    if mesh.texture is not None and suffix == ".obj":
        material, picture = companions(path)
        content = content.replace(b"\n", f"\nmtllib {material.name}\n".encode(), 1)
        beside = [(picture, _png(mesh.texture)), (material, MATERIAL.format(picture.name).encode())]
    if units.units is not None and suffix in TITLES:
        title = TITLES[suffix]
        content = content.replace(title, title + title.replace(b"shapesiren", f"units {units.units}".encode()), 1)
    try:
        for other, other_content in beside:
            write_atomically(other, other_content)
        write_atomically(path, content)
        if units.crs is not None and suffix not in DEFINED and crs.parsed(units.crs):
            write_atomically(path.with_suffix(".prj"), units.crs.encode())
        elif units.left is not None:
            _remove_system(path.with_suffix(".prj"), units.left)
    except OSError as e:
        raise InputError(f"cannot write it ({e.strerror})", where=path) from None


def _remove_system(path: Path, crs: str) -> None:
    """Remove the coordinate system that an earlier file of this name left, which would be taken for that of this one."""
    if path.is_file() and path.read_bytes() == crs.encode():
        path.unlink()


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
    bars, invented = error_bars_of(path), _column(path, "invented")
    return TriangleMesh(cloud.points, cloud.faces, normals, cloud.colours, cloud.intensity, bars, invented=invented)


def error_bars_of(path: Path) -> NDArray[np.float32] | None:
    """(n,) standard deviations of the vertices of a PLY file that `write_mesh` wrote, or None where it has none."""
    return _column(path, "uncertainty")


def _column(path: Path, name: str) -> NDArray[Any] | None:
    """What the vertices of a PLY file have by this name, (n,), or None."""
    from plyfile import PlyData

    vertex = PlyData.read(path, known_list_len={"face": {"vertex_indices": 3}})["vertex"]
    return np.array(vertex[name]) if name in vertex.data.dtype.names else None


def _ply(mesh: TriangleMesh, frame: Similarity, double: bool) -> bytes:
    from plyfile import PlyData, PlyElement

    vertex = vertex_table(
        mesh.vertices, mesh.normals, mesh.colours, mesh.intensity, mesh.uncertainty, mesh.invented, double=double
    )
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
    digits, texture = ".17g" if double else ".9g", mesh.texture
    colours = mesh.colours if texture is None else None
    rows = mesh.vertices if colours is None else np.hstack([mesh.vertices, colours / 255])
    pattern = "v " + " ".join([f"%{digits}"] * 3 + ["%.6g"] * (rows.shape[1] - 3))
    out = io.StringIO()
    out.write("# shapesiren\n")
    np.savetxt(out, rows, pattern)
    np.savetxt(out, mesh.normals, "vn %.6g %.6g %.6g")
    if texture is None:
        np.savetxt(out, np.repeat(mesh.faces + 1, 2, axis=1), "f %d//%d %d//%d %d//%d")
    else:
        np.savetxt(out, texture.uv, "vt %.8f %.8f")
        out.write("usemtl texture\n")
        corners = np.stack([mesh.faces, texture.faces, mesh.faces], 2).reshape(-1, 9) + 1
        np.savetxt(out, corners, "f %d/%d/%d %d/%d/%d %d/%d/%d")
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
    body = _trimesh(mesh, offset) if mesh.texture is None else _textured(mesh, mesh.texture, offset)
    scene.add_geometry(body, node_name="mesh", transform=transform)
    return bytes(scene.export(file_type="glb"))


def _textured(mesh: TriangleMesh, texture: Texture, offset: NDArray[np.float64]) -> Any:
    """glTF has one place in the picture per vertex: the mesh is cut where the picture is."""
    import trimesh
    from PIL import Image
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    picture = Image.open(io.BytesIO(_png(texture)))  # of a format, which trimesh keeps
    material = PBRMaterial(name="texture", baseColorTexture=picture, metallicFactor=0.0, roughnessFactor=1.0, doubleSided=True)
    return trimesh.Trimesh(
        mesh.vertices[texture.vertex] - offset,
        texture.faces,
        vertex_normals=mesh.normals[texture.vertex],
        visual=TextureVisuals(uv=texture.uv, material=material),
        process=False,
    )


def companions(path: Path) -> tuple[Path, Path]:
    """The material and the picture that lie beside an OBJ file with a texture; without spaces, at which many programs stop."""
    stem = "_".join(path.stem.split())
    return path.with_name(f"{stem}.mtl"), path.with_name(f"{stem}_texture.png")


def _png(texture: Texture) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(texture.image).save(out, "png")
    return out.getvalue()


MATERIAL = "# shapesiren\nnewmtl texture\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {}\n"
TILESET, TILES = "tileset.json", "tiles.json"  # names of files for the mesh of a large run in parts: 3D Tiles, PLY files
MOST_INDEX, MOST_FACES = 2**31 - 1, 2**32 - 1  # of a vertex, in PLY's int; of faces, in STL
IN_TILES = (TILESET, TILES)
TEXTURED = (".glb", ".obj")  # formats that hold a texture
TITLES = {".ply": b"comment shapesiren\n", ".obj": b"# shapesiren\n"}  # lines after which the units stand
WRITERS: dict[str, Callable[[TriangleMesh, Similarity, bool], bytes]] = {
    ".ply": _ply,
    ".obj": _obj,
    ".stl": _stl,
    ".glb": _glb,
    ".3mf": threemf,
    ".off": _off,
}
