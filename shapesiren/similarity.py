"""The frame: the similarity between the user's coordinates and the network's box [-1, 1]^d."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """``user = centre + scale * box``, in float64 throughout.

    centre : (d,) float64, user units
    scale : user units per box unit
    """

    centre: tuple[float, ...]
    scale: float

    @classmethod
    def of_bounds(cls, low: Array, high: Array, extent: float) -> Similarity:
        """The frame that centres the bounds and maps their longest side to ``extent`` box units."""
        low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        # midpoint without overflow of low + high, and without cancellation for UTM-sized values
        centre = low + (high - low) / 2
        return cls(tuple(float(c) for c in centre), float((high - low).max() / extent))

    def to_box(self, points: Array) -> Array:
        """(n, d) user coordinates -> (n, d) float64 box coordinates."""
        return (np.asarray(points, np.float64) - np.asarray(self.centre)) / self.scale

    def to_user(self, points: Array) -> Array:
        """(n, d) box coordinates -> (n, d) float64 user coordinates."""
        return np.asarray(points, np.float64) * self.scale + np.asarray(self.centre)

    def needs_float64(self, step: float) -> bool:
        """Whether float32 user coordinates would move points by more than 0.1 % of ``step`` (user units)."""
        reach = max(abs(c) for c in self.centre) + self.scale * 1.5
        return reach * 2.0**-24 > 1e-3 * step
