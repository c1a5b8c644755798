"""The sines that all cells share: random frequencies whose spectrum is that of a smoothness prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEAST, MOST = 0.02, 0.98  # quantiles between which the spectrum is drawn; its ends would be all frequency or none


@dataclass(frozen=True)
class Sines:
    """frequencies (3, U) in half supports, phases (U,), and the deviation of each unit's weight under the prior."""

    frequencies: Tensor
    phases: Tensor
    amplitude: float

    def part(self, units: int, zoom: float, amplitude: float) -> Sines:
        """The first of them, with wavelengths longer by 1 / ``zoom``, for a field whose deviation is ``amplitude``."""
        return Sines(self.frequencies[:, :units] * zoom, self.phases[:units], math.sqrt(2 / units) * amplitude)


def draw(units: int, length: float, smoothness: float, seed: int, device: torch.device) -> Sines:
    """Random Fourier features (Rahimi and Recht 2007) of a Matern kernel, of deviation 1.

    Its spectrum is Student's t with 2 ``smoothness`` degrees of freedom: a Gaussian of random width. A low-discrepancy draw
    needs fewer units than an independent one.

    Parameters
    ----------
    length : of the kernel, in half supports
    """
    from scipy.special import gammaincinv, ndtri  # here: `fit` without scipy is for all who do not draw

    u = places(units, 5, seed)
    normal = ndtri(np.clip(u[:, :3], 1e-4, 1 - 1e-4))
    chi2 = 2 * gammaincinv(smoothness, np.clip(u[:, 3], LEAST, MOST))
    frequencies = normal / length * np.sqrt(2 * smoothness / chi2)[:, None]
    w, b = (torch.from_numpy(a.astype(np.float32)).to(device) for a in (frequencies.T, 2 * math.pi * u[:, 4]))
    return Sines(w, b, math.sqrt(2 / units))


def places(count: int, dimensions: int, seed: int) -> NDArray[np.float64]:
    """(count, dimensions) in [0, 1], evenly spread (a scrambled Sobol sequence)."""
    draws: NDArray[np.float64] = (
        torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=seed).draw(count).double().numpy()
    )
    return draws
