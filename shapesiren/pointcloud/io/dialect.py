"""The dialects of tables in text: encoding, separators, decimal commas, quotes, comments, headers, counts, and cells without a
number. What is left is a header, if there is one, and numbers."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from .by_value import counts
from .columns import find, is_geographic

ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # by their marks
ANY_SEPARATOR = re.compile(r"[\s,;|]+")
SAMPLE = 50  # lines that a dialect is told by
COMMENT = re.compile(r"(?:^|(?<=\s))(?:#(?!N/?A\b)|//|%)")  # not within a word: -1.#IND is a number that is none
# what programs write for a number that is none: C's, those of Microsoft's runtime, of databases and of spreadsheets
NO_NUMBER = r"[-+]?(?:\d\.#\w+|nan(?:\([^)]*\)|ind)?|inf(?:inity)?|null|none|n/?a|<na>|#n/?a|-{1,3}|\?)"
IS_NO_NUMBER = re.compile(NO_NUMBER, re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[-+]?\d+(?:,\d+)?(?:[eE][-+]?\d+)?")
QUOTED = re.compile(r'"([^"\n]*)"')
FORTRAN = re.compile(r"(?<=[\d.])[dD](?=[-+]?\d)")  # 1.5D+03

Lines = list[tuple[int, str]]  # with their numbers


@dataclass(frozen=True)
class TextTable:
    """names : of the columns, if the file has those of coordinates
    values : (n, k) float64, NaN where a cell holds no number
    notes : about what was found
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Dialect:
    """separator : of cells, None for blanks; decimal : of numbers, a point or a comma; groups : between their thousands"""

    separator: str | None = None
    decimal: str = "."
    groups: str = ""

    def cells(self, line: str) -> list[str]:
        return [cell.strip() for cell in line.split(self.separator)]

    def plain(self, line: str) -> str:
        """A line with decimal points and no thousands."""
        if self.groups:
            line = line.replace(self.groups, "")
        return line.replace(self.decimal, ".")


def read_table(content: bytes, where: object) -> TextTable:
    """The bytes of a text file -> its table.

    Raises
    ------
    InputError : it is no text, or holds no rows; a row has another number of cells than the first, or a word in it
    """
    lines, comments = _without_comments(_text(content, where))
    lines, header, sizes = _without_head(lines)
    if not lines:
        raise InputError("there are no points in it", where=where)
    dialect = _dialect([line for _, line in lines[:SAMPLE]])
    if dialect is None:
        dialect, lines = Dialect(), [(i, ANY_SEPARATOR.sub(" ", line).strip()) for i, line in lines]
    elif dialect.separator and _ends_rows(dialect.separator, lines, header):
        lines = [(i, line.removesuffix(dialect.separator)) for i, line in lines]
    if dialect.decimal != "." or dialect.groups:
        lines = [(i, dialect.plain(line)) for i, line in lines]
    values = numbers(lines, dialect.separator, where)
    heads = [header] if header else [re.split("[:=]", comment)[-1] for comment in reversed(comments)]
    names = next((names for head in heads if (names := _names(head, dialect, values))), ())
    notes: tuple[str, ...] = ()
    if header and not names:
        notes += (f"the header names no x y z: {' '.join(ANY_SEPARATOR.split(header))[:80]}",)
    if len(sizes) > 1:
        notes += (f"{len(sizes)} scans in it",)
    if sizes and sum(sizes) != len(values):
        notes += (f"it announces {sum(sizes):,} points and holds {len(values):,}",)
    missing = ~np.isfinite(values)
    if missing.any():
        of = " ".join(names[i] if names else str(i + 1) for i in np.flatnonzero(missing.any(0)))
        notes += (f"{int(missing.sum()):,} cells without a number, in column{'s' if ' ' in of else ''} {of}",)
    return TextTable(names, values, notes)


def numbers(lines: Lines, separator: str | None, where: object) -> NDArray[np.float64]:
    """Rows of cells -> (n, k), NaN where a cell is empty or says that it holds no number. Raises InputError as `read_table`."""
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
        _name_bad_line(lines, Dialect(separator), where)
        raise InputError(f"its rows are no table of numbers ({e})", where=where) from None


def _load(text: str, separator: str | None) -> NDArray[np.float64]:
    return np.loadtxt(io.StringIO(text), np.float64, comments=None, delimiter=separator, ndmin=2)


def _text(content: bytes, where: object) -> str:
    """By the mark at its beginning; quotes gone, and what they protected."""
    encoding = next((name for mark, name in ENCODINGS.items() if content.startswith(mark)), "")
    if not encoding and b"\0" in content[:4096]:
        raise InputError("this is a binary file, not text", where=where)
    text = content.decode(encoding or "utf-8", "replace")
    return QUOTED.sub(_unquoted, text) if '"' in text else text


def _unquoted(cell: re.Match[str]) -> str:
    """A number with a point for its decimal comma, or a name without blanks and separators."""
    inner = cell[1].strip()
    return inner.replace(",", ".") if DECIMAL_COMMA.fullmatch(inner) else ANY_SEPARATOR.sub("_", inner)


def _without_comments(text: str) -> tuple[Lines, list[str]]:
    """Lines that hold something; and the comments before the first of them, in one of which columns may be named."""
    lines: Lines = []
    comments: list[str] = []
    for i, line in enumerate(text.splitlines(), 1):
        mark = COMMENT.search(line) if "#" in line or "/" in line or "%" in line else None
        if mark is not None:
            if not lines:
                comments.append(line[mark.end() :].strip())
            line = line[: mark.start()]
        if line.strip():
            lines.append((i, line.strip(" \r\f\0")))
    return lines, comments


def _without_head(lines: Lines) -> tuple[Lines, str, list[int]]:
    """The rows; the line of words before them; the numbers of points that stand before the blocks of a PTS file."""
    header = ""
    sizes: list[int] = []
    for _ in range(2):  # either may come first
        if lines and not sizes and len(lines) > 1 and _is_count(lines[0][1]):
            sizes.append(int(lines[0][1]))
            lines = lines[1:]
        elif lines and not header and _are_words(lines[0][1]):
            header = lines[0][1]
            lines = lines[1:]
    if sizes:
        more = [line for _, line in lines if _is_count(line)]
        if len(more) < len(lines):
            sizes += map(int, more)
            lines = [(i, line) for i, line in lines if not _is_count(line)]
    return lines, header, sizes


def _is_count(line: str) -> bool:
    return len(line) < 16 and line.isascii() and line.strip().isdigit()


def _are_words(line: str) -> bool:
    """Whether a line is a header: its first cell is a word, or empty and no other one is a number."""
    first, *others = [cell.strip() for cell in re.split(r"[\s,;|]", line)]
    if first and not IS_NO_NUMBER.fullmatch(first):
        return not _is_number(first) and (any(map(str.isalpha, first)) or not any(map(str.isdigit, first)))
    return any(others) and not any(not cell or IS_NO_NUMBER.fullmatch(cell) or _is_number(cell) for cell in others)


def _dialect(sample: list[str]) -> Dialect | None:
    """What most of the lines are written in; None: separators of several kinds."""
    for separator in (";", "|", "\t"):
        if sum(separator in line for line in sample) > 0.9 * len(sample):
            cells = [cell.strip() for line in sample for cell in line.split(separator)]
            if any(len(cell.split()) > 1 for cell in cells):
                return None
            both = [cell for cell in cells if "," in cell and "." in cell]
            if both:  # thousands are grouped by the one that comes first
                groups, decimal = (".", ",") if both[0].rindex(",") > both[0].rindex(".") else (",", ".")
                return Dialect(separator, decimal, groups)
            decimals = [cell for cell in cells if "," in cell]
            if any(not DECIMAL_COMMA.fullmatch(cell) and not IS_NO_NUMBER.fullmatch(cell) for cell in decimals):
                return None
            return Dialect(separator, "," if decimals else ".")
    if not any("," in line for line in sample):
        return Dialect()
    cells = [cell for line in sample for cell in line.split()]
    if all(len(line.split()) >= 3 for line in sample) and all(
        DECIMAL_COMMA.fullmatch(cell) or IS_NO_NUMBER.fullmatch(cell) for cell in cells
    ):
        return Dialect(None, ",")
    if any(len(cell.split()) > 1 for line in sample for cell in line.split(",")):
        return None
    return Dialect(",")


def _ends_rows(separator: str, lines: Lines, header: str) -> bool:
    """Whether a separator ends each row, rather than standing before a last cell that is always empty."""
    named = bool(header) and not header.endswith(separator) and header.count(separator) == lines[0][1].count(separator)
    return not named and all(line.endswith(separator) for _, line in lines)


def _names(head: str, dialect: Dialect, values: NDArray[np.float64]) -> tuple[str, ...]:
    """The columns' names, if a header or a comment has those of coordinates; what it does not name goes by its number."""
    width = values.shape[1]
    for cells in (dialect.cells(head), ANY_SEPARATOR.split(head.strip())):
        while cells and not cells[-1] and len(cells) > width:
            cells.pop()
        if not ("points" in find(cells).used or is_geographic(cells)) or len(cells) > width:
            continue
        numbered = width == len(cells) + 1 and counts(values[:, 0])  # R writes the names of rows, and none for them
        named = ["row", *cells] if numbered else cells
        return tuple((named[i] if i < len(named) else "") or f"column {i + 1}" for i in range(width))
    return ()


def _name_bad_line(lines: Lines, dialect: Dialect, where: object) -> None:
    """Raise InputError about the first line that is no row of the table."""
    width = len(dialect.cells(lines[0][1]))
    for number, line in lines:
        cells = dialect.cells(line)
        if len(cells) != width:
            raise InputError(f"line {number} has {len(cells)} columns, not {width}", where=where) from None
        bad = next((c for c in cells if not _is_number(c) and not (IS_NO_NUMBER.fullmatch(c) or not c)), None)
        if bad is not None:
            raise InputError(f"line {number}: {bad[:40]!r} is not a number", where=where) from None


def _is_number(text: str) -> bool:
    try:
        float(FORTRAN.sub("e", text))
    except ValueError:
        return False
    return True
