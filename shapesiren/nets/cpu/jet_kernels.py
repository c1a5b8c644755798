"""Pointwise passes of `jets.py` in machine code (numba); see `kernels.py` for the types and the sine.

A stack holds, one below the other, n rows each of the value, of the d tangents and, of order 2, of the sum of g_k times the
second derivative along coordinate k, with weights g (n, d) that may differ from sample to sample: all ones make a Laplacian.
Names: before an activation z, u_k, m; after it s = sin z, t_k = c u_k, l = c m - s sum_k g_k u_k^2 with c = cos z.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import _PASS, _SINE, f32, load, sine_and_cosine, store


@njit(**_SINE)
def jet_first(x, g, w, b, order, out, c):  # type: ignore[no-untyped-def]
    """First layer: x (n, d), w (d, width), b (width,) float32 -> stack ``out``, cosine c (n, width). Phase in float32."""
    n, d = x.shape
    z, square = np.empty(len(b), f32), np.empty(len(b), f32)
    for i in range(n):
        for j in range(len(b)):
            z[j] = b[j]
        for k in range(d):
            for j in range(len(b)):
                z[j] += x[i, k] * w[k, j]
        for j in range(len(b)):
            sine, cosine = sine_and_cosine(z[j], out)
            store(out, i, j, sine)
            store(c, i, j, cosine)
            z[j] = sine
        for k in range(d):
            row = n * (1 + k) + i
            for j in range(len(b)):
                store(out, row, j, load(c, i, j) * w[k, j])
        if order == 2:
            row = n * (1 + d) + i
            for j in range(len(b)):
                square[j] = f32(0)
            for k in range(d):
                for j in range(len(b)):
                    square[j] += g[i, k] * w[k, j] * w[k, j]
            for j in range(len(b)):
                store(out, row, j, -z[j] * square[j])


@njit(**_SINE)
def jet_hidden(y, g, b, d, order, out, c):  # type: ignore[no-untyped-def]
    """Stack y of products, biases b -> stack ``out`` behind the sine, cosine c (n, width)."""
    n, width = c.shape
    square, sines, cosines = np.empty(width, f32), np.empty(width, f32), np.empty(width, f32)
    for i in range(n):
        for j in range(width):
            sine, cosine = sine_and_cosine(load(y, i, j) + b[j], out)
            store(out, i, j, sine)
            store(c, i, j, cosine)
            sines[j], cosines[j], square[j] = sine, cosine, f32(0)
        for k in range(d):
            row = n * (1 + k) + i
            for j in range(width):
                u = load(y, row, j)
                square[j] += g[i, k] * u * u
                store(out, row, j, cosines[j] * u)
        if order == 2:
            row = n * (1 + d) + i
            for j in range(width):
                store(out, row, j, cosines[j] * load(y, row, j) - sines[j] * square[j])


@njit(**_PASS)
def jet_down(a, y, g, s, c, d, order, db):  # type: ignore[no-untyped-def]
    """Adjoints of the stack behind the sine become those of the stack y before it, in ``a``; db (width,) gains z's sums."""
    n, width = c.shape
    total, square = np.empty(width, f32), np.empty(width, f32)
    last = n * (1 + d)
    for i in range(n):
        for j in range(width):
            total[j] = load(a, i, j) * load(c, i, j)
            square[j] = f32(0)
        for k in range(d):
            row = n * (1 + k) + i
            for j in range(width):
                at, u, sine = load(a, row, j), load(y, row, j), load(s, i, j)
                total[j] -= at * sine * u
                square[j] += g[i, k] * u * u
                bend = f32(0)
                if order == 2:
                    bend = f32(2) * g[i, k] * load(a, last + i, j) * sine * u
                store(a, row, j, at * load(c, i, j) - bend)
        if order == 2:
            for j in range(width):
                al, cosine = load(a, last + i, j), load(c, i, j)
                total[j] -= al * (load(s, i, j) * load(y, last + i, j) + cosine * square[j])
                store(a, last + i, j, al * cosine)
        for j in range(width):
            store(a, i, j, total[j])
            db[j] += total[j]


@njit(**_PASS)
def jet_first_down(a, x, g, w, s, c, order, db, dw):  # type: ignore[no-untyped-def]
    """Adjoints of the first layer's stack -> db (width,) and dw (d, width) gain the gradients."""
    n, d = x.shape
    width = w.shape[1]
    total, square = np.empty(width, f32), np.empty(width, f32)
    last = n * (1 + d)
    for i in range(n):
        for j in range(width):
            total[j] = load(a, i, j) * load(c, i, j)
        if order == 2:
            for j in range(width):
                square[j] = f32(0)
            for k in range(d):
                for j in range(width):
                    square[j] += g[i, k] * w[k, j] * w[k, j]
            for j in range(width):
                total[j] -= load(a, last + i, j) * load(c, i, j) * square[j]
        for k in range(d):
            row = n * (1 + k) + i
            for j in range(width):
                at, sine = load(a, row, j), load(s, i, j)
                total[j] -= at * sine * w[k, j]
                dw[k, j] += at * load(c, i, j)
                if order == 2:
                    dw[k, j] -= f32(2) * g[i, k] * load(a, last + i, j) * sine * w[k, j]
        for k in range(d):
            for j in range(width):
                dw[k, j] += total[j] * x[i, k]
        for j in range(width):
            db[j] += total[j]
