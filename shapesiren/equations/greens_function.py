"""Green's function of the Helmholtz equation in the plane: the field of point sources in a uniform medium."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .problems import Source

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


def hankel(sources: Sequence[Source], wavenumber: float, points: Array) -> Complex:
    """The field of each source in a uniform medium of speed 1, (n, sources): ``i / 4 H0^(2)(k r)`` times its integral and
    ``exp(-k^2 width^2 / 2)``, exact beyond a few widths of it (a Gaussian radiates like a point of that strength)."""
    from scipy.special import hankel2

    found = []
    for s in sources:
        r = np.linalg.norm(points - np.array(s.position), axis=1)
        size = 2 * np.pi * s.width**2 * np.exp(-((wavenumber * s.width) ** 2) / 2) if s.width else 1.0
        found.append(0.25j * hankel2(0, wavenumber * np.maximum(r, 1e-9)) * complex(*s.strength) * size)
    return np.stack(found, 1)
