"""Text: XYZ, PTS, TXT, numbers in columns."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..cloud import PointCloud
from .arrays import from_table

SEPARATORS = str.maketrans(",;", "  ")  # beside blanks


def read_text(path: Path) -> PointCloud:
    """A point a line; # and // begin a comment. See `arrays.from_table` for the columns.

    A first line of words, and the number of points that a PTS file begins with, are skipped.
    """
    content = path.read_bytes()
    if b"\0" in content[:4096]:
        raise InputError("this is a binary file, not text", where=path)
    lines = content.decode("utf-8", "replace").translate(SEPARATORS).splitlines()
    rows = [(i, s) for i, line in enumerate(lines, 1) if (s := line.split("//")[0].split("#")[0].strip())]
    if rows and len(rows[0][1].split()) == 1 and rows[0][1].isdigit():
        rows = rows[1:]  # a PTS file's number of points
    elif rows and not _is_number(rows[0][1].split()[0]):
        rows = rows[1:]  # column names
    if not rows:
        raise InputError("there are no points in it", where=path)
    try:
        table = np.loadtxt(io.StringIO("\n".join(s for _, s in rows)), np.float64, ndmin=2)
    except ValueError:
        _name_bad_line(rows, path)
        raise
    return from_table(table, path)


def _name_bad_line(rows: list[tuple[int, str]], path: Path) -> None:
    """Raise InputError about the first line, of (number, text) each, that is no row of the table."""
    width = len(rows[0][1].split())
    for number, line in rows:
        cells = line.split()
        if len(cells) != width:
            raise InputError(f"line {number} has {len(cells)} columns, not {width}", where=path) from None
        bad = next((c for c in cells if not _is_number(c)), None)
        if bad is not None:
            raise InputError(f"line {number}: {bad[:40]!r} is not a number", where=path) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
