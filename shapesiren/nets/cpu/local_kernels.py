"""A local network at many points in machine code (numba), for ``nets/local.py``, the readable twin."""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import SINE_OPTIONS, f32, sine_and_cosine

ONE, THREE, SIX = f32(1), f32(3), f32(6)


@njit(**SINE_OPTIONS)
def local_values(x, leaf, starts, members, places, w, b, heads, value):  # type: ignore[no-untyped-def]
    units = w.shape[1]
    z = np.empty(units, f32)
    for i in range(len(x)):
        a = leaf[i]
        top = f32(0)
        bottom = f32(0)
        for m in range(starts[a], starts[a + 1]):
            n = members[m]
            r = ONE / places[n, 3]
            t0 = (x[i, 0] - places[n, 0]) * r
            t1 = (x[i, 1] - places[n, 1]) * r
            t2 = (x[i, 2] - places[n, 2]) * r
            u0, u1, u2 = ONE - t0 * t0, ONE - t1 * t1, ONE - t2 * t2
            if u0 <= 0 or u1 <= 0 or u2 <= 0:
                continue
            u = u0 * u1 * u2
            weight = u * u * u * places[n, 4]
            zoom = places[n, 5]
            y0, y1, y2 = t0 * zoom, t1 * zoom, t2 * zoom
            for j in range(units):
                phase = y0 * w[0, j] + y1 * w[1, j] + y2 * w[2, j] + b[j]
                s, c = sine_and_cosine(phase, z)
                z[j] = s
            total = heads[n, units] + t0 * heads[n, units + 1] + t1 * heads[n, units + 2] + t2 * heads[n, units + 3]
            total += dot(z, heads[n])
            top += weight * total
            bottom += weight
        value[i] = top / bottom


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def dot(z, h):  # type: ignore[no-untyped-def]
    total = f32(0)
    for j in range(len(z)):
        total += z[j] * h[j]
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def slopes(z, w, g):  # type: ignore[no-untyped-def]
    g0, g1, g2 = f32(0), f32(0), f32(0)
    for j in range(len(z)):
        g0 += z[j] * w[0, j]
        g1 += z[j] * w[1, j]
        g2 += z[j] * w[2, j]
    g[0], g[1], g[2] = g0, g1, g2


@njit(**SINE_OPTIONS)
def local_gradients(x, leaf, starts, members, places, w, b, heads, value, gradient):  # type: ignore[no-untyped-def]
    units = w.shape[1]
    z, q = np.empty(units, f32), np.empty(units, f32)
    g, t, u, top1, bottom1 = np.empty(3, f32), np.empty(3, f32), np.empty(3, f32), np.empty(3, f32), np.empty(3, f32)
    for i in range(len(x)):
        a = leaf[i]
        top = f32(0)
        bottom = f32(0)
        top1[:] = f32(0)
        bottom1[:] = f32(0)
        for m in range(starts[a], starts[a + 1]):
            n = members[m]
            r = ONE / places[n, 3]
            for k in range(3):
                t[k] = (x[i, k] - places[n, k]) * r
                u[k] = ONE - t[k] * t[k]
            if u[0] <= 0 or u[1] <= 0 or u[2] <= 0:
                continue
            product = u[0] * u[1] * u[2]
            weight = product * product * product * places[n, 4]
            zoom = places[n, 5]
            t0, t1, t2 = t[0] * zoom, t[1] * zoom, t[2] * zoom
            for j in range(units):
                phase = t0 * w[0, j] + t1 * w[1, j] + t2 * w[2, j] + b[j]
                s, c = sine_and_cosine(phase, z)
                z[j] = s
                q[j] = c * heads[n, j]
            total = heads[n, units] + dot(z, heads[n])
            slopes(q, w, g)
            for k in range(3):
                total += t[k] * heads[n, units + 1 + k]
            for k in range(3):
                steep = -SIX * t[k] / u[k] * weight * r
                top1[k] += steep * total + weight * (g[k] * zoom + heads[n, units + 1 + k]) * r
                bottom1[k] += steep
            top += weight * total
            bottom += weight
        value[i] = top / bottom
        for k in range(3):
            gradient[i, k] = (top1[k] - value[i] * bottom1[k]) / bottom
