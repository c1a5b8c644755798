"""Pointwise passes of `jets.py` in machine code (numba); see `kernels.py` for the types and the sine.

A stack (rows, width) holds, one below the other, n rows each of the value, of the d tangents and, of order 2, of the Laplacian:
the sum of g_k times the second derivative along coordinate k, with coefficients g (n, d) float32 that may differ from sample
to sample (all ones make the Laplacian proper). Names: before a sine z, u_k, m; behind it s = sin z, t_k = c u_k and
l = c m - s sum_k g_k u_k^2, with c = cos z; these are the formulas of `value_gradient_laplacian` in ``nets/derivatives.py``.

numba keeps what it has compiled until this file changes, and does not see that `kernels.py` did: after a change there, touch
this file.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernels import PASS_OPTIONS, SINE_OPTIONS, f32, load, sine_and_cosine, store


@njit(**SINE_OPTIONS)
def first_layer(x, g, w, b, order, out, c):  # type: ignore[no-untyped-def]
    """The stack behind the first sine, whose phase is float32.

    x (n, d), w (d, width), b (width,) float32, omega folded in -> stack ``out``, c (n, width)
    """
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


@njit(**SINE_OPTIONS)
def hidden_layer(y, g, b, d, order, out, c):  # type: ignore[no-untyped-def]
    """The stack behind a sine: stack y before it, less the biases b (width,) float32 -> stack ``out``, c (n, width)."""
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


@njit(**PASS_OPTIONS)
def layer_backward(a, y, g, s, c, d, order, db):  # type: ignore[no-untyped-def]
    """Adjoints ``a`` of the stack behind a sine become those of the stack y before it, in place.

    s : the stack behind the sine, of which the leading n rows are sin z; c (n, width)
    db (width,) float32, the gradient of the bias, gains the sums of z's adjoints
    """
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


@njit(**PASS_OPTIONS)
def first_layer_backward(a, x, g, w, s, c, order, db, dw):  # type: ignore[no-untyped-def]
    """Adjoints ``a`` of the stack behind the first sine: db (width,) and dw (d, width), float32, gain the gradients.

    s : that stack, of which the leading n rows are sin z; c (n, width); x, g, w as of `first_layer`
    """
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
