"""How much the points of a scan count, by their noise. Apart from `noise.py`, because fitting has no scipy."""

from __future__ import annotations

CLEAN_NOISE = 1e-3  # box units: what is found in clean scans is curvature, not noise
MIN_WEIGHT = 0.3


def noise_weight(noise: float) -> float:
    """Factor on the weight of a scan's points whose normals were estimated from them. ``noise``: the floor of `noise.Scatter`,
    in box units; with the median vegetation and small roofs of an airborne scan are smoothed away.

    The normals are averages over many points, the points are not: a field that is held to each of them less follows the normals
    and the guide.
    """
    return 1.0 if noise <= CLEAN_NOISE else max(MIN_WEIGHT, (CLEAN_NOISE / noise) ** 1.6)
