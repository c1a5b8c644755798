"""A scan as a local field is solved of it, and how far such a field may be off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..field import Field
from ..local.error_bars import error_bars
from ..local.problem import Scan
from ..local.settings import LocalSettings
from ..pointcloud.header import CloudHeader
from ..pointcloud.normals.deviation import normals_deviation
from ..pointcloud.scan.noise import noise_across
from ..pointcloud.scan.noise_weight import CLEAN_NOISE
from .base import Arrays
from .shape_settings import LossSettings


def scan_of(arrays: Arrays, header: CloudHeader, loss: LossSettings) -> Scan:
    """An ingested cloud as a local field is fitted to it."""
    points, normals = (arrays[name].astype(np.float64) for name in ("points", "normals"))
    noise = 0.0 if loss.noise == "ignore" or header.noise <= CLEAN_NOISE else header.noise
    given = header.normals != "estimated"
    if noise and given:  # the two sheets of a thin wall are no noise
        noise = min(noise, noise_across(points, normals, noise))
    deviation = np.full(len(points), noise)
    if loss.noise != "ignore" and "deviation" in arrays:
        deviation = arrays["deviation"].astype(np.float64)
    tilt = normals_deviation(points, normals) if given else 0.0  # estimated ones agree with their neighbours, right or wrong
    return Scan(points, normals, deviation, max(header.spacing, 1e-6), not header.open, given, tilt)


def error_bars_at(
    vertices: NDArray[np.float64], fitted: Field, arrays: Arrays, local: LocalSettings, loss: LossSettings, seed: int
) -> NDArray[np.float32]:
    """(n,) standard deviation, across the surface, of vertices (n, 3) on a solved field's surface, in the user's units."""
    scan = scan_of(arrays, CloudHeader.of(fitted.header), loss)
    deviation = error_bars(scan, local, seed, fitted.net.device)(fitted.frame.to_box(vertices))
    return np.asarray(deviation * fitted.frame.scale, np.float32)
