"""Depth images with the camera's intrinsics -> a point cloud in the camera's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import InputError
from ..cloud import PointCloud

SUFFIXES = (".png", ".tif", ".tiff")


def read_depth(path: Path, intrinsics: tuple[float, float, float, float] | None, scale: float) -> PointCloud:
    """Back-project a depth image through a pinhole camera: x = (u - cx) z / fx, y = (v - cy) z / fy, z = value / scale.

    Parameters
    ----------
    intrinsics : fx, fy, cx, cy in pixels
    scale : values to a unit of length; 1000 where millimetres are stored and metres are wanted

    Returns
    -------
    cloud : of the pixels with a value (0 means none), in the camera's frame (x right, y down, z forward), the camera at its
        origin as the sensor

    Raises
    ------
    InputError : no intrinsics, not a single-channel image, no depth in it
    """
    from PIL import Image, UnidentifiedImageError

    if intrinsics is None:
        raise InputError("a depth image needs the camera's intrinsics", where=path, hint="--intrinsics FX,FY,CX,CY")
    try:
        with Image.open(path) as image:
            values = np.asarray(image, np.float64)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as e:
        raise InputError(f"damaged, or not an image ({type(e).__name__})", where=path) from None
    if values.ndim != 2:
        raise InputError(f"an image of shape {values.shape} holds no depth", where=path, hint="expected a single channel")
    v, u = np.nonzero(np.isfinite(values) & (values > 0))
    if not len(u):
        raise InputError("there is no depth in it: every pixel is 0", where=path)
    z = values[v, u] / scale
    fx, fy, cx, cy = intrinsics
    points = np.stack([(u - cx) * z / fx, (v - cy) * z / fy, z], 1)
    note = f"a depth image of {values.shape[1]} x {values.shape[0]}: {len(z):,} pixels with a depth"
    return PointCloud(points, depth_axis=2, notes=(note,)).seen_from(np.zeros(3))
