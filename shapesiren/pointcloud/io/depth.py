"""Depth images with the camera's intrinsics -> a point cloud in the camera's frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...media.no_data import GDAL_NODATA, declared_number, no_data
from ..cloud import PointCloud

SUFFIXES = (".png", ".tif", ".tiff")
FAR_AWAY = 20.0  # times the depth before it: renderers write 65504 or 1e10 where there is nothing


def read_depth(path: Path, intrinsics: tuple[float, float, float, float] | None, scale: float) -> PointCloud:
    """Back-project a depth image through a pinhole camera: x = (u - cx) z / fx, y = (v - cy) z / fy, z = value / scale.

    Parameters
    ----------
    intrinsics : fx, fy, cx, cy in pixels
    scale : values to a unit of length; 1000 where millimetres are stored and metres are wanted

    Returns
    -------
    cloud : of the pixels with a depth, see `returns`, in the camera's frame (x right, y down, z forward), the camera at its
        origin as the sensor

    Raises
    ------
    InputError : no intrinsics, not a single-channel image, no depth in it
    """
    if intrinsics is None:
        raise InputError("a depth image needs the camera's intrinsics", where=path, hint="--intrinsics FX,FY,CX,CY")
    try:
        values, declared = _read_tiff(path) if path.suffix.lower() in (".tif", ".tiff") else _read_png(path)
    except ModuleNotFoundError:
        raise
    except Exception as e:  # parsers of damaged files raise anything
        raise InputError(f"damaged, or not an image ({type(e).__name__})", where=path) from None
    if values.ndim != 2 or values.dtype.kind not in "uif":
        raise InputError(f"an image of shape {values.shape} holds no depth", where=path, hint="expected a single channel")
    returned, said = returns(values, declared)
    v, u = np.nonzero(returned)
    if not len(u):
        what = "every pixel is 0" if not values.any() else f"no pixel has a return{said}"
        raise InputError(f"there is no depth in it: {what}", where=path)
    values = values.astype(np.float64)
    z = values[v, u] / scale
    fx, fy, cx, cy = intrinsics
    points = np.stack([(u - cx) * z / fx, (v - cy) * z / fy, z], 1)
    note = f"a depth image of {values.shape[1]} x {values.shape[0]}: {len(z):,} pixels with a depth{said}"
    return PointCloud(points, depth_axis=2, notes=(note,)).seen_from(np.zeros(3))


def returns(values: NDArray[Any], declared: float | None = None) -> tuple[NDArray[np.bool_], str]:
    """Which pixels of a depth image (h, w) saw something, and what the others hold, for people; nothing if that is 0.

    They did not where the value is 0 or less, `media.no_data`, or the largest that an integer can be; or where it is the
    largest of all, occurs more than once, and is `FAR_AWAY` times the next: a number for a background is no wall.
    """
    gone, words = no_data(values[..., None], declared)
    top = largest_of(values)
    if top is not None and (values == top).any():
        gone |= values == top
        words.append(f"{top:,}, the largest that its pixels can hold")
    seen = ~gone & (values > 0)
    if (~gone & (values < 0)).any():
        words.append("negative")
    depths = np.unique(values[seen])
    if len(depths) > 1 and depths[-1] > FAR_AWAY * depths[-2] and (values == depths[-1]).sum() > 1:
        seen &= values != depths[-1]
        words.append(f"{depths[-1]:g}, far behind all others")
    return seen, f"; no return where they hold {', or '.join(words)}" if words else ""


def largest_of(values: NDArray[Any]) -> int | None:
    """The largest number that the pixels' type holds; of wider types that of 16 bits, where it is the largest."""
    if values.dtype.kind == "f" or not values.size:
        return None
    most = int(np.iinfo(values.dtype).max)
    return 65535 if most > 65535 and values.max() == 65535 else most


def _read_png(path: Path) -> tuple[NDArray[Any], float | None]:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image), None


def _read_tiff(path: Path) -> tuple[NDArray[Any], float | None]:
    """The first page, and the number that it declares to be no data."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        tag = page.tags.get(GDAL_NODATA)
        return page.asarray(), declared_number(None if tag is None else tag.value)
