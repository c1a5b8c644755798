"""Pixels that hold no data: what fills the holes of elevation models, depth images and masked pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GDAL_NODATA = 42113  # the TIFF tag, a number as text
HUGE = 1e30  # nothing is measured so: 3.4e38 and 1e38 are what programs fill holes with
UNDECLARED = (-9999.0, -99999.0, -32767.0, -32768.0)  # which files hold without saying so


def declared_number(text: object) -> float | None:
    """The number that a tag declares; None if there is no tag or no number in it."""
    try:
        return float(str(text).strip("\0 "))
    except ValueError:
        return None


def no_data(values: NDArray[Any], declared: float | None = None) -> tuple[NDArray[np.bool_], list[str]]:
    """Which pixels of (h, w, c) hold no data, and what stands there, for people. -> (h, w)

    That is: NaN, infinite or `HUGE` values; the ``declared`` one; and the lowest, if it is one of `UNDECLARED`, occurs more
    than once and lies farther from all others than they do from each other.
    """
    gone = np.zeros(values.shape[:2], bool)
    words: list[str] = []

    def drop(pixels: NDArray[np.bool_], what: str) -> None:
        if (pixels & ~gone).any():
            words.append(what)
            gone[pixels] = True

    if values.dtype.kind == "f":
        drop(~np.isfinite(values).all(-1), "not finite")
        with np.errstate(invalid="ignore", over="ignore"):  # float16 cannot hold HUGE: none of its numbers is
            drop((np.abs(values) >= HUGE).any(-1), "huge")
    if declared is not None and np.isfinite(declared):
        drop((values == _of_type(declared, values.dtype)).all(-1), f"{declared:g}, as the file declares")
    rest = values[~gone]
    if values.dtype.kind != "u" and rest.size:
        low = rest.min()
        others = rest[rest > low]
        often = others.size and (rest == low).sum() > 1
        if often and float(low) in UNDECLARED and float(others.min()) - float(low) > float(others.max()) - float(others.min()):
            drop((values == low).all(-1), f"{low:g}")
    return gone, words


def _of_type(number: float, dtype: np.dtype[Any]) -> Any:
    """The number as an array of this type holds it; NaN, which equals nothing, if it cannot."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(number)
    return number if number == int(number) else np.nan


def filled(values: NDArray[np.float32], gone: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The same (h, w, c) with the nearest pixel's values where they are ``gone`` (h, w), which not all may be."""
    from scipy.ndimage import distance_transform_edt

    row, column = distance_transform_edt(gone, return_distances=False, return_indices=True)
    return values[row, column]
