"""Files -> `PointCloud`. One function a format, registered by extension in `READERS`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud, random_rows
from . import isolated, survey

# names of a scalar per vertex that PLY and PCD files use for the strength of the echo
INTENSITY = ("intensity", "scalar_Intensity", "scalar_intensity", "reflectance", "scalar_Reflectance")

Pick = Callable[[int], NDArray[np.int64] | None]  # points in a file -> the rows to keep, None for all of them


def read_cloud(path: Path, most: int | None = None, seed: int = 0) -> PointCloud:
    """Read a point cloud or mesh; the format follows the extension.

    Of a cloud in a file that can be read in part (binary PLY, NPY) at most ``most`` random points are brought into
    memory, and a note of the cloud says so; other formats are read whole.

    Raises
    ------
    InputError : no such file, a folder, empty, unknown extension, damaged, or no points in it
    """
    if path.suffix.lower() in APART and path.is_file() and path.stat().st_size:
        survey.require(path)
        return isolated.read_apart(path, most, seed)
    return read_here(path, most, seed)


def read_here(path: Path, most: int | None, seed: int) -> PointCloud:
    """`read_cloud`, in this process whatever the format."""
    if path.is_dir():
        raise InputError("this is a folder", where=path, hint="name a scan inside it")
    if not path.exists():
        raise InputError("no such file", where=path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        what = f"unknown extension {path.suffix!r}" if path.suffix else "the file has no extension"
        raise InputError(what, where=path, hint=f"known: {' '.join(READERS)}")
    try:
        if path.stat().st_size == 0:
            raise InputError("the file is empty", where=path)
        cloud = reader(path) if most is None or reader not in IN_PART else _in_part(path, most, seed)
    except InputError:
        raise
    except PermissionError:
        raise InputError("no permission to read it", where=path) from None
    except MemoryError:
        raise InputError("it does not fit in memory", where=path) from None
    # Parsers of damaged files fail in their own ways; whatever they raise is about this file.
    except Exception as e:
        raise InputError(f"damaged, or not a {path.suffix[1:].upper()} file ({_reason(e)})", where=path) from None
    if not len(cloud.points):
        raise InputError("there are no points in it", where=path)
    return cloud


def _reason(error: Exception) -> str:
    """The first line of what a parser said, short."""
    text = str(error).split("****")[0].strip() or type(error).__name__
    if "allow_pickle" in text:  # numpy's advice to those who read objects: we do not
        return "no array in it"
    return " ".join(text.splitlines()[0].split())[:120]


def _in_part(path: Path, most: int, seed: int) -> PointCloud:
    total = 0

    def pick(count: int) -> NDArray[np.int64] | None:
        nonlocal total
        total = count
        return random_rows(count, most, seed) if count > most else None

    cloud = IN_PART[READERS[path.suffix.lower()]](path, pick)
    if total > most and cloud.faces is None:
        note = f"{total:,} points: a random {most:,} of them are read (ingest.max_points)"
        cloud = replace(cloud, notes=(*cloud.notes, note))
    return cloud


# ---- PLY ----------------------------------------------------------------------------------------------


def _read_ply(path: Path, pick: Pick = lambda count: None) -> PointCloud:
    """ASCII and binary, any scalar types, faces with any number of corners, and triangle strips."""
    from plyfile import PlyData, PlyElementParseError, PlyHeaderParseError

    try:
        try:
            ply = PlyData.read(path, known_list_len={"face": {"vertex_indices": 3}})
        except (PlyElementParseError, KeyError, ValueError):
            ply = PlyData.read(path)  # faces of other sizes, or another name of the list
    except PlyHeaderParseError as e:
        raise InputError(f"not a PLY file ({e})", where=path) from None
    except PlyElementParseError as e:
        raise InputError(f"the PLY file is truncated or damaged ({e})", where=path) from None
    elements = {e.name: e for e in ply.elements}
    if "vertex" not in elements:
        raise InputError("the PLY file has no vertex element", where=path)
    vertex = elements["vertex"].data
    names = vertex.dtype.names or ()
    missing = [n for n in "xyz" if n not in names]
    if missing:
        raise InputError(f"the PLY vertices lack {' '.join(missing)}", where=path, hint=f"they have {' '.join(names)}")
    if any(vertex.dtype[n].kind == "O" for n in "xyz"):
        raise InputError("the PLY coordinates are lists", where=path)
    meshed = any(len(elements[name].data) for name in ("face", "tristrips") if name in elements)
    rows = None if meshed else pick(len(vertex))
    if rows is not None:
        vertex = _rows(vertex, rows)
    points = _columns(vertex, ("x", "y", "z"))
    normals = _columns(vertex, ("nx", "ny", "nz")) if {"nx", "ny", "nz"} <= set(names) else None
    colours = None
    for prefix in ("", "diffuse_"):
        rgb = tuple(prefix + c for c in ("red", "green", "blue"))
        if set(rgb) <= set(names):
            colours = to_uint8(_columns(vertex, rgb), integer=vertex.dtype[rgb[0]].kind in "iu")
    triangles, notes = [], []
    if "face" in elements and len(elements["face"].data):
        faces = elements["face"].data
        lists = [n for n in ("vertex_indices", "vertex_index") if n in (faces.dtype.names or ())]
        if lists:
            triangles.append(triangulate(faces[lists[0]]))
    if "tristrips" in elements:
        strips = elements["tristrips"].data
        name = (strips.dtype.names or ("",))[0]
        triangles += [strip_triangles(np.asarray(strip)) for strip in strips[name]]
        notes.append("triangle strips unrolled")
    faces_array = np.concatenate(triangles) if triangles else None
    scalars = [n for n in INTENSITY if n in names and vertex.dtype[n].kind != "O"]
    intensity = np.asarray(vertex[scalars[0]], np.float32) if scalars else None
    return PointCloud(points, normals, colours, _checked(faces_array, len(points), path), intensity, notes=tuple(notes))


def _rows(table: NDArray[Any], rows: NDArray[np.int64], block: int = 1 << 20) -> NDArray[Any]:
    """Some rows of a table that may lie on disk, block by block and in their order: faster than one by one."""
    cuts = np.searchsorted(rows, np.arange(0, len(table), block))
    parts = [np.array(table[i * block : (i + 1) * block])[part - i * block] for i, part in enumerate(np.split(rows, cuts[1:]))]
    return np.concatenate(parts)


def _columns(table: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.float64]:
    return np.stack([np.asarray(table[n], np.float64) for n in names], 1)


def _checked(faces: NDArray[np.int64] | None, count: int, path: Path) -> NDArray[np.int64] | None:
    """Faces that exist, or None; an index outside the vertices is an error."""
    if faces is None or not len(faces):
        return None
    if faces.min() < 0 or faces.max() >= count:
        raise InputError(f"a face names vertex {int(faces.max())}, but there are {count}", where=path)
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


def to_uint8(colours: NDArray[Any], integer: bool) -> NDArray[np.uint8]:
    """Colours of any range -> uint8: integers above 255 are 16 bit, fractions up to 1 are scaled by 255."""
    top = np.nanmax(colours, initial=0)
    scale = 1.0
    if integer and top > 255:
        scale = 255 / 65535
    elif not integer and top <= 1:
        scale = 255.0
    return np.clip(np.rint(np.nan_to_num(colours) * scale), 0, 255).astype(np.uint8)


# ---- PCD ----------------------------------------------------------------------------------------------


def _read_pcd(path: Path) -> PointCloud:
    """ASCII, binary and compressed PCD, through open3d's tensor reader (which keeps float64)."""
    from ...runtime.open3d_loader import open3d

    with open(path, "rb") as f:
        header = f.read(4096).decode("ascii", "replace")
    fields = {line.split(" ", 1)[0]: line.split()[1:] for line in header.splitlines() if " " in line}
    if "FIELDS" not in fields or "POINTS" not in fields:
        raise InputError("not a PCD file: its header lacks FIELDS or POINTS", where=path)
    expected = int(fields["POINTS"][0])
    cloud = open3d().t.io.read_point_cloud(str(path))
    found = len(cloud.point.positions) if "positions" in cloud.point else 0
    if fields.get("DATA") == ["ascii"]:  # open3d fills up what a short text file lacks
        text = path.read_bytes().split(b"DATA ascii", 1)[1]
        found = min(found, sum(1 for line in text.splitlines() if line.strip()))
    if found < expected:
        raise InputError(f"the PCD file is truncated: {found:,} of {expected:,} points could be read", where=path)
    arrays = {name: cloud.point[name].numpy() for name in cloud.point}
    colours = arrays.get("colors")
    scalars = [n for n in INTENSITY if n in arrays]
    read = PointCloud(
        arrays["positions"].astype(np.float64),
        arrays["normals"].astype(np.float64) if "normals" in arrays else None,
        None if colours is None else to_uint8(colours, colours.dtype.kind in "iu"),
        intensity=arrays[scalars[0]].reshape(-1).astype(np.float32) if scalars else None,
    )
    try:
        position = np.array([float(v) for v in fields.get("VIEWPOINT", [])[:3]])
        organised = int(fields.get("HEIGHT", ["1"])[0]) > 1
    except ValueError:
        return read
    # Rows and columns mean one depth frame, and then the header's position is where the camera was.
    if organised:
        read = replace(read, depth_axis=2)
    return read.seen_from(position, sure=organised) if len(position) == 3 and np.isfinite(position).all() else read


# ---- Text -----------------------------------------------------------------------------------------------


def _read_text(path: Path) -> PointCloud:
    """XYZ, PTS, TXT: numbers in columns, separated by blanks, commas or semicolons; # and // comment.

    Columns: x y z, then by their number: 4 intensity; 6 normal (length about 1) or colour; 7 (PTS) intensity
    and colour; 9 normal and colour, in either order. A PTS file's leading count is skipped.
    """
    text = path.read_bytes()
    if b"\0" in text[:4096]:
        raise InputError("this is a binary file, not text", where=path)
    lines = text.decode("utf-8", "replace").translate({44: " ", 59: " "}).splitlines()
    rows = [(i, s) for i, line in enumerate(lines, 1) if (s := line.split("//")[0].split("#")[0].strip())]
    if rows and len(rows[0][1].split()) == 1 and rows[0][1].isdigit():
        rows = rows[1:]  # a PTS file begins with its number of points
    elif rows and not _is_number(rows[0][1].split()[0]):
        rows = rows[1:]  # column names
    if not rows:
        raise InputError("there are no points in it", where=path)
    width = len(rows[0][1].split())
    try:
        table = np.loadtxt(io.StringIO("\n".join(s for _, s in rows)), np.float64, ndmin=2)
    except ValueError:
        for number, s in rows:  # find the line to name
            cells = s.split()
            if len(cells) != width:
                raise InputError(f"line {number} has {len(cells)} columns, not {width}", where=path) from None
            bad = next((c for c in cells if not _is_number(c)), None)
            if bad is not None:
                raise InputError(f"line {number}: {bad[:40]!r} is not a number", where=path) from None
        raise
    return from_table(table, path)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def from_table(table: NDArray[Any], where: object) -> PointCloud:
    """(n, k) columns -> cloud; see `_read_text` for their meaning."""
    if table.ndim != 2 or table.shape[1] < 3:
        raise InputError(f"an array of shape {table.shape} holds no points", where=where, hint="expected n x 3 or n x 6")
    if table.dtype.kind not in "fiu":
        raise InputError(f"an array of {table.dtype} holds no points", where=where)
    table = table.astype(np.float64)
    points, rest = table[:, :3], table[:, 3:]
    if rest.shape[1] in (4, 5):
        rest = rest[:, 1:4]  # x y z intensity r g b [a]
    intensity = table[:, 3].astype(np.float32) if table.shape[1] in (4, 7, 8) else None
    triples = [rest[:, i : i + 3] for i in range(0, rest.shape[1] - 2, 3)]
    normals = colours = None
    for triple in triples:
        if normals is None and _looks_like_normals(triple):
            normals = triple
        elif colours is None:
            colours = to_uint8(triple, integer=bool((triple == np.rint(triple)).all()))
    return PointCloud(points, normals, colours, intensity=intensity)


def _looks_like_normals(triple: NDArray[np.float64]) -> bool:
    """Signed values or lengths about 1; all-zero columns count too, so that they are reported as such."""
    length = np.linalg.norm(triple[np.isfinite(triple).all(1)], axis=1)
    if not len(length) or length.max(initial=0) == 0:
        return True
    return bool((triple < 0).any()) or bool(np.mean(np.abs(length[length > 0] - 1) < 0.05) > 0.9)


# ---- Arrays ---------------------------------------------------------------------------------------------


def _read_npy(path: Path, pick: Pick = lambda count: None) -> PointCloud:
    table = np.load(path, mmap_mode="r", allow_pickle=False)
    rows = pick(len(table)) if table.ndim == 2 else None
    return from_table(np.array(table) if rows is None else _rows(table, rows), path)


def _read_npz(path: Path) -> PointCloud:
    """``points`` with ``normals`` and ``colors``/``colours`` if there are, or one n x 3 / n x 6 array."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except zipfile.BadZipFile as e:
        raise InputError(f"the NPZ file is truncated or damaged ({e})", where=path) from None
    names = {name.lower(): name for name in arrays}
    key = next((names[n] for n in ("points", "positions", "vertices", "xyz") if n in names), None)
    if key is None:
        if len(arrays) != 1:
            raise InputError(f"no array named points in it (found: {', '.join(arrays) or 'none'})", where=path)
        return from_table(next(iter(arrays.values())), path)
    cloud = from_table(arrays[key][:, :6] if arrays[key].ndim == 2 else arrays[key], path)
    extra: dict[str, Any] = {"normals": cloud.normals, "colours": cloud.colours}
    for name, wanted in (("normals", "normals"), ("colors", "colours"), ("colours", "colours"), ("rgb", "colours")):
        if name in names:
            value = arrays[names[name]]
            if value.ndim != 2 or value.shape[0] != len(cloud.points) or value.shape[1] < 3:
                raise InputError(f"{name} has shape {value.shape}, points {cloud.points.shape}", where=path)
            value = value[:, :3]
            extra[wanted] = to_uint8(value, value.dtype.kind in "iu") if wanted == "colours" else value.astype(float)
    faces = next((arrays[names[n]] for n in ("faces", "triangles") if n in names), None)
    faces = _checked(None if faces is None else triangulate(faces), len(cloud.points), path)
    intensity = arrays.get(names.get("intensity", ""))
    if intensity is not None and intensity.shape != (len(cloud.points),):
        raise InputError(f"intensity has shape {intensity.shape}, not ({len(cloud.points)},)", where=path)
    return PointCloud(
        cloud.points,
        extra["normals"],
        extra["colours"],
        faces,
        None if intensity is None else intensity.astype(np.float32),
    )


# ---- Meshes -----------------------------------------------------------------------------------------------


def _read_mesh(path: Path) -> PointCloud:
    """OBJ, STL, OFF, GLB through trimesh; a file without faces is a point cloud."""
    import trimesh

    scene = trimesh.load_scene(str(path), process=False)
    points, faces, colours, shift = [], [], [], 0
    for node in scene.graph.nodes_geometry:
        matrix, name = scene.graph[node]
        part = scene.geometry[name]
        vertices = getattr(part, "vertices", None)
        if vertices is None or not len(vertices):
            continue
        points.append(trimesh.transform_points(np.asarray(vertices, np.float64), matrix))
        if isinstance(part, trimesh.Trimesh):
            faces.append(np.asarray(part.faces, np.int64) + shift)
            colours.append(_vertex_colours(part.visual, len(vertices)))
        else:
            own = getattr(part, "colors", None)
            colours.append(own[:, :3] if own is not None and len(own) == len(vertices) else None)
        shift += len(vertices)
    if not points:
        raise InputError("there are no points in it", where=path)
    all_colours = None if any(c is None for c in colours) else np.concatenate([c for c in colours if c is not None])
    all_faces = np.concatenate(faces) if faces else None
    every = np.concatenate(points)
    return PointCloud(every, None, all_colours, _checked(all_faces, len(every), path))


def _vertex_colours(visual: Any, count: int) -> NDArray[np.uint8] | None:
    if not getattr(visual, "defined", False):
        return None
    if visual.kind == "texture":
        visual = visual.to_color()
    own = visual.vertex_colors
    return np.asarray(own)[:, :3].astype(np.uint8) if len(own) == count else None


READERS: dict[str, Callable[[Path], PointCloud]] = {
    ".ply": _read_ply,
    ".pcd": _read_pcd,
    ".xyz": _read_text,
    ".pts": _read_text,
    ".txt": _read_text,
    ".obj": _read_mesh,
    ".stl": _read_mesh,
    ".off": _read_mesh,
    ".glb": _read_mesh,
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".las": survey.read_las,
    ".laz": survey.read_las,
    ".e57": survey.read_e57,
}
APART = (".laz",)  # whose parser aborts on some damaged files
# those that can leave out rows while they read
IN_PART: dict[Callable[[Path], PointCloud], Callable[[Path, Pick], PointCloud]] = {
    _read_ply: _read_ply,
    _read_npy: _read_npy,
    survey.read_las: survey.read_las,
    survey.read_e57: survey.read_e57,
}
