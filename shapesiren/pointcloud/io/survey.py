"""Formats of the surveying trade: LAS and LAZ, E57. Their packages are extras: `pip install 'shapesiren[survey]'`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..classes import name_of
from ..cloud import PointCloud, random_rows
from ..selection import ALL, Selection, tally
from . import crs, degrees
from .colours import survey_colours_to_uint8
from .columns import Columns, find, finite_intensity
from .partial import ChooseRows

NOISE_CLASSES = (7, 18)  # low and high noise (ASPRS LAS 1.4 R15, table 17)
COPC = "copc"  # who made the first record of a LAZ file whose points are in an octree
RECORD_HEADER = 54  # bytes of a variable length record, at least
POINTS_PER_CHUNK = 1 << 20
MOST_POINTS_PER_BYTE = 100  # no compression gets so far


def read_las(path: Path, choose: ChooseRows, selection: Selection = ALL) -> PointCloud:
    """LAS and LAZ, in chunks: coordinates in float64, colours, intensity, classes, returns, flight lines, and normals where
    extra bytes have them; the coordinate system and its units. Points that are marked as noise (unless that is asked for) or
    withheld are left out, and those that are not wanted; of a COPC file those outside of the box are not even read."""
    import laspy

    check_records(path)
    parts: list[dict[str, NDArray[Any]]] = []
    tallies = Tallies()
    with laspy.open(path) as file:
        header = file.header
        total = int(header.point_count)
        if total > MOST_POINTS_PER_BYTE * path.stat().st_size:
            raise InputError(f"damaged: its header promises {total:,} points", where=path)
        if degrees.of_las(header) and degrees.fit(np.stack([header.mins, header.maxs])):
            raise degrees.refusal(path)
        extra = find(list(header.point_format.extra_dimension_names))
        extra = replace(extra, used={kind: at for kind, at in extra.used.items() if kind in ("normals", "intensity")})
        by_octree = selection.by_place and any(record.user_id == COPC for record in header.vlrs)
        rows = choose(total)
        start = 0  # of the chunk, among all points of the file
        for chunk in () if by_octree else file.chunk_iterator(POINTS_PER_CHUNK):
            n = len(chunk)
            chosen = np.ones(n, bool)
            if rows is not None:
                first, last = np.searchsorted(rows, (start, start + n))
                chosen[:] = False
                chosen[rows[first:last] - start] = True
            parts.append(_columns(chunk, chosen, extra, selection, tallies))
            start += n
    if by_octree:
        parts.append(_in_octree(path, extra, selection, tallies))
    elif start < total:
        raise InputError(f"the file is truncated: {start:,} of {total:,} points could be read", where=path)
    if not parts:
        raise InputError("there are no points in it", where=path)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not selection.everything and not len(whole["points"]):
        raise selection.nothing(path, header.mins, header.maxs, tallies.there)
    colours, intensity, normals = whole.get("colours"), whole["intensity"], whole.get("extra normals")
    if not intensity.any() and "extra intensity" in whole:
        intensity = whole["extra intensity"][:, 0]
    intensity, notes = finite_intensity(intensity)
    left_out = int(whole["left out"].sum())
    if left_out:
        notes += (f"left out {left_out:,} points that the file marks as noise or withheld",)
    system, units, heights = crs.of_las(header)
    if units is not None and heights is not None and units != heights:
        notes += (f"its positions are in {units}, its heights in {heights}: taken as they are",)
    if units is None:
        what = "its coordinate system names no unit of length" if system else "no coordinate system in it"
        notes += (f"{what}: taken as metres (--units says otherwise)",)
    return PointCloud(
        whole["points"],
        None if normals is None else normals.astype(np.float64),
        None if colours is None or not colours.any() else survey_colours_to_uint8(colours),
        intensity=intensity if intensity.any() else None,
        classes=whole["classes"],
        returns=whole["returns"],
        scan=whole["scan"],
        tallies=tallies.tree(),
        units=units or "m",
        units_from="as usual in LAS" if units is None else "as its coordinate system says",
        crs=system,
        notes=notes + _extra_notes(extra),
    )


class Tallies:
    """Counts of a LAS file's points, summed over its chunks.

    there : of each class, of those in the box and the polygons
    """

    def __init__(self) -> None:
        self.there: dict[int, int] = {}
        self._wanted: dict[str, dict[int, int]] = {"classes": {}, "returns": {}, "scans": {}}

    def add(self, there: NDArray[np.uint8], **wanted: NDArray[Any]) -> None:
        """``there``: classes of the points in the place; ``wanted``: classes, returns and scans of those of the classes too."""
        for total, values in [(self.there, there), *((self._wanted[name], v) for name, v in wanted.items())]:
            for number, count in tally(values).items():
                total[number] = total.get(number, 0) + count

    def tree(self) -> dict[str, dict[str, int]]:
        """Those of `PointCloud.tallies`; a file whose points have all one value does not distinguish them by it."""
        names = {"classes": name_of, "returns": "return {}".format, "scans": "flight line {}".format}
        kinds = {k: v for k, v in self._wanted.items() if len(v) > 1 or any(v.keys() - {0, 1})}
        return {kind: {names[kind](n): counts[n] for n in sorted(counts)} for kind, counts in kinds.items()}


def _columns(
    points: Any, chosen: NDArray[np.bool_], extra: Columns, selection: Selection, tallies: Tallies
) -> dict[str, NDArray[Any]]:
    """What is used of laspy's ``points`` (n): of those that are ``chosen`` (n,), wanted, and not marked as noise or withheld;
    and how many were left out because of the marks, (1,). All that are wanted are counted."""
    at = np.stack([np.asarray(points[a], np.float64) for a in "xyz"], 1)
    classes = np.asarray(points.classification).astype(np.uint8)
    returns, scan = np.asarray(points.return_number).astype(np.uint8), np.asarray(points.point_source_id).astype(np.int32)
    there = selection.holds_place(at)
    wanted = there & selection.holds_class(classes)
    tallies.add(classes[there], classes=classes[wanted], returns=returns[wanted], scans=scan[wanted])
    chosen = chosen & wanted
    marked = np.asarray(points.withheld).astype(bool)
    marked |= np.isin(classes, [c for c in NOISE_CLASSES if c not in (selection.classes or ())])
    keep = chosen & ~marked
    part = {"points": at[keep], "left out": np.array([(chosen & marked).sum()])}
    part |= {"classes": classes[keep], "returns": returns[keep], "scan": scan[keep]}
    part["intensity"] = np.asarray(points.intensity)[keep].astype(np.float32)
    if "red" in points.point_format.dimension_names:
        part["colours"] = np.stack([np.asarray(points[c])[keep] for c in ("red", "green", "blue")], 1)
    for kind, columns in extra.used.items():
        part[f"extra {kind}"] = np.stack([np.asarray(points[extra.names[i]])[keep] for i in columns], 1)
    return part


def _in_octree(path: Path, extra: Columns, selection: Selection, tallies: Tallies) -> dict[str, NDArray[Any]]:
    """`_columns` of the wanted points of a COPC file, of which it reads the nodes that the box or the polygons meet."""
    from laspy.copc import Bounds, CopcReader

    with CopcReader.open(path) as file:
        low, high = selection.corners()
        # beyond the file's own bounds its integers end
        met = Bounds(np.clip(low, file.header.mins, file.header.maxs), np.clip(high, file.header.mins, file.header.maxs))
        points = file.query(met)
    return _columns(points, np.ones(len(points), bool), extra, selection, tallies)


def check_records(path: Path) -> None:
    """Raise InputError if a LAS header promises more records than the file has room for; laspy would make them all, empty.

    Their numbers stand at byte 100, and from version 1.4 on at 243 (ASPRS LAS 1.4 R15, table 3).
    """
    with open(path, "rb") as file:
        head = file.read(247)
    counts = [head[100:104], *([head[243:247]] if head[24:26] >= b"\x01\x04" else [])]
    count = sum(int.from_bytes(word, "little") for word in counts)
    if head.startswith(b"LASF") and count * RECORD_HEADER > path.stat().st_size:
        raise InputError(f"damaged: its header promises {count:,} records", where=path)


def _extra_notes(extra: Columns) -> tuple[str, ...]:
    """What of its extra bytes is used, and what is not, if there are any."""
    return (extra.line().replace("columns", "extra bytes", 1),) if extra.names else ()


def read_e57(path: Path, choose: ChooseRows) -> PointCloud:
    """E57: all its scans in the common frame, each point with the position of the scanner that measured it."""
    import pye57

    points: list[NDArray[np.float64]] = []
    colours: list[NDArray[Any] | None] = []
    intensities: list[NDArray[np.float32] | None] = []
    sensors: list[NDArray[np.float64]] = []
    sensor: list[NDArray[np.int32]] = []
    scan: list[NDArray[np.int32]] = []
    held: dict[str, int] = {}  # points of each scan
    file = pye57.E57(str(path))
    try:
        text = str(file.root["coordinateMetadata"].value()) if file.root.isDefined("coordinateMetadata") else ""
        headers = [file.get_header(i) for i in range(file.scan_count)]
        rows = choose(sum(header.point_count for header in headers))
        start = 0  # of the scan, among all points of the file
        for i, header in enumerate(headers):
            data = file.read_scan(i, intensity=True, colors=True, ignore_missing_fields=True)
            own = np.stack([np.asarray(data["cartesian" + a], np.float64) for a in "XYZ"], 1)
            keep = np.arange(len(own))
            if rows is not None:  # invalid points are already gone, so the share is kept rather than the rows
                share = np.searchsorted(rows, start + header.point_count) - np.searchsorted(rows, start)
                keep = random_rows(len(own), min(int(share), len(own)), i)
            start += header.point_count
            label = f"scan {i}{_scan_name(header)}"
            held[label] = len(own)
            scan.append(np.full(len(keep), i, np.int32))
            rgb = [data.get("color" + c) for c in ("Red", "Green", "Blue")]
            strength = data.get("intensity")
            points.append(own[keep])
            colours.append(None if any(c is None for c in rgb) else np.stack([np.asarray(c)[keep] for c in rgb], 1))
            intensities.append(None if strength is None else np.asarray(strength, np.float32)[keep])
            posed = header.has_pose()
            sensor.append(np.full(len(keep), len(sensors) if posed else -1, np.int32))
            if posed:
                sensors.append(np.asarray(header.translation, np.float64))
    finally:
        file.close()
    if not points:
        raise InputError("there are no scans in it", where=path)
    if degrees.of_system(text) and degrees.fit(np.concatenate(points)):
        raise degrees.refusal(path)
    rgbs, strengths = _joined(colours), _joined(intensities)
    intensity, notes = (None, ()) if strengths is None else finite_intensity(strengths)
    return PointCloud(
        np.concatenate(points),
        colours=None if rgbs is None else survey_colours_to_uint8(rgbs.astype(np.int64)),
        intensity=intensity,
        sensors=np.stack(sensors) if sensors else None,
        sensor=np.concatenate(sensor) if sensors else None,
        scan=np.concatenate(scan),
        tallies={"scans": held},
        crs=text.strip() or None,
        notes=(f"{len(points)} scans in it, {len(sensors)} with the scanner's position", *notes),
    )


def _scan_name(header: Any) -> str:
    """A scan's own name in brackets, if its header has one."""
    name = str(header.node["name"].value()).strip() if header.node.isDefined("name") else ""
    return f" ({name})" if name else ""


def _joined(parts: list[NDArray[Any] | None]) -> NDArray[Any] | None:
    """What every scan has, of all points; None if a scan lacks it."""
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None
