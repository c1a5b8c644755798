"""Images that the project draws itself: what tests train on, and all who have nothing else at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SOFT = 1.0  # pixels over which an edge fades


def procedural_images(count: int, size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """Discs, rings, squares and stars of one colour on a shaded ground: (count, size, size, 3) uint8."""
    random = np.random.default_rng(seed)
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size * 2 - 1
    out = np.empty((count, size, size, 3), np.uint8)
    for i in range(count):
        angle, (u, v) = random.uniform(0, 2 * np.pi), random.uniform(-0.35, 0.35, 2)
        radius = random.uniform(0.35, 0.6)
        a = (x - u) * np.cos(angle) + (y - v) * np.sin(angle)
        b = (y - v) * np.cos(angle) - (x - u) * np.sin(angle)
        distance = (
            np.hypot(a, b) - radius,
            np.abs(np.hypot(a, b) - radius) - 0.3 * radius,
            np.maximum(np.abs(a), np.abs(b)) - 0.8 * radius,
            np.hypot(a, b) - radius * (0.7 + 0.3 * np.cos(5 * np.arctan2(b, a))),
        )[random.integers(4)]
        inside = np.clip(0.5 - distance * size / 2 / SOFT, 0, 1)[..., None]
        ground, shade, colour = random.uniform(0.0, 1.0, (3, 3))
        ramp = ((x * np.cos(angle) + y * np.sin(angle)) / 2 + 0.5)[..., None]
        back = ground + 0.3 * (shade - ground) * ramp
        out[i] = np.round(np.clip(back * (1 - inside) + colour * inside, 0, 1) * 255)
    return out
