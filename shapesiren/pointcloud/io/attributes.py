"""What formats have in common about the attributes of points: the names of scalars, and the range of colours."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

# names of a scalar per point that PLY and PCD files use for the strength of the echo, the preferred one first
INTENSITY_NAMES = ("intensity", "scalar_Intensity", "scalar_intensity", "reflectance", "scalar_Reflectance")


def intensity_name(names: Collection[str]) -> str | None:
    """Which of a file's scalars is the intensity, or None."""
    return next((name for name in INTENSITY_NAMES if name in names), None)


def to_uint8(colours: NDArray[Any], integer: bool | None = None) -> NDArray[np.uint8]:
    """Colours of any range -> uint8: integers above 255 are 16 bit, fractions up to 1 are scaled by 255.

    Parameters
    ----------
    colours : of any shape; NaN counts as 0
    integer : whether the file holds integers; by default what the array's type says
    """
    if integer is None:
        integer = colours.dtype.kind in "iu"
    top = np.nanmax(colours, initial=0)
    scale = 1.0
    if integer and top > 255:
        scale = 255 / 65535
    elif not integer and top <= 1:
        scale = 255.0
    return np.clip(np.rint(np.nan_to_num(colours) * scale), 0, 255).astype(np.uint8)


def survey_colours_to_uint8(colours: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Colours of LAS and E57 files -> uint8, by the high byte. Both ask for 16 bit; many writers put 8 bit values there."""
    return (colours if colours.max() <= 255 else colours >> 8).astype(np.uint8)
