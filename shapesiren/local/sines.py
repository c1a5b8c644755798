"""The sines that all leaves share: random frequencies whose spectrum is that of a smoothness prior."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri
from scipy.stats import qmc


def draw(units: int, length: float, smoothness: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Frequencies (3, units) and phases (units,) of random Fourier features (Rahimi and Recht 2007) of a Matern kernel.

    Its spectrum is Student's t with 2 ``smoothness`` degrees of freedom; a low-discrepancy draw stands for it with fewer units.

    Parameters
    ----------
    length : of the kernel, in units of a leaf's reach
    """
    u = qmc.Sobol(5, seed=seed).random(units)
    normal = ndtri(np.clip(u[:, :3], 1e-4, 1 - 1e-4))
    chi2 = 2 * gammaincinv(smoothness, np.clip(u[:, 3], 0.02, 0.98))
    frequencies = normal / length * np.sqrt(2 * smoothness / chi2)[:, None]
    return frequencies.T.astype(np.float32), (2 * math.pi * u[:, 4]).astype(np.float32)
