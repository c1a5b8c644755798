"""`blend.blended` in machine code (numba). Sums are in float64 and in the order of the members, so that a point has the same
value to the last bit whichever tile it is asked of."""

from __future__ import annotations

import numpy as np
from numba import njit

from ..nets.cpu.kernels import SINE_OPTIONS, f32
from ..nets.cpu.local_kernels import dot, plain_sines, sines_and_cosines

ZERO, ONE, SIX = f32(0), f32(1), f32(6)


@njit(**SINE_OPTIONS)
def blend(x, leaf, starts, members, centres, reach, factor, w, b, heads, out, slopes):  # type: ignore[no-untyped-def]
    """x (n, 3) float64, leaf (n,); starts, members as of `Octree.reached_by`; centres (m, 3) float64, reach, factor (m,);
    w (3, U), b (U,), heads (m, U + 4) -> out (n, 2) value and cover; slopes (n, 6) of both, or (0, 6) where none are wanted"""
    units, wanted = w.shape[1], slopes.shape[0] > 0
    s, q = np.empty(units, f32), np.empty(units, f32)
    t, u, g = np.empty(3, f32), np.empty(3, f32), np.empty(3, f32)
    top_slope, bottom_slope, cover_slope = np.empty(3, np.float64), np.empty(3, np.float64), np.empty(3, np.float64)
    for i in range(len(x)):
        top, bottom, cover = 0.0, 0.0, 0.0
        top_slope[:] = 0.0
        bottom_slope[:] = 0.0
        cover_slope[:] = 0.0
        for m in range(starts[leaf[i]], starts[leaf[i] + 1]):
            a = members[m]
            for k in range(3):
                t[k] = f32((x[i, k] - centres[a, k]) / reach[a])
                u[k] = ONE - t[k] * t[k]
            if u[0] <= ZERO or u[1] <= ZERO or u[2] <= ZERO:
                continue
            product = u[0] * u[1] * u[2]
            share = product * product * product
            if share <= ZERO:
                continue
            weight = share * factor[a]
            if wanted:
                sines_and_cosines(t[0], t[1], t[2], w, b, heads[a], s, q)
            else:
                plain_sines(t[0], t[1], t[2], w, b, s)
            total = heads[a, units] + dot(s, heads[a], units)
            for k in range(3):
                total += t[k] * heads[a, units + 1 + k]
            top += np.float64(weight) * np.float64(total)
            bottom += np.float64(weight)
            cover += np.float64(share)
            if wanted:
                for k in range(3):
                    g[k] = (dot(q, w[k], units) + heads[a, units + 1 + k]) / f32(reach[a])
                    steep = np.float64(-SIX * t[k] / u[k] * share / f32(reach[a]))
                    top_slope[k] += steep * factor[a] * total + np.float64(weight) * np.float64(g[k])
                    bottom_slope[k] += steep * factor[a]
                    cover_slope[k] += steep
        out[i, 1] = cover
        value = top / bottom if bottom > 0.0 else 0.0
        out[i, 0] = value
        if wanted:
            for k in range(3):
                slopes[i, k] = (top_slope[k] - value * bottom_slope[k]) / bottom if bottom > 0.0 else 0.0
                slopes[i, 3 + k] = cover_slope[k]
