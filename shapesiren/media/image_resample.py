"""A fitted image at any size."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from .facts import DecodedImage
from .headers import ImageHeader
from .image import grid
from .settings import ImageDecodeSettings

MAX_SAMPLES = 1 << 29  # values of one result; above, memory would be the next error


def decode_image(fitted: Field, settings: ImageDecodeSettings) -> tuple[NDArray[np.float64], DecodedImage]:
    """Intensities on a grid of pixel centres.

    Returns
    -------
    values : (h, w, c), in the file's units ([0, 1] of integer files)
    facts : size, crop, seconds

    Raises
    ------
    InputError : a crop outside the image, or a result too large for any use
    """
    start = time.perf_counter()
    height, width, channels = ImageHeader.of(fitted.header).shape
    x, y, w, h = settings.crop or (0.0, 0.0, float(width), float(height))
    if not (0 <= x < x + w <= width and 0 <= y < y + h <= height):
        raise InputError(
            f"the crop {x:g},{y:g} {w:g} x {h:g} is not inside the image ({width} x {height})",
            where="decode.crop",
            hint="x,y,width,height in pixels of the original",
        )
    if settings.size is not None:
        columns, rows = (int(n) for n in settings.size.split("x"))
    else:
        columns, rows = max(1, round(w * settings.scale)), max(1, round(h * settings.scale))
    if min(columns, rows) < 1 or columns * rows * channels > MAX_SAMPLES:
        raise InputError(f"{columns} x {rows} pixels", where="decode.size", hint=f"1 to {MAX_SAMPLES // channels:,} in all")
    values = sample(fitted, rows, columns, (x, y, x + w, y + h))
    took = round(time.perf_counter() - start, 3)
    return values, DecodedImage(width=columns, height=rows, crop=(x, y, w, h), seconds=took)


def sample(fitted: Field, rows: int, columns: int, rectangle: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Intensities (rows, columns, c) over a rectangle x0, y0, x1, y1 in pixels; a few rows at a time."""
    x0, y0, x1, y1 = rectangle
    channels = fitted.net.out_features
    out = np.empty((rows, columns, channels))
    band = max(1, (1 << 20) // columns)
    for top in range(0, rows, band):
        bottom = min(rows, top + band)
        a, b = (y0 + (y1 - y0) * r / rows for r in (top, bottom))
        out[top:bottom] = fitted(grid(bottom - top, columns, x0, a, x1, b)).reshape(bottom - top, columns, channels)
    mean = ImageHeader.of(fitted.header).mean
    if mean is not None:  # fitted to derivatives, which do not hold the constant
        out += np.asarray(mean) - mean_of(fitted)
    return out


def mean_of(fitted: Field) -> NDArray[np.float64]:
    """Mean intensity (c,) over the whole image, on its own grid."""
    height, width, _ = ImageHeader.of(fitted.header).shape
    return np.asarray(fitted(grid(height, width, 0, 0, width, height)).mean(0))


def to_levels(values: NDArray[np.float64], header: ImageHeader) -> tuple[NDArray[np.float64], int, str | None]:
    """What a PNG can hold: intensities in [0, 1], the bits, and a note where that lost something."""
    if header.depth < 32:
        return values, header.depth, None
    middle, half = header.values.offset, header.values.scale
    low, high = middle - half, middle + half
    note = f"its values from {low:.6g} to {high:.6g} are 0 to 65535 here; -o NAME.tif holds them as they are"
    return (values - low) / (high - low), 16, note
