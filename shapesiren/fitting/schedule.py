"""Learning-rate schedule: linear warm-up, then cosine decay."""

from __future__ import annotations

import math

from ..config import FitSettings


def rate_factor(settings: FitSettings, step: int, progress: float) -> float:
    """Share of the peak learning rate.

    Parameters
    ----------
    step : optimizer steps done, for the warm-up
    progress : share of the fit that is done, in [0, 1], for the decay (cosine, Loshchilov and Hutter 2017)
    """
    factor = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    if settings.decay == "cosine":
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        factor *= settings.final_rate + (1 - settings.final_rate) * cosine
    return factor
