"""Arrays: in memory, in NPY and NPZ files, and tables of numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ..cloud import PointCloud
from .by_value import are_obvious, names_by_value
from .colours import to_uint8
from .columns import ARRAYS, Columns, cloud_of, find, finite_intensity, is_geographic, match, name_by_hand, plain
from .degrees import refusal
from .mesh import checked_faces, triangulate
from .partial import ChooseRows, take_rows


def cloud_from_arrays(points: ArrayLike, normals: ArrayLike | None = None, colours: ArrayLike | None = None) -> PointCloud:
    """Arrays in memory -> cloud.

    Parameters
    ----------
    points : (n, 3), or (n, k) with columns as in `from_table`
    normals : (n, 3), of any length
    colours : (n, 3), of any range (`colours.to_uint8`)

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


def read_npy(path: Path, choose: ChooseRows, words: tuple[str, ...]) -> PointCloud:
    """One array (n, k), see `from_table` for its columns; or one whose type names its fields."""
    table = np.load(path, mmap_mode="r", allow_pickle=False)
    rows = choose(len(table)) if table.ndim == (1 if table.dtype.names else 2) else None
    return _of_array(np.array(table) if rows is None else take_rows(table, rows), path, words)


def read_npz(path: Path, choose: ChooseRows, words: tuple[str, ...]) -> PointCloud:
    """``points`` with ``normals``, ``colors``, ``faces`` and ``intensity`` if there are, by any of their names; or an array for
    each column, or one array as in `read_npy`. It is read whole."""
    with np.load(path, allow_pickle=False) as file:
        names = {plain(name): name for name in reversed(file.files)}
        found = {kind: names[own] for kind, among in ARRAYS.items() if (own := next((n for n in among if n in names), ""))}
        columns = find(file.files)
        if "points" in found:
            return _of_arrays({kind: file[name] for kind, name in found.items()}, path, words)
        if "points" in columns.used:
            return _of_columns(columns, {i: file[columns.names[i]] for group in columns.used.values() for i in group}, path)
        if is_geographic(file.files):
            raise refusal(path)
        if len(file.files) != 1:
            raise InputError(f"no array named points in it (found: {', '.join(file.files)[:200] or 'none'})", where=path)
        return _of_array(file[file.files[0]], path, words)


def _of_arrays(arrays: dict[str, NDArray[Any]], path: Path, words: tuple[str, ...]) -> PointCloud:
    """Arrays by what they are, see `columns.ARRAYS`."""
    table = arrays["points"]
    cloud = from_table(table if words or table.ndim != 2 else table[:, :6], path, words)
    count = len(cloud.points)
    normals, colours, intensity, notes = cloud.normals, cloud.colours, cloud.intensity, cloud.notes
    for kind in ("normals", "colours"):
        value = arrays.get(kind)
        if value is None:
            continue
        if value.ndim != 2 or value.shape[0] != count or value.shape[1] < 3:
            raise InputError(f"{kind} has shape {value.shape}, points {cloud.points.shape}", where=path)
        if kind == "normals":
            normals = value[:, :3].astype(float)
        else:
            colours = to_uint8(value[:, :3])
    faces = checked_faces(triangulate(arrays["faces"]) if "faces" in arrays else None, count, path)
    if "intensity" in arrays:
        if arrays["intensity"].size != count:
            raise InputError(f"intensity has shape {arrays['intensity'].shape}, not ({count},)", where=path)
        intensity, said = finite_intensity(arrays["intensity"].reshape(-1))
        notes += said
    return PointCloud(cloud.points, normals, colours, faces, intensity, notes=notes)


def _of_columns(columns: Columns, arrays: dict[int, NDArray[Any]], path: Path) -> PointCloud:
    """An array (n,) for each column that is used."""
    if len({array.shape for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{columns.names[i]} {array.shape}" for i, array in arrays.items())
        raise InputError(f"its columns have different shapes: {shapes}", where=path)
    return cloud_of(columns, lambda i: arrays[i].reshape(-1), columns.notes())


def _of_array(table: NDArray[Any], where: object, words: tuple[str, ...]) -> PointCloud:
    """Columns of numbers, or fields of a structured array (n,)."""
    names = table.dtype.names
    if names is None:
        return from_table(table, where, words)
    columns = name_by_hand(words, len(names), names, where) if words else match(names, where, "fields of the array")
    return cloud_of(columns, lambda i: table[names[i]].reshape(-1), () if words else columns.notes())


def from_table(table: NDArray[Any], where: object, words: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> PointCloud:
    """Columns -> cloud.

    Parameters
    ----------
    table : (n, k)
    where : what an error calls it
    words : names that the user gives its columns
    names : that the file gives them; without either they are told by what is in them, see `by_value`, and a note says how,
        unless it is obvious

    Raises
    ------
    InputError : its shape or its type is none of points; the names fit no points
    """
    if table.dtype.kind not in "fiu":
        raise InputError(f"an array of {table.dtype} holds no points", where=where)
    notes: tuple[str, ...] = ()
    if words and table.ndim == 2:
        columns = name_by_hand(words, table.shape[1], names, where)
    elif table.ndim != 2 or table.shape[1] < 3:
        raise InputError(f"an array of shape {table.shape} holds no points", where=where, hint="expected n x 3 or n x 6")
    elif names:
        columns = match(names, where, "columns")
        notes = columns.notes()
    else:
        table = table.astype(np.float64)
        told = names_by_value(table)
        columns = find(told)
        if not are_obvious(table, told):
            notes = (f"{columns.line()} (told by their values; --columns names them)",)
    return cloud_of(columns, lambda i: table[:, i], notes)
