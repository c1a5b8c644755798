"""Point files in blocks of bounded memory, one after the other: what is read of a file that does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, ShapesirenError
from ..pointcloud.cloud import PointCloud
from ..pointcloud.io import crs, degrees, survey
from ..pointcloud.io.arrays import from_table
from ..pointcloud.io.by_value import names_by_value
from ..pointcloud.io.columns import find, words_of
from ..pointcloud.io.esri_grid import is_grid
from ..pointcloud.io.partial import Rows
from ..pointcloud.io.read import format_of, read_cloud
from ..pointcloud.io.text import read_table
from ..pointcloud.region import NothingSelected
from ..pointcloud.selection import ALL, Selection

BLOCK = 1 << 20  # points of a block
TEXT_BLOCK = 1 << 26  # bytes of a block of text
TEXT = (".xyz", ".pts", ".txt", ".csv", ".asc")
BY_ROWS = (".ply", ".pcd", ".npy")  # whose readers take some rows of a table that stays on disk
PARSED_WHOLE = re.compile(rb"^(format\s+ascii|data\s+(ascii|binary_compressed))\b", re.MULTILINE | re.IGNORECASE)
HEAD = 1 << 16  # bytes by which it is told what a text is, and how long its lines are


@dataclass(frozen=True)
class Source:
    """One file that is read as often as it has to be.

    selection : of its points, what is wanted; columns : as of `ingest.columns`
    """

    path: Path
    selection: Selection = ALL
    columns: str = ""

    def blocks(self) -> Iterator[PointCloud]:
        """Its points in the order of the file, those that are wanted; a block may be empty.

        Raises
        ------
        InputError : it cannot be read, or is no cloud
        """
        suffix = self.path.suffix.lower()
        reader: Callable[[], Iterator[PointCloud]] = self._whole
        if suffix in (".las", ".laz"):
            reader = self._survey
        elif suffix == ".e57":
            reader = self._scans
        elif suffix in TEXT:
            reader = self._text
        elif suffix in BY_ROWS and not self._parsed_whole():
            reader = self._rows
        form = format_of(suffix)
        if form is None:
            raise InputError(f"unknown extension {suffix!r}", where=self.path)
        form.require_packages(self.path)
        try:
            yield from reader()
        except ShapesirenError:
            raise
        except MemoryError:
            raise InputError("a block of it does not fit in memory", where=self.path) from None
        except Exception as e:  # whatever a parser raises is about this file
            reason = (str(e).splitlines() or [type(e).__name__])[0][:120]
            raise InputError(f"damaged, or not a {suffix[1:].upper()} file ({reason})", where=self.path) from None

    def _wanted(self, cloud: PointCloud, recount: bool = True) -> PointCloud:
        """What is wanted of a block, which may be nothing."""
        if self.selection.everything:
            return cloud
        try:
            return self.selection.take(cloud, self.path, recount=recount)
        except NothingSelected:
            return cloud.take(np.zeros(len(cloud.points), bool))

    def _survey(self) -> Iterator[PointCloud]:
        """LAS and LAZ chunk by chunk; of a COPC file the nodes that the selection meets."""
        import laspy

        survey.check_records(self.path)
        with laspy.open(self.path) as file:
            header = file.header
            copc = self.selection.by_place and any(record.user_id == survey.COPC for record in header.vlrs)
            system, units, _ = crs.of_las(header)
            if degrees.of_las(header) and degrees.fit(np.stack([header.mins, header.maxs])):
                raise degrees.refusal(self.path)
            if copc:
                yield self._wanted(read_cloud(self.path, selection=self.selection), recount=False)
                return
            start = 0
            for chunk in file.chunk_iterator(BLOCK):
                start += len(chunk)
                points = np.stack([np.asarray(chunk[a], np.float64) for a in "xyz"], 1)
                classes = np.asarray(chunk.classification).astype(np.uint8)
                marked = np.asarray(chunk.withheld).astype(bool)
                marked |= np.isin(classes, [c for c in survey.NOISE_CLASSES if c not in (self.selection.classes or ())])
                cloud = PointCloud(points, classes=classes, units=units or "m", units_from="as LAS has it", crs=system)
                yield self._wanted(cloud.take(~marked))
            if start < header.point_count:
                raise InputError(
                    f"the file is truncated: {start:,} of {header.point_count:,} points could be read", where=self.path
                )

    def _scans(self) -> Iterator[PointCloud]:
        """E57, a scan at a time, which is how it is stored."""
        import pye57

        file = pye57.E57(str(self.path))
        try:
            for i in range(file.scan_count):
                data = file.read_scan(i, ignore_missing_fields=True)
                points = np.stack([np.asarray(data["cartesian" + a], np.float64) for a in "XYZ"], 1)
                header = file.get_header(i)
                for first in range(0, len(points), BLOCK):
                    part = PointCloud(points[first : first + BLOCK], units="m", units_from="as E57 has it")
                    position = np.asarray(header.translation, np.float64) if header.has_pose() else None
                    yield self._wanted(part if position is None else part.seen_from(position))
        finally:
            file.close()

    def _parsed_whole(self) -> bool:
        """Whether the header of a PLY or PCD file says that its reader has to go through all of it for any row."""
        try:
            with open(self.path, "rb") as file:
                return PARSED_WHOLE.search(file.read(HEAD)) is not None
        except OSError:
            return False  # the reader says what is wrong

    def _rows(self) -> Iterator[PointCloud]:
        """Tables that stay on disk, `BLOCK` rows at a time."""
        form, words, start, total = format_of(self.path.suffix.lower()), words_of(self.columns), 0, 1
        assert form is not None

        def choose(count: int, /) -> Rows:
            nonlocal total
            total = count
            return np.arange(start, min(start + BLOCK, count))

        while start < total:
            cloud = form.read(self.path, choose, words, ALL)
            if cloud.faces is not None:
                raise InputError("this is a mesh, no cloud", where=self.path, hint="--set ingest.large=false")
            yield self._wanted(cloud)
            start += BLOCK

    def _text(self) -> Iterator[PointCloud]:
        """Lines; what the columns are is told by the first block."""
        words = words_of(self.columns)
        names: tuple[str, ...] = ()
        with open(self.path, "rb") as file:
            if is_grid(file.read(HEAD)):
                yield from self._whole()
                return
            file.seek(0)
            first = True
            while content := file.read(TEXT_BLOCK):
                table = read_table(content + file.readline(), self.path)
                if first and not words:
                    names = table.names or tuple(names_by_value(table.values))
                    if "points" not in find(names).used:
                        names = ()
                first = False
                yield self._wanted(from_table(table.values, self.path, words, names))

    def _whole(self) -> Iterator[PointCloud]:
        """A format that is read whole; its memory is that of the file."""
        try:
            cloud = read_cloud(self.path, columns=self.columns, selection=self.selection)
        except NothingSelected:  # of this file: others may have what is wanted
            return
        if cloud.faces is not None:
            raise InputError("this is a mesh, no cloud", where=self.path, hint="--set ingest.large=false")
        for first in range(0, len(cloud.points), BLOCK):
            yield cloud.take(np.arange(first, min(first + BLOCK, len(cloud.points))))


def points_in(path: Path) -> int | None:
    """How many points a file says that it holds, or its size lets expect, without reading it; None where nothing tells that."""
    suffix = path.suffix.lower()
    try:
        if suffix in (".las", ".laz"):
            with open(path, "rb") as file:
                head = file.read(375)
            legacy = int.from_bytes(head[107:111], "little")
            return int.from_bytes(head[247:255], "little") if head[24:26] >= b"\x01\x04" else legacy
        if suffix == ".npy":
            table = np.load(path, mmap_mode="r", allow_pickle=False)
            return len(table) if table.ndim else None
        if suffix == ".ply":
            return _named_count(path, b"element vertex ")
        if suffix == ".pcd":
            return _named_count(path, b"POINTS ")
        if suffix in TEXT:
            with open(path, "rb") as file:
                head = file.read(HEAD)
            lines = head.count(b"\n")
            return int(path.stat().st_size * lines / len(head)) if lines else None
    except (OSError, ValueError):
        return None  # who reads it says what is wrong
    return None


def _named_count(path: Path, name: bytes) -> int | None:
    """The number after ``name`` in a header of lines."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if name.startswith(b"element") and b"element face " in head:  # a mesh is no cloud
        faces = head.split(b"element face ", 1)[1].split(b"\n", 1)[0].strip()
        if faces.isdigit() and int(faces):
            return None
    parts = head.split(name, 1)
    count = parts[1].split(b"\n", 1)[0].strip() if len(parts) == 2 else b""
    return int(count) if count.isdigit() else None
