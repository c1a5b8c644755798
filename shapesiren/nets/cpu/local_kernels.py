"""A local network at many points in machine code (numba); ``nets/local.py`` is the readable twin, with its formulas."""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import PASS_OPTIONS, SINE_OPTIONS, f32, sine_and_cosine

ZERO, ONE, SIX = f32(0), f32(1), f32(6)


@njit(**PASS_OPTIONS)
def dot(a, b, n):  # type: ignore[no-untyped-def]
    total = ZERO
    for j in range(n):
        total += a[j] * b[j]
    return total


@njit(**SINE_OPTIONS)
def plain_sines(y0, y1, y2, w, b, s):  # type: ignore[no-untyped-def]
    for j in range(w.shape[1]):
        sine, _ = sine_and_cosine(y0 * w[0, j] + y1 * w[1, j] + y2 * w[2, j] + b[j], s)
        s[j] = sine


@njit(**SINE_OPTIONS)
def sines_and_cosines(y0, y1, y2, w, b, head, s, q):  # type: ignore[no-untyped-def]
    """Sines, and cosines times the head."""
    for j in range(w.shape[1]):
        sine, cosine = sine_and_cosine(y0 * w[0, j] + y1 * w[1, j] + y2 * w[2, j] + b[j], s)
        s[j] = sine
        q[j] = cosine * head[j]


@njit(**SINE_OPTIONS)
def local_network(x, leaf, starts, members, places, w, b, heads, value, gradient):  # type: ignore[no-untyped-def]
    """Values and gradients at points of the octree's cube.

    x (n, 3) float32, leaf (n,) that each lies in; starts, members as of `Octree.reaching_into`, places as of `Local`;
    w (3, U), b (U,), heads (L, U + 4) -> value (n,), gradient (n, 3), or (0, 3) where none is wanted
    """
    units, wanted = w.shape[1], gradient.shape[0] > 0
    s, q = np.empty(units, f32), np.empty(units, f32)
    t, u, g, top_slope, bottom_slope = np.empty(3, f32), np.empty(3, f32), np.empty(3, f32), np.empty(3, f32), np.empty(3, f32)
    for i in range(len(x)):
        top, bottom = ZERO, ZERO
        top_slope[:] = ZERO
        bottom_slope[:] = ZERO
        for m in range(starts[leaf[i]], starts[leaf[i] + 1]):
            a = members[m]
            per_reach, zoom = ONE / places[a, 3], places[a, 5]
            for k in range(3):
                t[k] = (x[i, k] - places[a, k]) * per_reach
                u[k] = ONE - t[k] * t[k]
            if u[0] <= ZERO or u[1] <= ZERO or u[2] <= ZERO:
                continue
            product = u[0] * u[1] * u[2]
            weight = product * product * product * places[a, 4]
            y0, y1, y2 = t[0] * zoom, t[1] * zoom, t[2] * zoom
            if wanted:
                sines_and_cosines(y0, y1, y2, w, b, heads[a], s, q)
            else:
                plain_sines(y0, y1, y2, w, b, s)
            total = heads[a, units] + dot(s, heads[a], units)
            for k in range(3):
                total += t[k] * heads[a, units + 1 + k]
            top += weight * total
            bottom += weight
            if wanted:
                for k in range(3):
                    g[k] = dot(q, w[k], units) * zoom + heads[a, units + 1 + k]
                    steep = -SIX * t[k] / u[k] * weight * per_reach
                    top_slope[k] += steep * total + weight * g[k] * per_reach
                    bottom_slope[k] += steep
        value[i] = top / bottom
        if wanted:
            for k in range(3):
                gradient[i, k] = (top_slope[k] - value[i] * bottom_slope[k]) / bottom
