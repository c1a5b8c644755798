"""The ground of a city: level where blocks stand, ramps in the streets between, and hills in the parks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PITCH = 40.0  # metres from the middle of one block to that of the next
LEVEL = 14.0  # metres from a block's middle up to which it is level
HILL = 10.0  # metres from a park's middle up to which its hill reaches
NEWTON_STEPS, LONGEST_STEP = 10, 2.0  # of the search for the nearest point; metres


@dataclass(frozen=True)
class Ground:
    """A height field over the rectangle of ``nx`` by ``ny`` blocks, twice differentiable, the corner at the origin.

    level : (nx, ny) height of each block, metres; hill : (nx, ny) height of the hill in its middle, 0 without
    """

    level: Array
    hill: Array

    @property
    def size(self) -> Array:
        """(2,) metres along x and y."""
        return np.array(self.level.shape) * PITCH

    def height(self, u: Array) -> Array:
        """(n, 2) places -> (n,) heights, in metres."""
        return self.derivatives(u)[0]

    def normals(self, u: Array) -> Array:
        """(n, 2) -> (n, 3) unit normals, upwards."""
        _, dx, dy = self.derivatives(u)[:3]
        n = np.stack([-dx, -dy, np.ones(len(u))], 1)
        return n / np.linalg.norm(n, axis=1, keepdims=True)

    def derivatives(self, u: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
        """(n, 2) -> height, its two slopes, and its second derivatives xx, xy, yy, each (n,)."""
        nx, ny = self.level.shape
        (i, a), (j, b) = _ramp(u[:, 0]), _ramp(u[:, 1])
        i0, i1 = np.clip(i, 0, nx - 1), np.clip(i + 1, 0, nx - 1)
        j0, j1 = np.clip(j, 0, ny - 1), np.clip(j + 1, 0, ny - 1)
        h00, h10, h01, h11 = self.level[i0, j0], self.level[i1, j0], self.level[i0, j1], self.level[i1, j1]
        p, q, r = h10 - h00, h01 - h00, h11 - h10 - h01 + h00
        found = [
            h00 + p * a[0] + q * b[0] + r * a[0] * b[0],
            (p + r * b[0]) * a[1],
            (q + r * a[0]) * b[1],
            (p + r * b[0]) * a[2],
            r * a[1] * b[1],
            (q + r * a[0]) * b[2],
        ]
        if self.hill.any():
            bi = np.clip((u[:, 0] // PITCH).astype(int), 0, nx - 1)
            bj = np.clip((u[:, 1] // PITCH).astype(int), 0, ny - 1)
            top = self.hill[bi, bj]
            s, t = _bump(u[:, 0] - (bi + 0.5) * PITCH), _bump(u[:, 1] - (bj + 0.5) * PITCH)
            orders = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
            found = [value + top * s[m] * t[n] for value, (m, n) in zip(found, orders, strict=True)]
        return found[0], found[1], found[2], found[3], found[4], found[5]

    def nearest(self, p: Array) -> Array:
        """(n, 3) points -> (n, 2) places of the points of the ground that are nearest to them.

        Newton's method for ``|u - p|^2 + (h(u) - z)^2``, started below the point and kept on the rectangle. The ground's radius
        of curvature is 8 m and more: what is nearer than that has one nearest point, which is found to rounding.
        """
        u = np.clip(p[:, :2], 0.0, self.size)
        for _ in range(NEWTON_STEPS):
            h, dx, dy, xx, xy, yy = self.derivatives(u)
            up = h - p[:, 2]
            gx, gy = u[:, 0] - p[:, 0] + up * dx, u[:, 1] - p[:, 1] + up * dy
            a, b, c = 1 + dx * dx + up * xx, dx * dy + up * xy, 1 + dy * dy + up * yy
            # at the rim a coordinate that would leave is fixed, and the other moves by itself
            fixed = ((u <= 0.0) & (np.stack([gx, gy], 1) > 0)) | ((u >= self.size) & (np.stack([gx, gy], 1) < 0))
            b = np.where(fixed.any(1), 0.0, b)
            determinant = a * c - b * b
            bad = (determinant < 0.05) | (a < 0.05)  # no minimum near: by steepest descent
            a, b, c = np.where(bad, 1.0, a), np.where(bad, 0.0, b), np.where(bad, 1.0, c)
            determinant = np.where(bad, 1.0, determinant)
            step = np.stack([c * gx - b * gy, a * gy - b * gx], 1) / determinant[:, None]
            step[fixed] = 0.0
            length = np.linalg.norm(step, axis=1, keepdims=True)
            u = np.clip(u - step * np.minimum(1.0, LONGEST_STEP / np.maximum(length, 1e-300)), 0.0, self.size)
            if length.max(initial=0.0) < 1e-12:
                break
        return u


def _ramp(x: Array) -> tuple[NDArray[np.int64], Array]:
    """Coordinates -> (n,) block before the ramp, and (3, n) the weight of the one behind it with two derivatives."""
    y = x / PITCH - 0.5
    block = np.floor(y).astype(np.int64)
    width = PITCH - 2 * LEVEL
    t = np.clip(((y - block) * PITCH - LEVEL) / width, 0.0, 1.0)
    weight = t * t * t * (t * (6 * t - 15) + 10)
    return block, np.stack([weight, 30 * (t * (t - 1)) ** 2 / width, 60 * t * (t - 1) * (2 * t - 1) / width**2])


def _bump(t: Array) -> Array:
    """(n,) -> (3, n) ``(1 - (t / HILL)^2)^3`` within the hill, 0 outside, with two derivatives."""
    s = np.clip(1 - (t / HILL) ** 2, 0.0, None)
    return np.stack([s**3, -6 * t / HILL**2 * s**2, -6 / HILL**2 * s**2 + 24 * t * t / HILL**4 * s])
