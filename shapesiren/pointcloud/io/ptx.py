"""PTX, the exchange format of Leica's terrestrial scanners: scans one after the other, each with where it was made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud
from .colours import to_uint8
from .columns import finite_intensity
from .numbers import numbers
from .partial import ChooseRows

HEAD = 10  # lines of a scan before its points: columns, rows, scanner, three axes, a matrix of four rows
MIN_WIDTH, MAX_WIDTH = 3, 7  # x y z, intensity, r g b


def read_ptx(path: Path, choose: ChooseRows) -> PointCloud:
    """All scans in the common frame, each point with the position of the scanner that measured it; what returned nothing, which
    stands as 0 0 0, is left out.

    A scan begins with its numbers of columns and rows; the scanner's position and axes; and the matrix, of row vectors, that
    takes its points to the common frame. As exported, the former are the latter's rows, which are what is used.

    Raises
    ------
    InputError : a line that is not what the format has there; truncated
    """
    lines = path.read_text("utf-8", "replace").splitlines()
    parts: list[NDArray[np.float64]] = []
    sensors: list[NDArray[np.float64]] = []
    start = empty = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        if len(lines) < start + HEAD:
            raise InputError("the file is truncated in the head of a scan", where=path)
        count = _count(lines[start], start, path) * _count(lines[start + 1], start + 1, path)
        first = start + HEAD
        if len(lines) < first + count:
            raise InputError(f"the file is truncated: {len(lines) - first:,} of {count:,} points of a scan", where=path)
        matrix = _rows(lines, start + 6, 4, 4, path)
        sensors.append(matrix[3, :3])
        if count:
            table = _rows(lines, first, count, None, path)
            seen = np.isfinite(table[:, :3]).all(1) & (table[:, :3] != 0).any(1)
            empty += int((~seen).sum())
            table = table[seen]
            table[:, :3] = table[:, :3] @ matrix[:3, :3] + matrix[3, :3]
            parts.append(np.column_stack([table, np.full(len(table), len(sensors) - 1)]))
        start = first + count
    if not any(len(part) for part in parts):
        raise InputError("there are no points in it", where=path)
    width = min(part.shape[1] for part in parts) - 1  # what all of them have
    table = np.concatenate([np.column_stack([part[:, :width], part[:, -1]]) for part in parts if len(part)])
    counts = np.bincount(table[:, -1].astype(np.int64), minlength=len(sensors))
    held = {f"scan {i}": int(n) for i, n in enumerate(counts)}
    rows = choose(len(table))
    table = table if rows is None else table[rows]
    intensity, notes = (None, ()) if width < 4 else finite_intensity(table[:, 3])
    gone = (f"{empty:,} directions from which nothing returned are left out",) if empty else ()
    return PointCloud(
        table[:, :3].copy(),
        colours=to_uint8(table[:, 4:7]) if width == MAX_WIDTH else None,
        intensity=intensity,
        sensors=np.stack(sensors),
        sensor=table[:, -1].astype(np.int32),
        scan=table[:, -1].astype(np.int32),
        tallies={"scans": held},
        notes=(f"{len(sensors)} scans in it, each with the scanner's position", *gone, *notes),
    )


def _count(line: str, index: int, where: Path) -> int:
    word = line.strip()
    if not (word.isascii() and word.isdigit() and len(word) < 10):
        raise InputError(f"line {index + 1}: {word[:40]!r} is no number of a scan's columns or rows", where=where)
    return int(word)


def _rows(lines: list[str], start: int, count: int, width: int | None, where: Path) -> NDArray[np.float64]:
    """``count`` lines of as many numbers each, ``width`` of them; or as many as a point may have."""
    rows = [(start + i + 1, line.strip()) for i, line in enumerate(lines[start : start + count])]
    table = numbers(rows, None, where)
    if len(table) != count or not (table.shape[1] == width if width else MIN_WIDTH <= table.shape[1] <= MAX_WIDTH):
        raise InputError(f"line {start + 1} has {table.shape[1]} numbers", where=where)
    if width and not np.isfinite(table).all():
        number, line = rows[int(np.argmin(np.isfinite(table).all(1)))]
        raise InputError(f"line {number}: {line[:40]!r} is no row of a matrix", where=where)
    return table
