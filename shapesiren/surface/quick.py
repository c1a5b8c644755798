"""The field's values for its narrow band: in bfloat16 where the machine is quicker at it, in float32 close to zero.

A band needs signs, and of values no more than where Newton steps begin. Products in bfloat16 leave a fitted field wrong by
6e-5 box units in the median and 5e-4 at most near its surface; that is measured for each field, and what is closer to zero is
evaluated in float32.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..field import Field
from ..nets.bulk import LEAST
from ..nets.precision import Precision, low_precision
from ..nets.siren import Siren

SLOPE_MARGIN = 1.05  # on the slope that is measured near the surface
SAFETY = 1.5  # on the largest error seen
SAMPLES = 4096  # of that error


class BandValues:
    """Values with the sign of the field in float32 (n, 3) -> (n,), and a bound on their slope near the surface."""

    def __init__(self, field: Field, cell: float, precision: Precision = "float32") -> None:
        self.field, self.cell = field, cell
        self.wanted = isinstance(field.net, Siren) and self._is_quick(field.net, precision)
        self.margin: float | None = None  # |f| from which bfloat16 will do; None: nowhere

    @staticmethod
    def _is_quick(net: Siren, precision: Precision) -> bool:
        weight = net.linears[0].weight
        return weight.device.type == "cpu" and low_precision(precision, weight.device, len(weight)) is torch.bfloat16

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        if self.margin is None and len(points) >= LEAST:
            self._measure(points)
        rough = self.field.box_rough_values(points) if self.margin is not None and len(points) >= LEAST else None
        if rough is None:
            return self.field.box_values(points)
        close = np.flatnonzero(~(np.abs(rough) > self.margin))
        rough[close] = self.field.box_values(points[close])
        return rough

    def slope(self, points: NDArray[np.float64], seed: int = 0, samples: int = 4000) -> float:
        """A bound on |grad f| near ``points``: what 999 of 1000 of them keep, with a margin.

        The largest would let a single cusp triple the cost; where the bound fails the band follows the level set anyway.
        """
        self._measure(points)  # again: the nearer, the smaller
        some = points[np.random.default_rng(seed).integers(0, len(points), samples)]
        _, g = self.field.box_values_and_gradients(some)
        return float(max(1.0, np.quantile(np.linalg.norm(g, axis=1), 0.999)) * SLOPE_MARGIN)

    def _measure(self, points: NDArray[np.float64], seed: int = 0) -> None:
        """Set ``margin`` by the error of bfloat16 at some of ``points``."""
        if not self.wanted:
            return
        some = points[np.random.default_rng(seed).integers(0, len(points), SAMPLES)]
        rough = self.field.box_rough_values(some)
        error = np.inf if rough is None else SAFETY * float(np.abs(rough - self.field.box_values(some)).max())
        self.margin = error if error < self.cell else None  # of a larger part of the band both would be asked
