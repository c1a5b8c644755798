"""Text: XYZ, PTS, TXT, CSV, ASC, a table of numbers; its encoding, comments, header and counts."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud
from .arrays import from_table
from .by_value import counts
from .columns import find, is_geographic
from .dialect import ANY_SEPARATOR, DECIMAL_COMMA, Dialect, dialect_of
from .esri_grid import is_grid, read_grid
from .numbers import IS_NO_NUMBER, Lines, is_number, numbers
from .partial import ChooseRows

ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # by their marks
SAMPLE = 50  # lines that a dialect is told by
COMMENT = re.compile(r"(?:^|(?<=\s))(?:#(?!N/?A\b)|//|%)")  # not within a word: -1.#IND is a number that is none
UNIT = re.compile(r"[\[(][^\])]*[\])]")  # [m]
QUOTED = re.compile(r'"([^"\n]*)"')


@dataclass(frozen=True)
class TextTable:
    """names : of the columns, if the file has those of coordinates
    values : (n, k) float64, NaN where a cell holds no number
    blocks : numbers of points of the blocks of a PTS file, if that is what it has
    notes : about what was found
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    notes: tuple[str, ...]
    blocks: tuple[int, ...] = ()


def read_text(path: Path, choose: ChooseRows, words: tuple[str, ...]) -> PointCloud:
    """A point a line, in any dialect (`dialect`); ``words`` say what the columns are, or the header, or what is in them
    (`by_value`); or a grid of heights. It is read whole."""
    content = path.read_bytes()
    if is_grid(content):
        return read_grid(content, path)
    table = read_table(content, path)
    cloud = from_table(table.values, path, words, table.names)
    cloud = replace(cloud, notes=(*table.notes, *cloud.notes))
    if len(table.blocks) < 2 or sum(table.blocks) != len(cloud.points):
        return cloud
    held = {f"block {i}": count for i, count in enumerate(table.blocks)}
    scan = np.repeat(np.arange(len(table.blocks), dtype=np.int32), table.blocks)
    return replace(cloud, scan=scan, tallies=cloud.tallies | {"scans": held})


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
    dialect = dialect_of([line for _, line in lines[:SAMPLE]])
    if dialect is None:
        dialect, lines = Dialect(), [(i, ANY_SEPARATOR.sub(" ", line).strip()) for i, line in lines]
    elif dialect.separator:
        lines, header = _without_borders(dialect.separator, lines, header)
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
    return TextTable(names, values, notes, tuple(sizes))


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
        return not is_number(first) and (any(map(str.isalpha, first)) or not any(map(str.isdigit, first)))
    words = [cell for cell in others if cell and not IS_NO_NUMBER.fullmatch(cell)]
    return bool(words) and not any(map(is_number, words))


def _without_borders(separator: str, lines: Lines, header: str) -> tuple[Lines, str]:
    """Rows without the separator that begins or ends each of them, unless the header has a name for what stands there."""
    named = header.count(separator) == lines[0][1].count(separator)
    if all(line.startswith(separator) for _, line in lines) and (not named or header.startswith(separator)):
        lines, header = [(i, line.removeprefix(separator)) for i, line in lines], header.removeprefix(separator)
    if all(line.endswith(separator) for _, line in lines) and (not named or header.endswith(separator)):
        lines, header = [(i, line.removesuffix(separator)) for i, line in lines], header.removesuffix(separator)
    return lines, header


def _names(head: str, dialect: Dialect, values: NDArray[np.float64]) -> tuple[str, ...]:
    """The columns' names, if a header or a comment has those of coordinates; what it does not name goes by its number."""
    width = values.shape[1]
    head = UNIT.sub("", head)
    for cells in (dialect.cells(head), ANY_SEPARATOR.split(head.strip())):
        while cells and not cells[-1] and len(cells) > width:
            cells.pop()
        if not ("points" in find(cells).used or is_geographic(cells)) or len(cells) > width:
            continue
        numbered = width == len(cells) + 1 and counts(values[:, 0])  # R writes the names of rows, and none for them
        named = ["row", *cells] if numbered else cells
        return tuple((named[i] if i < len(named) else "") or f"column {i + 1}" for i in range(width))
    return ()
