"""How much the points of a scan count, by their noise. Apart from `noise.py`, because fitting has no scipy."""

from __future__ import annotations

CLEAN = 1e-3  # box units: what is found in clean scans is curvature, not noise
LEAST = 0.09


def fidelity(noise: float) -> float:
    """Factor on the weights of a scan's points and of normals that were estimated from them. ``noise``: the floor of
    `noise.Scatter`, in box units; with the median vegetation and small roofs of an airborne scan are smoothed away.

    Normals of noisy points are off by some degrees over the whole of their neighbourhoods, and a field that is held to them
    and to every point follows both; where both count less, the guide and the Eikonal term smooth it. Chamfer x 1000 with
    factors of 1 / .09 (`pipelines/bench/damage.py`): noise .0045 and three views, fandisk 1.38 / .95, bunny 1.49 / 1.08; noise
    .009, spot 1.46 / 1.34, armadillo 2.24 / 2.17. At noise .018 .09 and .03 are alike.
    """
    return 1.0 if noise <= CLEAN else max(LEAST, (CLEAN / noise) ** 1.6)
