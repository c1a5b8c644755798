"""The rows of `heads.design` in machine code (numba): torch takes a pass over memory for every product, sine and copy."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..nets.cpu.kernels import SINE_OPTIONS, f32, sine_and_cosine


@njit(**SINE_OPTIONS)
def design_rows(x, value_weight, slope_weight, w, b, amplitude, value, cosines):  # type: ignore[no-untyped-def]
    """x (B, n, 3), value_weight and slope_weight (B, n), w (3, U), b (U,), amplitude (B, U) -> value (B, n, U + 4) float64,
    weighted sines and the linear part; cosines (B, k, U), weighted, of which the first n rows of each are written"""
    units = w.shape[1]
    s, c = np.empty(units, f32), np.empty(units, f32)
    for a in range(x.shape[0]):
        for i in range(x.shape[1]):
            x0, x1, x2 = x[a, i, 0], x[a, i, 1], x[a, i, 2]
            for j in range(units):
                s[j], c[j] = sine_and_cosine(x0 * w[0, j] + x1 * w[1, j] + x2 * w[2, j] + b[j], s)
            weight, high = slope_weight[a, i], np.float64(value_weight[a, i])
            for j in range(units):
                cosines[a, i, j] = c[j] * amplitude[a, j] * weight
                value[a, i, j] = np.float64(s[j] * amplitude[a, j]) * high
            value[a, i, units] = high
            value[a, i, units + 1] = np.float64(x0) * high
            value[a, i, units + 2] = np.float64(x1) * high
            value[a, i, units + 3] = np.float64(x2) * high
