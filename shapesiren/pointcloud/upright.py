"""Which way is up: what the report, the viewer and pictures turn a scan by, where the user does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .header import CloudHeader
from .scan.viewpoint import seen_from_above

SURVEYED = (".las", ".laz", ".e57", ".ptx", ".tif", ".tiff")  # formats of instruments that stand upright, and of maps
FAR = 10.0  # times its own size that what is georeferenced lies from the origin


def vertical_of_scan(header: CloudHeader, sensors: str = "none", source: str = "") -> str:
    """The vertical axis of an ingested scan: z where it is open (a room, terrain), was seen from above, is in coordinates of a
    map, or came of a surveyor's format; y else, as modellers have it.

    Parameters
    ----------
    sensors : where its scanners' positions are from, see `facts.SensorFacts`
    source : the name of its file
    """
    frame = header.frame
    far = bool(np.abs(np.array(frame.centre)).max() > FAR * frame.scale)
    surveyed = Path(source).suffix.lower() in SURVEYED
    return "z" if header.open or sensors == "above" or far or surveyed else "y"


def vertical_of_run(wanted: str, header: CloudHeader, manifest: dict[str, Any]) -> str:
    """The vertical axis of a run: the one that its settings want, or what its manifest tells where they say auto."""
    if wanted != "auto":
        return wanted
    sensors = manifest["stages"].get("ingest", {}).get("facts", {}).get("sensors", {})
    return vertical_of_scan(header, sensors.get("origin", "none"), str(manifest.get("source", {}).get("name", "")))


def vertical_of_points(points: NDArray[Any], source: str = "") -> str:
    """The same of points (n, 3), or vertices, of which no more is known than the name of their file."""
    some = points[np.isfinite(points).all(1)].astype(np.float64)
    if Path(source).suffix.lower() in SURVEYED:
        return "z"
    if len(some) < 3:
        return "y"
    low, high = some.min(0), some.max(0)
    far = float(np.abs((low + high) / 2).max()) > FAR * float((high - low).max()) / 2
    return "z" if far or seen_from_above(some) else "y"
