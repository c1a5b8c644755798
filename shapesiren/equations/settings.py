"""Settings of a problem: its points, how equations are weighed, what is written and how it is judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field as Setting

from ..config import Settings


class IngestSettings(Settings):
    """From a problem to points."""

    points: int = Setting(16_384, ge=64, description="in the domain; borders and sources get more of their own")
    cells: int | None = Setting(
        None,
        ge=4,
        le=1000,
        description="of helmholtz, and of a wave where the medium is not uniform: along the longest side; residuals count as "
        "their means over these, not at points",
    )
    reach: float = Setting(
        2.7, ge=1, le=6, description="of wave: wave numbers that count, times the narrowest pulse's width; 2.7 leaves out 3 %"
    )


class BatchSettings(Settings):
    """Samples of one step of adam."""

    points: int = Setting(4096, ge=1, description="of all equations together")
    grow: float = Setting(
        0.0, ge=0, le=1, description="of a wave: share of the fit over which the times drawn grow to all of them"
    )


class LossSettings(Settings):
    """How equations are weighed."""

    norm: Literal["l2", "l1"] = Setting("l2", description="of residuals under adam; l1 is the paper's")
    border: float = Setting(100.0, gt=0, description="equations at the border and at the start, beside those in the domain")


class DecodeSettings(Settings):
    """From field to arrays."""

    resolution: int = Setting(201, ge=16, le=4096, description="samples along the longest side")
    frames: int = Setting(41, ge=2, le=2000, description="of a wave, start and end included")


class EvaluateSettings(Settings):
    """Judging the result."""

    resolution: int | None = Setting(
        None, ge=50, le=3000, description="of the finite-difference reference; by the wave length if not given"
    )


class InversionLossSettings(LossSettings):
    """How equations are weighed."""

    smooth: float = Setting(0.02, ge=0, description="mean squared gradient of the squared slowness, beside the relative misfit")
    size: float = Setting(0.0, ge=0, description="mean square of its difference from the background")


class InversionEvaluateSettings(Settings):
    """Judging the result."""

    resolution: int | None = Setting(
        None, ge=50, le=1000, description="cells of the adjoint-state inversion; 20 to a wave if not given"
    )
    iterations: int = Setting(60, ge=0, description="of the adjoint-state inversion; 0 leaves it out")
    smooth: float = Setting(1e-4, ge=0, description="its weight of the mean squared gradient")
