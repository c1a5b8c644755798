"""Rows of cells -> numbers, whatever a program writes for a number that is none; and which line is no row."""

from __future__ import annotations

import io
import re

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError

# C's, those of Microsoft's runtime, of databases and of spreadsheets
NO_NUMBER = r"[-+]?(?:\d\.#\w+|nan(?:\([^)]*\)|ind)?|inf(?:inity)?|null|none|n/?a|<na>|#n/?a|-{1,3}|\?)"
IS_NO_NUMBER = re.compile(NO_NUMBER, re.IGNORECASE)
FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[-+]?\d)")  # 1.5D+03

Lines = list[tuple[int, str]]  # with their numbers


def numbers(lines: Lines, separator: str | None, where: object) -> NDArray[np.float64]:
    """Rows of cells -> (n, k), NaN where a cell is empty or says that it holds no number.

    ``separator`` is None for blanks. Raises InputError about a row that has another number of cells than the first, or a word.
    """
    text = "\n".join(line for _, line in lines)
    try:
        return _load(text, separator)
    except ValueError:
        pass
    edge = re.escape(separator) if separator else r"\s"
    begin, end = (rf"(?:(?<=^)|(?<={edge}))[ ]*", rf"[ ]*(?=$|{edge})")
    empty = "?" if separator else ""
    text = re.sub(f"{begin}(?:{NO_NUMBER}){empty}{end}", "nan", FORTRAN.sub("e", text), flags=re.IGNORECASE | re.MULTILINE)
    try:
        return _load(text, separator)
    except ValueError as e:
        _name_bad_line(lines, separator, where)
        raise InputError(f"its rows are no table of numbers ({e})", where=where) from None


def _load(text: str, separator: str | None) -> NDArray[np.float64]:
    return np.loadtxt(io.StringIO(text), np.float64, comments=None, delimiter=separator, ndmin=2)


def _name_bad_line(lines: Lines, separator: str | None, where: object) -> None:
    """Raise InputError about the first line that is no row of the table."""
    width = len(split(lines[0][1], separator))
    for number, line in lines:
        cells = split(line, separator)
        if len(cells) != width:
            raise InputError(f"line {number} has {len(cells)} columns, not {width}", where=where) from None
        bad = next((c for c in cells if not is_number(c) and not (IS_NO_NUMBER.fullmatch(c) or not c)), None)
        if bad is not None:
            raise InputError(f"line {number}: {bad[:40]!r} is not a number", where=where) from None


def is_number(text: str) -> bool:
    try:
        float(FORTRAN.sub("e", text))
    except ValueError:
        return False
    return True


def split(line: str, separator: str | None) -> list[str]:
    """The cells of a line."""
    return [cell.strip() for cell in line.split(separator)]
