"""Points that a virtual scanner has taken, a chunk of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Samples:
    """points, normals : (n, 3), these unit; classes : (n,) of the ASPRS, or None; scan : (n,) number of the station, or None"""

    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    classes: NDArray[np.uint8] | None = None
    scan: NDArray[np.uint16] | None = None
