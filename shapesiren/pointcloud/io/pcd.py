"""PCD, the format of the Point Cloud Library (pointclouds.org/documentation/tutorials/pcd_file_format.html)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud
from .columns import SKIP, cloud_of, match, name_by_hand
from .lzf import decompress
from .numbers import numbers
from .partial import ChooseRows, take_rows

SIZES = {"I": (1, 2, 4, 8), "U": (1, 2, 4, 8), "F": (4, 8)}  # bytes of a type's numbers
LONGEST_HEADER = 1 << 16
MOST_RATIO = 100  # of LZF: 264 bytes from 3 are the best it can do
KINDS = ("ascii", "binary", "binary_compressed")


@dataclass(frozen=True)
class PcdField:
    """name : ``_`` for bytes that only fill up, of which there may be several
    kind : of its numbers, as numpy names it
    count : of them in a point
    """

    name: str
    kind: str
    count: int

    @property
    def size(self) -> int:
        return self.count * np.dtype(self.kind).itemsize


@dataclass(frozen=True)
class PcdHeader:
    """fields : of a point, in order
    count : of points, None where the header does not say
    height : above 1 of one depth frame, whose points are in rows and columns
    viewpoint : (3,) where the scanner was, if the header says so
    data : one of KINDS
    start : of the data in the file
    """

    fields: tuple[PcdField, ...]
    count: int | None
    height: int
    viewpoint: NDArray[np.float64] | None
    data: str
    start: int


def read_pcd(path: Path, choose: ChooseRows, words: tuple[str, ...]) -> PointCloud:
    """ASCII, binary and compressed PCD, with fields of any type, and the position of the scanner.

    Raises
    ------
    InputError : no PCD file, truncated, damaged, or without coordinates
    """
    with open(path, "rb") as file:
        header = _header(file, path)
    named = [f.name for f in header.fields]
    singles = [name if f.count == 1 else SKIP for name, f in zip(named, header.fields, strict=True)]
    columns = name_by_hand(words, len(named), named, path) if words else match(singles, path, "PCD fields")
    used = sorted({i for group in columns.used.values() for i in group})
    read = {"ascii": _read_ascii, "binary": _read_binary, "binary_compressed": _read_compressed}[header.data]
    arrays = read(path, header, used, choose)
    notes = () if words else replace(columns, names=tuple(named)).notes()
    return _with_viewpoint(cloud_of(columns, lambda i: arrays[i], notes), header)


# ---- Header --------------------------------------------------------------------------------------------
def _header(file: BinaryIO, path: Path) -> PcdHeader:
    """Lines of words as far as DATA. Raises InputError about what is missing or means nothing."""
    lines: dict[str, list[str]] = {}
    while "DATA" not in lines and file.tell() < LONGEST_HEADER:
        line = file.readline(LONGEST_HEADER)
        if not line:
            break
        words = line.decode("ascii", "replace").split()
        if words and not words[0].startswith("#"):
            lines[words[0].upper()] = words[1:]
    names = lines.get("FIELDS") or lines.get("COLUMNS")
    if not names or not lines.get("DATA"):
        raise InputError(f"not a PCD file: its header lacks {'DATA' if names else 'FIELDS'}", where=path)
    data = lines["DATA"][0].lower()
    if data not in KINDS:
        raise InputError(f"DATA {data[:40]} of its header is unknown", where=path, hint=f"known: {' '.join(KINDS)}")
    height = _integers(lines, "HEIGHT", path, [1])[0]
    width = _integers(lines, "WIDTH", path, [-1])[0]
    count = _integers(lines, "POINTS", path, [width * height if width >= 0 else -1])[0]
    if len(names) > 1000:
        raise InputError(f"its header has {len(names):,} FIELDS", where=path)
    return PcdHeader(_fields(names, lines, path), None if count < 0 else count, height, _viewpoint(lines), data, file.tell())


def _integers(lines: dict[str, list[str]], key: str, path: Path, default: list[int]) -> list[int]:
    """The numbers of a line of the header, none of them negative; ``default`` where it is missing or empty."""
    words = lines.get(key)
    if not words:
        return default
    if not all(word.isascii() and word.isdigit() and len(word) < 16 for word in words):
        raise InputError(f"{key} {' '.join(words)[:40]} of its header is no number", where=path)
    return [int(word) for word in words]


def _fields(names: list[str], lines: dict[str, list[str]], path: Path) -> tuple[PcdField, ...]:
    """One for each name; a line that is missing stands for float32, one number each."""
    n = len(names)
    sizes = _integers(lines, "SIZE", path, [4] * n)
    counts = _integers(lines, "COUNT", path, [1] * n)
    types = [word.upper() for word in lines.get("TYPE") or ["F"] * n]
    for key, values in (("SIZE", sizes), ("TYPE", types), ("COUNT", counts)):
        if len(values) != n:
            raise InputError(f"{key} of its header is for {len(values)} fields, of which there are {n}", where=path)
    fields = []
    for name, size, letter, count in zip(names, sizes, types, counts, strict=True):
        if size not in SIZES.get(letter, ()):
            raise InputError(f"field {name[:40]} has TYPE {letter[:40]} and SIZE {size}: no such numbers", where=path)
        if not 0 < count <= 100_000:
            raise InputError(f"field {name[:40]} has COUNT {count:,}", where=path)
        fields.append(PcdField(name, f"<{letter.lower()}{size}", count))
    return tuple(fields)


def _viewpoint(lines: dict[str, list[str]]) -> NDArray[np.float64] | None:
    try:
        position = np.array([float(v) for v in lines.get("VIEWPOINT", [])[:3]])
    except ValueError:
        return None
    return position if len(position) == 3 and np.isfinite(position).all() else None


def _with_viewpoint(cloud: PointCloud, header: PcdHeader) -> PointCloud:
    """The cloud with the scanner where the header's VIEWPOINT says; surely, if its points form one depth frame.

    Many writers leave (0, 0, 0) there. Points in rows and columns (HEIGHT above 1) are one depth frame, and then it is where
    the camera was.
    """
    is_frame = header.height > 1
    if is_frame:
        cloud = replace(cloud, depth_axis=2)
    return cloud if header.viewpoint is None else cloud.seen_from(header.viewpoint, sure=is_frame)


# ---- Data: the columns of some fields, by their number ---------------------------------------------------
def _read_ascii(path: Path, header: PcdHeader, used: list[int], choose: ChooseRows) -> dict[int, NDArray[Any]]:
    """Rows of numbers. What is packed into a float is not converted: `colours.unpack` does."""
    begin = np.cumsum([0] + [f.count for f in header.fields])
    content = path.read_bytes()
    body = content[header.start :].decode("ascii", "replace").splitlines()
    lines = [(i, line.strip()) for i, line in enumerate(body, content.count(b"\n", 0, header.start) + 1) if line.strip()]
    if lines and len(lines[-1][1].split()) < begin[-1]:
        lines.pop()  # the file ends in the middle of it
    count = len(lines) if header.count is None else header.count
    if len(lines) < count:
        raise _truncated(len(lines), count, path)
    lines = lines[:count]
    values = numbers(lines, None, path) if lines else np.empty((0, 0))
    if values.shape[1] != begin[-1]:
        raise InputError(f"a point has {values.shape[1]} numbers, its header's fields {begin[-1]}", where=path)
    rows = choose(count)
    return {i: values[slice(None) if rows is None else rows, begin[i]] for i in used}


def _read_binary(path: Path, header: PcdHeader, used: list[int], choose: ChooseRows) -> dict[int, NDArray[Any]]:
    """One point after the other; they are left on disk but for what is used."""
    fields = header.fields
    offsets = np.cumsum([0] + [f.size for f in fields]).tolist()
    point, there = offsets[-1], path.stat().st_size - header.start
    count = there // point if header.count is None else header.count
    if there < count * point:
        raise _truncated(there // point, count, path)
    if not count:
        return {i: np.empty(0) for i in used}
    names, kinds = [str(i) for i in used], [fields[i].kind for i in used]
    layout = np.dtype({"names": names, "formats": kinds, "offsets": [offsets[i] for i in used], "itemsize": point})
    table = np.memmap(path, layout, "r", header.start, (count,))
    rows = choose(count)
    chosen = table if rows is None else take_rows(table, rows)
    return {i: np.array(chosen[str(i)]) for i in used}


def _read_compressed(path: Path, header: PcdHeader, used: list[int], choose: ChooseRows) -> dict[int, NDArray[Any]]:
    """One field after the other, as one block of LZF after its sizes. PCL leaves out the bytes that only fill up."""
    with open(path, "rb") as file:
        file.seek(header.start)
        sizes = np.frombuffer(file.read(8), "<u4").astype(np.int64)
        packed = file.read()
    if len(sizes) < 2 or len(packed) < sizes[0]:
        there = f"{len(packed):,} of {int(sizes[0]):,} bytes" if len(sizes) == 2 else "its data are missing"
        raise InputError(f"the PCD file is truncated: {there} could be read", where=path)
    size, named = int(sizes[1]), sum(f.size for f in header.fields if f.name != SKIP)
    whole = sum(f.size for f in header.fields)
    count = size // max(named, 1) if header.count is None else header.count
    if size not in (count * named, count * whole) or size > MOST_RATIO * len(packed):
        what = f"damaged: {size:,} bytes are no {count:,} points of {named:,} bytes"
        raise InputError(what, where=path)
    try:
        data = decompress(packed[: sizes[0]], size)
    except ValueError as e:
        raise InputError(f"the compressed data are damaged ({e})", where=path) from None
    rows, arrays, start = choose(count), {}, 0
    for i, f in enumerate(header.fields):
        if f.name == SKIP and size == count * named:
            continue
        if i in used:
            column = np.frombuffer(data, f.kind, count * f.count, start)[:: f.count]
            arrays[i] = column.copy() if rows is None else column[rows]
        start += count * f.size
    return arrays


def _truncated(found: int, count: int, path: Path) -> InputError:
    return InputError(f"the PCD file is truncated: {found:,} of {count:,} points could be read", where=path)
