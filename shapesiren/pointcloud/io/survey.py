"""Formats of the surveying trade: LAS and LAZ, E57. Their packages are extras: `pip install 'shapesiren[survey]'`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..cloud import PointCloud, random_rows

Pick = Callable[[int], NDArray[np.int64] | None]
NOISE_CLASSES = (7, 18)  # low and high noise (ASPRS LAS 1.4 R15, table 17)
CHUNK = 1 << 20
MOST_POINTS_PER_BYTE = 100  # no compression gets so far
NEEDS = {".las": ("laspy",), ".laz": ("laspy", "lazrs"), ".e57": ("pye57",)}
INSTALL = "pip install 'shapesiren[survey]'"


def extra(name: str, where: Path) -> Any:
    """An optional package, or an InputError that names the command which installs it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        kind = where.suffix[1:].upper()
        raise InputError(f"reading {kind} files needs the package {name}", where=where, hint=INSTALL) from None


def require(path: Path) -> None:
    """Raise InputError if a package that this file needs is missing."""
    for name in NEEDS[path.suffix.lower()]:
        extra(name, path)


def read_las(path: Path, pick: Pick = lambda count: None) -> PointCloud:
    """LAS and LAZ, in chunks: coordinates in float64, colours, intensity; points marked as noise or withheld are left out."""
    require(path)
    laspy = extra("laspy", path)
    parts: list[dict[str, NDArray[Any]]] = []
    dropped = 0
    with laspy.open(path) as file:
        total = int(file.header.point_count)
        if total > MOST_POINTS_PER_BYTE * path.stat().st_size:
            raise InputError(f"damaged: its header promises {total:,} points", where=path)
        rows = pick(total)
        start = 0
        for chunk in file.chunk_iterator(CHUNK):
            n = len(chunk)
            keep = ~(np.isin(np.asarray(chunk.classification), NOISE_CLASSES) | np.asarray(chunk.withheld).astype(bool))
            if rows is not None:
                chosen = np.zeros(n, bool)
                first, last = np.searchsorted(rows, (start, start + n))
                chosen[rows[first:last] - start] = True
                dropped += int((chosen & ~keep).sum())
                keep &= chosen
            else:
                dropped += int((~keep).sum())
            part = {"points": np.stack([np.asarray(chunk[a], np.float64)[keep] for a in "xyz"], 1)}
            part["intensity"] = np.asarray(chunk.intensity)[keep].astype(np.float32)
            if "red" in chunk.point_format.dimension_names:
                part["colours"] = np.stack([np.asarray(chunk[c])[keep] for c in ("red", "green", "blue")], 1)
            parts.append(part)
            start += n
    if start < total:
        raise InputError(f"the file is truncated: {start:,} of {total:,} points could be read", where=path)
    if not parts:
        raise InputError("there are no points in it", where=path)
    whole = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    notes = (f"left out {dropped:,} points that the file marks as noise or withheld",) if dropped else ()
    colours = whole.get("colours")
    return PointCloud(
        whole["points"],
        colours=None if colours is None or not colours.any() else _colours16(colours),
        intensity=whole["intensity"] if whole["intensity"].any() else None,
        notes=notes,
    )


def _colours16(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """The standard asks for 16 bit; many writers leave 8 bit values in them."""
    return (colours if colours.max() <= 255 else colours >> 8).astype(np.uint8)


def read_e57(path: Path, pick: Pick = lambda count: None) -> PointCloud:
    """E57: all its scans in the common frame, each point with the position of the scanner that measured it."""
    pye57 = extra("pye57", path)
    file = pye57.E57(str(path))
    try:
        parts: list[tuple[NDArray[np.float64], NDArray[Any] | None, NDArray[Any] | None]] = []
        sensors: list[NDArray[np.float64]] = []
        sensor: list[NDArray[np.int32]] = []
        start = 0
        count = file.scan_count
        headers = [file.get_header(i) for i in range(count)]
        total = sum(h.point_count for h in headers)
        rows = pick(total)
        for i, header in enumerate(headers):
            data = file.read_scan(i, intensity=True, colors=True, ignore_missing_fields=True)
            points = np.stack([np.asarray(data["cartesian" + a], np.float64) for a in "XYZ"], 1)
            keep = np.arange(len(points))
            if rows is not None:  # invalid points are already gone, so the share is kept rather than the rows
                share = np.searchsorted(rows, start + header.point_count) - np.searchsorted(rows, start)
                keep = random_rows(len(points), min(int(share), len(points)), i)
            start += header.point_count
            colours = [data.get("color" + c) for c in ("Red", "Green", "Blue")]
            rgb = None if any(c is None for c in colours) else np.stack([np.asarray(c)[keep] for c in colours], 1)
            strength = data.get("intensity")
            parts.append((points[keep], rgb, None if strength is None else np.asarray(strength, np.float32)[keep]))
            posed = header.has_pose()
            sensor.append(np.full(len(keep), len(sensors) if posed else -1, np.int32))
            if posed:
                sensors.append(np.asarray(header.translation, np.float64))
    finally:
        file.close()
    if not parts:
        raise InputError("there are no scans in it", where=path)
    rgbs, strengths = [p[1] for p in parts], [p[2] for p in parts]
    colours8 = None
    if all(c is not None for c in rgbs):
        values = np.concatenate([c for c in rgbs if c is not None]).astype(np.int64)
        colours8 = _colours16(values)
    return PointCloud(
        np.concatenate([p[0] for p in parts]),
        colours=colours8,
        intensity=np.concatenate([s for s in strengths if s is not None]) if all(s is not None for s in strengths) else None,
        sensors=np.stack(sensors) if sensors else None,
        sensor=np.concatenate(sensor) if sensors else None,
        notes=(f"{len(parts)} scans in it, {len(sensors)} with the scanner's position",),
    )
