"""A part of space that alone is wanted: a box in the file's units, by two corners."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from ..errors import InputError

Corners = tuple[float, float, float, float, float, float]


class NothingSelected(InputError):
    """A file has points, and none of them is what was asked for: of several files others may have some."""


def _checked(box: Corners) -> Corners:
    swapped = [axis for axis, low, high in zip("xyz", box[:3], box[3:], strict=True) if not low < high]
    if swapped:
        raise ValueError(
            f"the first corner is not below the second in {', '.join(swapped)}; X0,Y0,Z0,X1,Y1,Z1, the lower first"
        )
    return box


Box = Annotated[Corners, AfterValidator(_checked)]  # as a setting: the lower corner, and the upper one


def corners(box: Corners) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lower corner (3,) and the upper one."""
    return np.array(box[:3]), np.array(box[3:])


def inside(points: NDArray[np.floating], box: Corners) -> NDArray[np.bool_]:
    """Which of (n, 3) points lie in the box, its faces included; those that are not finite do not."""
    low, high = corners(box)
    return np.asarray(((points >= low) & (points <= high)).all(1))


def spans(low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """From where to where points lie on each axis, by their corners (2 or 3,)."""
    return ", ".join(f"{axis} {a:.10g} to {b:.10g}" for axis, a, b in zip("xyz", low, high, strict=False))


def none_in_it(where: object, low: NDArray[np.float64], high: NDArray[np.float64]) -> NothingSelected:
    """The error about a box that none of the points lies in, which lie between ``low`` (3,) and ``high`` (3,)."""
    return NothingSelected("no point of it lies in the box", where=where, hint=f"its points span {spans(low, high)}")
