"""In which precision a mesh is taken from a field: bfloat16 where that will do and the machine is quicker at it.

A band needs signs, and of values no more than where Newton steps begin. Products in bfloat16 leave a fitted field wrong by
6e-5 box units in the median and 5e-4 at most near its surface; that is measured for each field, and what is closer to zero is
evaluated in float32. Newton steps need values in float32, and of the gradient a direction.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import Precision
from ..field import Field
from ..nets.cpu.evaluate import MIN_POINTS
from ..nets.precision import low_precision
from ..nets.siren import Siren

FLOAT32_CELLS = 256  # up to which bfloat16 gains little, and vertices are those of the dense grid to the last digits
NEAR_SLOPE_MARGIN = 1.05  # on the slope that is measured near the surface
ERROR_MARGIN = 1.5  # on the largest error of bfloat16 that was seen
ERROR_SAMPLES = 4096  # that it is looked for at


def precision_of(field: Field, resolution: int, wanted: Precision) -> torch.dtype:
    """What signs and directions are evaluated in; auto: beyond `FLOAT32_CELLS` cells what this machine is quicker at."""
    net = field.net
    if not isinstance(net, Siren) or (wanted == "auto" and resolution <= FLOAT32_CELLS):
        return torch.float32
    weight = net.linears[0].weight
    return low_precision(wanted, weight.device, len(weight)) if weight.device.type == "cpu" else torch.float32


class BandValues:
    """Values for a band, (n, 3) box coordinates -> (n,), and a bound on their slope near the surface.

    Their signs are those that the field has in float32; ``level`` is subtracted from them.
    """

    def __init__(self, field: Field, cell: float, dtype: torch.dtype = torch.float32, level: float = 0.0) -> None:
        self.field, self.cell, self.dtype, self.level = field, cell, dtype, np.float32(level)
        self.margin: float | None = None  # |f - level| from which bfloat16 will do; None: nowhere

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        if self.margin is None and len(points) >= MIN_POINTS:
            self._measure(points)
        rough = self.field.box_rough_values(points) if self.margin is not None and len(points) >= MIN_POINTS else None
        if rough is None:
            return self.field.box_values(points) - self.level
        rough = rough - self.level
        close = np.flatnonzero(~(np.abs(rough) > self.margin))
        rough[close] = self.field.box_values(points[close]) - self.level
        return rough

    def slope(self, points: NDArray[np.float64], seed: int = 0, samples: int = 4000) -> float:
        """A bound on |grad f| near ``points``: what 999 of 1000 of them keep, with a margin.

        The largest would let a single cusp triple the cost; where the bound fails the band follows the level set anyway.
        """
        self._measure(points)  # again: the nearer, the smaller
        some = points[np.random.default_rng(seed).integers(0, len(points), samples)]
        _, g = self.field.box_values_and_gradients(some)
        return float(max(1.0, np.quantile(np.linalg.norm(g, axis=1), 0.999)) * NEAR_SLOPE_MARGIN)

    def _measure(self, points: NDArray[np.float64], seed: int = 0) -> None:
        """Set ``margin`` by the error of bfloat16 at some of ``points``."""
        if self.dtype == torch.float32:
            return
        some = points[np.random.default_rng(seed).integers(0, len(points), ERROR_SAMPLES)]
        rough = self.field.box_rough_values(some)
        error = np.inf if rough is None else ERROR_MARGIN * float(np.abs(rough - self.field.box_values(some)).max())
        self.margin = error if error < self.cell else None  # of a larger part of the band both would be asked
