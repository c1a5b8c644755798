"""PCD, the format of the Point Cloud Library (pointclouds.org/documentation/tutorials/pcd_file_format.html)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..cloud import PointCloud
from .attributes import intensity_name, to_uint8


def read_pcd(path: Path) -> PointCloud:
    """ASCII, binary and compressed PCD, through open3d's tensor reader (which keeps float64)."""
    from ...runtime.open3d_loader import open3d

    header = _header(path)
    expected = int(header["POINTS"][0])
    cloud = open3d().t.io.read_point_cloud(str(path))
    found = len(cloud.point.positions) if "positions" in cloud.point else 0
    if header.get("DATA") == ["ascii"]:  # open3d fills up what a short text file lacks
        text = path.read_bytes().split(b"DATA ascii", 1)[1]
        found = min(found, sum(1 for line in text.splitlines() if line.strip()))
    if found < expected:
        raise InputError(f"the PCD file is truncated: {found:,} of {expected:,} points could be read", where=path)
    arrays = {name: cloud.point[name].numpy() for name in cloud.point}
    scalar = intensity_name(arrays)
    read = PointCloud(
        arrays["positions"].astype(np.float64),
        arrays["normals"].astype(np.float64) if "normals" in arrays else None,
        to_uint8(arrays["colors"]) if "colors" in arrays else None,
        intensity=None if scalar is None else arrays[scalar].reshape(-1).astype(np.float32),
    )
    return _with_viewpoint(read, header)


def _header(path: Path) -> dict[str, list[str]]:
    """The words of each header line, by its first one. Raises InputError if FIELDS or POINTS is missing."""
    with open(path, "rb") as f:
        text = f.read(4096).decode("ascii", "replace")
    header = {line.split(" ", 1)[0]: line.split()[1:] for line in text.splitlines() if " " in line}
    if "FIELDS" not in header or "POINTS" not in header:
        raise InputError("not a PCD file: its header lacks FIELDS or POINTS", where=path)
    return header


def _with_viewpoint(cloud: PointCloud, header: dict[str, list[str]]) -> PointCloud:
    """The cloud with the scanner where the header's VIEWPOINT says; surely, if its points form one depth frame.

    Many writers leave (0, 0, 0) there. Points in rows and columns (HEIGHT above 1) are one depth frame, and then it is where
    the camera was.
    """
    try:
        position = np.array([float(v) for v in header.get("VIEWPOINT", [])[:3]])
        is_frame = int(header.get("HEIGHT", ["1"])[0]) > 1
    except ValueError:
        return cloud
    if is_frame:
        cloud = replace(cloud, depth_axis=2)
    return cloud.seen_from(position, sure=is_frame) if len(position) == 3 and np.isfinite(position).all() else cloud
