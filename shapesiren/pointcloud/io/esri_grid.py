"""ESRI's ASCII grid: heights of a terrain in rows, from the north, as geographic information systems write them (``.asc``)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..cloud import PointCloud

KEYS = re.compile(
    r"\s*(ncols|nrows|xllcorner|yllcorner|xllcenter|yllcenter|cellsize|dx|dy|nodata_value)\s+(\S+)\s*", re.IGNORECASE
)
NO_DATA = -9999.0  # where the file names none


def is_grid(content: bytes) -> bool:
    """Whether a text is such a grid, and no table of points."""
    return content[:64].lstrip().lower().startswith((b"ncols", b"nrows"))


def read_grid(content: bytes, where: Path) -> PointCloud:
    """The centres of its cells, (n, 3); cells without data are left out.

    Raises
    ------
    InputError : a number is missing or is none; it has other cells than it announces
    """
    lines = content.decode("ascii", "replace").splitlines()
    head: dict[str, float] = {}
    for line in lines:
        found = KEYS.fullmatch(line)
        if found is None:
            break
        try:
            head[found[1].lower()] = float(found[2].replace(",", "."))
        except ValueError:
            raise InputError(f"{found[1]} is {found[2][:40]!r}", where=where) from None
    step = np.array([head.get("dx", head.get("cellsize", 0.0)), head.get("dy", head.get("cellsize", 0.0))])
    columns, rows = head.get("ncols", 0.0), head.get("nrows", 0.0)
    if not (columns >= 1 and rows >= 1 and columns == int(columns) and rows == int(rows) and (step > 0).all()):
        raise InputError("a grid without ncols, nrows or cellsize", where=where)
    corner = np.array([head.get("xllcorner", np.nan), head.get("yllcorner", np.nan)]) + step / 2
    first = np.where(np.isnan(corner), [head.get("xllcenter", 0.0), head.get("yllcenter", 0.0)], corner)
    try:
        heights = np.array(" ".join(lines[len(head) :]).split(), np.float64)
    except ValueError as e:
        raise InputError(f"its cells are no numbers ({e})", where=where) from None
    if len(heights) != columns * rows:
        raise InputError(f"it announces {int(columns):,} x {int(rows):,} cells and holds {len(heights):,}", where=where)
    heights = heights.reshape(int(rows), int(columns))[::-1]  # the first row is the northern one
    held = np.isfinite(heights) & (heights != head.get("nodata_value", NO_DATA))
    row, column = np.nonzero(held)
    points = np.column_stack([first[0] + step[0] * column, first[1] + step[1] * row, heights[held]])
    return PointCloud(points, notes=(f"a grid of {int(columns):,} x {int(rows):,} heights, {len(points):,} of them known",))
