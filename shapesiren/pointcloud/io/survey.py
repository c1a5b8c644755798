"""Formats of the surveying trade: LAS and LAZ, E57. Their packages are extras: `pip install 'shapesiren[survey]'`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud, random_rows
from ..region import Corners, corners, inside, none_in_it
from . import degrees
from .colours import survey_colours_to_uint8
from .columns import Columns, find, finite_intensity
from .partial import ChooseRows

NOISE_CLASSES = (7, 18)  # low and high noise (ASPRS LAS 1.4 R15, table 17)
COPC = "copc"  # who made the first record of a LAZ file whose points are in an octree
RECORD_HEADER = 54  # bytes of a variable length record, at least
POINTS_PER_CHUNK = 1 << 20
MOST_POINTS_PER_BYTE = 100  # no compression gets so far


def read_las(path: Path, choose: ChooseRows, box: Corners | None = None) -> PointCloud:
    """LAS and LAZ, in chunks: coordinates in float64, colours, intensity, and normals where extra bytes have them. Points
    that are marked as noise or withheld are left out, and those outside ``box``; of a COPC file these are not even read."""
    import laspy

    _check_records(path)
    parts: list[dict[str, NDArray[Any]]] = []
    with laspy.open(path) as file:
        header = file.header
        total = int(header.point_count)
        if total > MOST_POINTS_PER_BYTE * path.stat().st_size:
            raise InputError(f"damaged: its header promises {total:,} points", where=path)
        if degrees.of_las(header) and degrees.fit(np.stack([header.mins, header.maxs])):
            raise degrees.refusal(path)
        extra = find(list(header.point_format.extra_dimension_names))
        extra = replace(extra, used={kind: at for kind, at in extra.used.items() if kind in ("normals", "intensity")})
        by_octree = box is not None and any(record.user_id == COPC for record in header.vlrs)
        rows = choose(total)
        start = 0  # of the chunk, among all points of the file
        for chunk in () if by_octree else file.chunk_iterator(POINTS_PER_CHUNK):
            n = len(chunk)
            chosen = np.ones(n, bool)
            if rows is not None:
                first, last = np.searchsorted(rows, (start, start + n))
                chosen[:] = False
                chosen[rows[first:last] - start] = True
            parts.append(_columns(chunk, chosen, extra, box))
            start += n
    if box is not None and by_octree:
        parts.append(_in_octree(path, extra, box))
    elif start < total:
        raise InputError(f"the file is truncated: {start:,} of {total:,} points could be read", where=path)
    if not parts:
        raise InputError("there are no points in it", where=path)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if box is not None and not len(whole["points"]):
        raise none_in_it(path, header.mins, header.maxs)
    colours, intensity, normals = whole.get("colours"), whole["intensity"], whole.get("extra normals")
    if not intensity.any() and "extra intensity" in whole:
        intensity = whole["extra intensity"][:, 0]
    intensity, notes = finite_intensity(intensity)
    left_out = int(whole["left out"].sum())
    if left_out:
        notes += (f"left out {left_out:,} points that the file marks as noise or withheld",)
    return PointCloud(
        whole["points"],
        None if normals is None else normals.astype(np.float64),
        None if colours is None or not colours.any() else survey_colours_to_uint8(colours),
        intensity=intensity if intensity.any() else None,
        notes=notes + _extra_notes(extra),
    )


def _columns(points: Any, chosen: NDArray[np.bool_], extra: Columns, box: Corners | None) -> dict[str, NDArray[Any]]:
    """What is used of laspy's ``points`` (n): of those that are ``chosen`` (n,), in the box, and not marked as noise or
    withheld; and how many were left out because of the marks, (1,)."""
    at = np.stack([np.asarray(points[a], np.float64) for a in "xyz"], 1)
    if box is not None:
        chosen = chosen & inside(at, box)
    marked = np.isin(np.asarray(points.classification), NOISE_CLASSES) | np.asarray(points.withheld).astype(bool)
    keep = chosen & ~marked
    part = {"points": at[keep], "left out": np.array([(chosen & marked).sum()])}
    part["intensity"] = np.asarray(points.intensity)[keep].astype(np.float32)
    if "red" in points.point_format.dimension_names:
        part["colours"] = np.stack([np.asarray(points[c])[keep] for c in ("red", "green", "blue")], 1)
    for kind, columns in extra.used.items():
        part[f"extra {kind}"] = np.stack([np.asarray(points[extra.names[i]])[keep] for i in columns], 1)
    return part


def _in_octree(path: Path, extra: Columns, box: Corners) -> dict[str, NDArray[Any]]:
    """`_columns` of the points of a COPC file in the box, of which it reads the nodes that the box meets."""
    from laspy.copc import Bounds, CopcReader

    with CopcReader.open(path) as file:
        low, high = corners(box)
        # beyond the file's own bounds its integers end
        met = Bounds(np.clip(low, file.header.mins, file.header.maxs), np.clip(high, file.header.mins, file.header.maxs))
        points = file.query(met)
    return _columns(points, np.ones(len(points), bool), extra, box)


def _check_records(path: Path) -> None:
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
        notes=(f"{len(points)} scans in it, {len(sensors)} with the scanner's position", *notes),
    )


def _joined(parts: list[NDArray[Any] | None]) -> NDArray[Any] | None:
    """What every scan has, of all points; None if a scan lacks it."""
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None
