"""Arrays: in memory, in NPY and NPZ files, and tables whose columns have no names."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ..cloud import PointCloud
from .attributes import to_uint8
from .mesh import checked_faces, triangulate
from .partial import ChooseRows, take_rows


def cloud_from_arrays(points: ArrayLike, normals: ArrayLike | None = None, colours: ArrayLike | None = None) -> PointCloud:
    """Arrays in memory -> cloud.

    Parameters
    ----------
    points : (n, 3), or (n, k) with columns as in `from_table`
    normals : (n, 3), of any length
    colours : (n, 3), of any range (`attributes.to_uint8`)

    Raises
    ------
    InputError : their shapes are others
    """
    cloud = from_table(np.asarray(points), "points")
    for name, value in (("normals", normals), ("colours", colours)):
        if value is not None and np.shape(value) != cloud.points.shape:
            raise InputError(f"shape {np.shape(value)} does not match points {cloud.points.shape}", where=name)
    if normals is not None:
        cloud = replace(cloud, normals=np.asarray(normals, np.float64))
    if colours is not None:
        cloud = replace(cloud, colours=to_uint8(np.asarray(colours)))
    return cloud


def read_npy(path: Path, choose: ChooseRows) -> PointCloud:
    """One array (n, k); see `from_table` for its columns."""
    table = np.load(path, mmap_mode="r", allow_pickle=False)
    rows = choose(len(table)) if table.ndim == 2 else None
    return from_table(np.array(table) if rows is None else take_rows(table, rows), path)


def read_npz(path: Path) -> PointCloud:
    """``points`` with ``normals``, ``colors``, ``faces`` and ``intensity`` if there are, or one array as in `read_npy`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except zipfile.BadZipFile as e:
        raise InputError(f"the NPZ file is truncated or damaged ({e})", where=path) from None
    by_name = {name.lower(): array for name, array in arrays.items()}
    table = _first(by_name, "points", "positions", "vertices", "xyz")
    if table is None:
        if len(arrays) != 1:
            raise InputError(f"no array named points in it (found: {', '.join(arrays) or 'none'})", where=path)
        return from_table(next(iter(arrays.values())), path)
    cloud = from_table(table[:, :6] if table.ndim == 2 else table, path)
    count = len(cloud.points)
    normals, colours = cloud.normals, cloud.colours
    for name in ("normals", "colors", "colours", "rgb"):
        if name in by_name:
            value = by_name[name]
            if value.ndim != 2 or value.shape[0] != count or value.shape[1] < 3:
                raise InputError(f"{name} has shape {value.shape}, points {cloud.points.shape}", where=path)
            if name == "normals":
                normals = value[:, :3].astype(float)
            else:
                colours = to_uint8(value[:, :3])
    polygons = _first(by_name, "faces", "triangles")
    faces = checked_faces(None if polygons is None else triangulate(polygons), count, path)
    intensity = by_name.get("intensity")
    if intensity is not None and intensity.shape != (count,):
        raise InputError(f"intensity has shape {intensity.shape}, not ({count},)", where=path)
    return PointCloud(cloud.points, normals, colours, faces, None if intensity is None else intensity.astype(np.float32))


def _first(arrays: dict[str, NDArray[Any]], *names: str) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def from_table(table: NDArray[Any], where: object) -> PointCloud:
    """Columns without names -> cloud.

    Parameters
    ----------
    table : (n, k), columns x y z, then by their number: 4 intensity; 6 normal (length about 1, or signed) or colour; 7
        intensity and colour, as in PTS files; 8 the same and opacity; 9 normal and colour, in either order
    where : what an error calls it

    Raises
    ------
    InputError : its shape or its type is none of points
    """
    if table.ndim != 2 or table.shape[1] < 3:
        raise InputError(f"an array of shape {table.shape} holds no points", where=where, hint="expected n x 3 or n x 6")
    if table.dtype.kind not in "fiu":
        raise InputError(f"an array of {table.dtype} holds no points", where=where)
    table = table.astype(np.float64)
    points, rest = table[:, :3], table[:, 3:]
    if rest.shape[1] in (4, 5):
        rest = rest[:, 1:4]  # x y z intensity r g b [a]
    intensity = table[:, 3].astype(np.float32) if table.shape[1] in (4, 7, 8) else None
    normals = colours = None
    for i in range(0, rest.shape[1] - 2, 3):
        triple = rest[:, i : i + 3]
        if normals is None and _looks_like_normals(triple):
            normals = triple
        elif colours is None:
            colours = to_uint8(triple, integer=bool((triple == np.rint(triple)).all()))
    return PointCloud(points, normals, colours, intensity=intensity)


def _looks_like_normals(triple: NDArray[np.float64]) -> bool:
    """Signed values or lengths about 1, (n, 3); all-zero columns count too, so that they are reported as such."""
    length = np.linalg.norm(triple[np.isfinite(triple).all(1)], axis=1)
    if not len(length) or length.max(initial=0) == 0:
        return True
    return bool((triple < 0).any()) or bool(np.mean(np.abs(length[length > 0] - 1) < 0.05) > 0.9)
