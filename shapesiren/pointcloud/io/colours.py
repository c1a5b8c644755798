"""Colours as files hold them, of any range or packed into one number -> uint8."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HARMONIC = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi)), of which Gaussian splats store the factors


def to_uint8(colours: NDArray[Any], integer: bool | None = None) -> NDArray[np.uint8]:
    """Colours of any range -> uint8: integers above 255 are 16 bit, fractions up to 1 are scaled by 255.

    Parameters
    ----------
    colours : of any shape; what is not finite counts as 0
    integer : whether the file holds integers; by default what the array's type says
    """
    if integer is None:
        integer = colours.dtype.kind in "iu"
    colours = np.nan_to_num(colours, nan=0, posinf=0, neginf=0)
    top = colours.max(initial=0)
    scale = 1.0
    if integer and top > 255:
        scale = 255 / 65535
    elif not integer and top <= 1:
        scale = 255.0
    return np.clip(np.rint(colours * scale), 0, 255).astype(np.uint8)


def survey_colours_to_uint8(colours: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Colours of LAS and E57 files -> uint8, by the high byte. Both ask for 16 bit; many writers put 8 bit values there."""
    return (colours if colours.max() <= 255 else colours >> 8).astype(np.uint8)


def unpack(packed: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours (n,), 0xRRGGBB each, as integers or as a float32 of the same bits -> (n, 3). What is above them is opacity."""
    if packed.dtype.kind in "iu":
        bits = packed.astype(np.int64)
    elif packed.dtype.itemsize == 4:
        bits = np.ascontiguousarray(packed, np.float32).view(np.uint32).astype(np.int64)
    else:  # text: either the integer is written out, or the float32 that has its bits, which is no integer
        values = np.nan_to_num(packed, nan=0, posinf=0, neginf=0)
        written = (np.abs(values) >= 1) & (np.abs(values) < 2**32)
        of_float = np.where(written, 0, values).astype(np.float32).view(np.uint32).astype(np.int64)
        bits = np.where(written, np.where(written, values, 0).astype(np.int64), of_float)
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], 1).astype(np.uint8)


def of_harmonics(factors: NDArray[Any]) -> NDArray[np.uint8]:
    """Factors (n, 3) of the constant harmonic, of Gaussian splats -> the colour of each, averaged over all directions."""
    return to_uint8(np.clip(0.5 + HARMONIC * np.asarray(factors, np.float64), 0, 1), integer=False)
