"""Pointwise passes of a SIREN's layers in machine code (numba), for `fused_step.py`, `jets.py` and `evaluate.py`. Nothing here
knows autograd.

Each pass reads a row of units, does everything that belongs to it and writes it once: torch would need a pass over
memory for every sine, product and sum. Arrays are C-contiguous, float32, or uint16 that holds bfloat16 (the upper
half of a float32). Compiled once for each of the two on a user's machine and kept on disk by numba; they release
the interpreter, so that several threads work at once.

Shapes: n samples, g of them with a gradient, d inputs, m outputs. Names as in ``nets/fused_step.py``, the readable twin:
s = sin z, c = cos z, v = df/ds, q = v c, and for the tangent u = W t', t = c u.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

f32, i32, u16, u32 = np.float32, np.int32, np.uint16, np.uint32

# Sums may be reordered, so that they vectorise; the sine's range reduction must not be.
PASS_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz"},
}
SINE_OPTIONS: dict[str, Any] = {**PASS_OPTIONS, "fastmath": {"contract", "nsz"}}

# ---- Sine and cosine, and numbers of either precision -------------------------------------------------
# x = k pi/2 + r, pi/2 in three parts (Cody and Waite 1980); polynomials of Cephes (Moshier) on |r| <= pi/4.
_PER_QUADRANT = f32(2 / math.pi)
_ROUND = f32(1.5 * 2**23)  # adding it leaves the nearest integer in the low bits
_PI_1, _PI_2, _PI_3 = f32(1.5703125), f32(4.837512969970703e-4), f32(7.549789948768648e-8)
_S1, _S2, _S3 = f32(-1.6666654611e-1), f32(8.3321608736e-3), f32(-1.9515295891e-4)
_C1, _C2, _C3 = f32(4.166664568298827e-2), f32(-1.388731625493765e-3), f32(2.443315711809948e-5)
_HALF, _ONE = f32(0.5), f32(1)


def _bitcast(name: str, source: Any, target: Any, ir_type: Any) -> Any:
    """A compiled function that reads the bits of one type as another."""

    def typed(typing_context: Any, x: Any) -> Any:
        return target(source), lambda context, builder, signature, args: builder.bitcast(args[0], ir_type)

    typed.__name__ = name
    return intrinsic(typed)


_as_float = _bitcast("_as_float", types.uint32, types.float32, ir.FloatType())
_as_bits = _bitcast("_as_bits", types.float32, types.uint32, ir.IntType(32))


def load(a, i, j):  # type: ignore[no-untyped-def]
    """a[i, j] as float32, whatever holds it."""
    raise NotImplementedError  # for compiled code only


def store(a, i, j, x):  # type: ignore[no-untyped-def]
    """Write float32 ``x`` to a[i, j], rounded to what holds it."""
    raise NotImplementedError  # for compiled code only


# No annotations from here on: numba compares the signatures of overloads, annotations included.
@overload(load, inline="always")
def _load(a, i, j):  # type: ignore[no-untyped-def]
    if a.dtype == types.uint16:
        return lambda a, i, j: _as_float(u32(a[i, j]) << u32(16))
    return lambda a, i, j: a[i, j]


@overload(store, inline="always")
def _store(a, i, j, x):  # type: ignore[no-untyped-def]
    if a.dtype == types.uint16:

        def rounded(a, i, j, x):  # type: ignore[no-untyped-def]
            a[i, j] = u16((_as_bits(x) + u32(0x8000)) >> u32(16))

        return rounded

    def exact(a, i, j, x):  # type: ignore[no-untyped-def]
        a[i, j] = x

    return exact


@njit(inline="always", fastmath={"contract", "nsz"})
def _reduced(x):  # type: ignore[no-untyped-def]
    """x as a multiple of pi/2, of which the lowest bits matter, and a rest of at most pi/4; for |x| < 1e4."""
    shifted = x * _PER_QUADRANT + _ROUND
    k = shifted - _ROUND
    return i32(_as_bits(shifted)), ((x - k * _PI_1) - k * _PI_2) - k * _PI_3


@njit(inline="always", fastmath={"contract", "nsz"})
def _turned(quadrant, s, c):  # type: ignore[no-untyped-def]
    odd = (quadrant & i32(1)) != i32(0)
    sine, cosine = (c if odd else s), (s if odd else c)
    sine = -sine if (quadrant & i32(2)) != i32(0) else sine
    cosine = -cosine if ((quadrant + i32(1)) & i32(2)) != i32(0) else cosine
    return sine, cosine


def sine_and_cosine(x, like):  # type: ignore[no-untyped-def]
    """Both at the cost of little more than one, to the precision of the array ``like``: 2e-7, or 4e-4 for bfloat16."""
    raise NotImplementedError  # for compiled code only


@overload(sine_and_cosine, inline="always")
def _sine_and_cosine(x, like):  # type: ignore[no-untyped-def]
    if like.dtype == types.uint16:

        def short(x, like):  # type: ignore[no-untyped-def]
            quadrant, r = _reduced(x)
            r2 = r * r
            return _turned(quadrant, r + r * r2 * (_S1 + r2 * _S2), _ONE - _HALF * r2 + r2 * r2 * (_C1 + r2 * _C2))

        return short

    def full(x, like):  # type: ignore[no-untyped-def]
        quadrant, r = _reduced(x)
        r2 = r * r
        s = r + r * r2 * (_S1 + r2 * (_S2 + r2 * _S3))
        return _turned(quadrant, s, _ONE - _HALF * r2 + r2 * r2 * (_C1 + r2 * (_C2 + r2 * _C3)))

    return full


# ---- Passes -------------------------------------------------------------------------------------------
@njit(**SINE_OPTIONS)
def first_layer(x, w, b, s, c):  # type: ignore[no-untyped-def]
    """Sine and cosine of x w + b, whose phase is float32.

    x (n, d), w (d, width), b (width,) float32, omega folded in -> s, c (n, width)
    """
    z = np.empty(len(b), f32)
    for i in range(len(x)):
        for j in range(len(b)):
            z[j] = b[j]
        for k in range(x.shape[1]):
            xk = x[i, k]
            for j in range(len(b)):
                z[j] += xk * w[k, j]
        for j in range(len(b)):
            sine, cosine = sine_and_cosine(z[j], s)
            store(s, i, j, sine)
            store(c, i, j, cosine)


@njit(**SINE_OPTIONS)
def hidden_layer(z, b, s, c):  # type: ignore[no-untyped-def]
    """Sine and cosine of z + b: z (n, width), b (width,) float32 -> s, c (n, width)."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            sine, cosine = sine_and_cosine(load(z, i, j) + b[j], s)
            store(s, i, j, sine)
            store(c, i, j, cosine)


@njit(**PASS_OPTIONS)
def head(s, h, value):  # type: ignore[no-untyped-def]
    """value = s h^T, without the bias: s (n, width), h (m, width) float32 -> value (n, m) float32."""
    for i in range(s.shape[0]):
        for k in range(h.shape[0]):
            total = f32(0)
            for j in range(s.shape[1]):
                total += load(s, i, j) * h[k, j]
            value[i, k] = total


@njit(**PASS_OPTIONS)
def head_adjoint(h, c, v, q):  # type: ignore[no-untyped-def]
    """v = h in each row and q = v c, of the last sine layer: h (width,) float32, c (g, width) -> v, q (g, width)."""
    for i in range(q.shape[0]):
        for j in range(q.shape[1]):
            store(v, i, j, h[j])
            store(q, i, j, h[j] * load(c, i, j))


@njit(**PASS_OPTIONS)
def times(v, c, q):  # type: ignore[no-untyped-def]
    """q = v c, each unit by itself; all (g, width)."""
    for i in range(q.shape[0]):
        for j in range(q.shape[1]):
            store(q, i, j, load(v, i, j) * load(c, i, j))


@njit(**PASS_OPTIONS)
def input_gradient(q, w, gradient):  # type: ignore[no-untyped-def]
    """gradient = q w^T, of the first layer: q (g, width), w (d, width) float32 -> gradient (g, d) float32."""
    for i in range(q.shape[0]):
        for k in range(w.shape[0]):
            total = f32(0)
            for j in range(q.shape[1]):
                total += load(q, i, j) * w[k, j]
            gradient[i, k] = total


@njit(**PASS_OPTIONS)
def thin_product(a, w, out):  # type: ignore[no-untyped-def]
    """out = a w, of few rows of w: a (n, k) float32, w (k, width) float32 -> out (n, width).

    Of the first layer, whose directions are a and whose weights are w, the tangent; of the head, the loss gradient a of its
    values brought back to the units below.
    """
    row = np.empty(w.shape[1], f32)
    for i in range(out.shape[0]):
        row[:] = f32(0)
        for k in range(w.shape[0]):
            ak = a[i, k]
            for j in range(w.shape[1]):
                row[j] += ak * w[k, j]
        for j in range(w.shape[1]):
            store(out, i, j, row[j])


@njit(**PASS_OPTIONS)
def tangent(u, v, c, s, t):  # type: ignore[no-untyped-def]
    """t = u c, and u becomes u v s, by which the tangent bends dS/dz; all (g, width)."""
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            x = load(u, i, j)
            store(t, i, j, x * load(c, i, j))
            store(u, i, j, x * load(v, i, j) * load(s, i, j))


@njit(**PASS_OPTIONS)
def layer_backward(ds, c, bend, dz, db):  # type: ignore[no-untyped-def]
    """dz = ds c, less ``bend`` in the leading rows: ds, c (n, width), bend (g, width) -> dz (n, width).

    db (width,) float32, the gradient of the bias, gains the sums of dz's columns.
    """
    for i in range(bend.shape[0]):
        for j in range(dz.shape[1]):
            x = load(ds, i, j) * load(c, i, j) - load(bend, i, j)
            store(dz, i, j, x)
            db[j] += x
    for i in range(bend.shape[0], dz.shape[0]):
        for j in range(dz.shape[1]):
            x = load(ds, i, j) * load(c, i, j)
            store(dz, i, j, x)
            db[j] += x


@njit(**PASS_OPTIONS)
def add_weighted_rows(rows, weights, out):  # type: ignore[no-untyped-def]
    """out += weights^T rows: rows (n, width), weights (n, k) float32, out (k, width) float32."""
    for i in range(rows.shape[0]):
        for k in range(weights.shape[1]):
            weight = weights[i, k]
            for j in range(rows.shape[1]):
                out[k, j] += weight * load(rows, i, j)
