"""The loss terms of `shape_losses.py`, the readable twin, for one batch of a shape, in machine code (numba): one pass for their
sums, one for the gradients of these. For `shape_losses_cpu.py`; nothing here knows autograd.

A batch is 2,800 samples, and torch spends 1.7 ms of a step on some sixty small operations on them, forward and backward; with
these passes it is .9, drawing the batch included. Compiled once on a user's machine and kept on disk by numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

f32 = np.float32

ON, NORMAL, EIKONAL, OFF, DISTANCE, DIRECTION = range(6)  # places in `shape_losses_cpu.TERMS`
SHORTEST = f32(1e-8)  # shorter vectors count as so long, as in `torch.nn.functional.cosine_similarity`

_PASS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}


@njit(inline="always")
def _length(a, i, j):  # type: ignore[no-untyped-def]
    """The length of the vector a[i, j : j + 3]."""
    return np.sqrt(a[i, j] * a[i, j] + a[i, j + 1] * a[i, j + 1] + a[i, j + 2] * a[i, j + 2])


@njit(inline="always")
def _cosine(a, i, b, k, j):  # type: ignore[no-untyped-def]
    """The cosine of the angle between a[i, :3] and b[k, j : j + 3]."""
    product = a[i, 0] * b[k, j] + a[i, 1] * b[k, j + 1] + a[i, 2] * b[k, j + 2]
    return product / (max(_length(a, i, 0), SHORTEST) * max(_length(b, k, j), SHORTEST))


@njit(inline="always")
def _absolute(x, tolerance):  # type: ignore[no-untyped-def]
    """|x|, quadratic below ``tolerance``."""
    size = abs(x)
    return x * x / (f32(2) * tolerance) if size < tolerance else size - tolerance / f32(2)


@njit(inline="always")
def _absolute_slope(x, tolerance):  # type: ignore[no-untyped-def]
    """The derivative of `_absolute`."""
    return x / tolerance if abs(x) < tolerance else np.sign(x)


@njit(**_PASS)
def term_sums(f, g, surface, tolerance, guide, constants, total):  # type: ignore[no-untyped-def]
    """Add up each term over its samples.

    f (n,), g (rows, 3) : values; gradients of the leading samples
    surface (on, 6 or more) : points and normals of the leading samples
    tolerance (on,) : of their values, in box units
    guide (n - on, 7 or more) : points, distances and directions of the others; or (n - on, 3), points alone
    constants (4,) : power of the Eikonal term, sharpness, trust, guide tolerance, as of `LossSettings`
    total (6,) float64 : gains the sums

    All but the last float32.
    """
    on, guided = len(surface), guide.shape[1] > 6
    power, sharpness, width, slack = constants[0], constants[1], constants[2], constants[3]
    for i in range(on):
        total[ON] += _absolute(f[i], tolerance[i])
        total[NORMAL] += f32(1) - _cosine(g, i, surface, i, 3)
    for i in range(len(g)):
        deviation = _length(g, i, 0) - f32(1)
        total[EIKONAL] += abs(deviation) if power == f32(1) else deviation * deviation
    for k in range(len(guide)):
        i = on + k
        total[OFF] += np.exp(-sharpness * abs(f[i]))
        if guided:
            trust = min(abs(guide[k, 3]) / width, f32(1))
            total[DISTANCE] += trust * _absolute(f[i] - guide[k, 3], slack)
            if i < len(g):
                total[DIRECTION] += trust * (f32(1) - _cosine(g, i, guide, k, 4))


@njit(inline="always")
def _add_cosine_gradient(g, i, b, k, j, weight, dg):  # type: ignore[no-untyped-def]
    """dg[i] gains the gradient of ``-weight * _cosine(g, i, b, k, j)`` in g[i]."""
    length, other = max(_length(g, i, 0), SHORTEST), max(_length(b, k, j), SHORTEST)
    cosine = _cosine(g, i, b, k, j)
    for m in range(3):
        along = g[i, m] / length if length > SHORTEST else f32(0)
        dg[i, m] -= weight / length * (b[k, j + m] / other - cosine * along)


@njit(**_PASS)
def term_gradients(f, g, surface, tolerance, guide, constants, weights, df, dg):  # type: ignore[no-untyped-def]
    """The gradient of the terms' sums, each times its weight (6,) float32, in f and g, to df (n,) and dg (rows, 3)."""
    on, guided = len(surface), guide.shape[1] > 6
    power, sharpness, width, slack = constants[0], constants[1], constants[2], constants[3]
    for i in range(len(g)):
        length = _length(g, i, 0)
        deviation = length - f32(1)
        push = np.sign(deviation) if power == f32(1) else f32(2) * deviation
        push *= weights[EIKONAL] / length if length > f32(0) else f32(0)
        for m in range(3):
            dg[i, m] = push * g[i, m]
    for i in range(on):
        df[i] = weights[ON] * _absolute_slope(f[i], tolerance[i])
        _add_cosine_gradient(g, i, surface, i, 3, weights[NORMAL], dg)
    for k in range(len(guide)):
        i = on + k
        df[i] = -weights[OFF] * sharpness * np.sign(f[i]) * np.exp(-sharpness * abs(f[i]))
        if guided:
            trust = min(abs(guide[k, 3]) / width, f32(1))
            df[i] += weights[DISTANCE] * trust * _absolute_slope(f[i] - guide[k, 3], slack)
            if i < len(g):
                _add_cosine_gradient(g, i, guide, k, 4, weights[DIRECTION] * trust, dg)
