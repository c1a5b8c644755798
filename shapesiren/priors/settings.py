"""Settings of priors: what kind, how large, what they are trained on and how they are judged."""

from __future__ import annotations

from typing import Literal

from pydantic import Field as Setting
from pydantic import model_validator

from ..config import Settings

PriorKind = Literal["set", "set-relu", "conv", "meta", "cnp"]


class PriorSettings(Settings):
    """The network that is trained on many signals."""

    kind: PriorKind = Setting(
        "set", description="encoder of sets or images with a hypernetwork, modulations, or a conditional neural process"
    )
    latent: int = Setting(256, ge=2, description="numbers of a latent code")
    width: int = Setting(256, ge=4, description="units of each layer of encoders and hypernetworks")
    encoder_layers: int = Setting(2, ge=0, description="layers of an encoder after its first one; of conv residual blocks")
    channels: int = Setting(128, ge=4, description="of conv's residual blocks; 256 are the paper's")
    stride: int = Setting(2, ge=1, le=2, description="of conv's first two convolutions; 1 is the paper's, and slow")
    grid: int = Setting(32, ge=8, le=256, description="pixels a side of what conv sees")
    start: Literal["siren", "fan-in"] = Setting(
        "siren", description="weights that a hypernetwork first makes: as SIRENs draw them, or in +-1 / fan-in as in the code"
    )
    inner_steps: int = Setting(3, ge=1, le=64, description="of meta: gradient steps that find a latent code")
    inner_rate: float = Setting(10.0, gt=0, description="of meta: first rate of those steps; it is learned")


class PriorLossSettings(Settings):
    """Weights of the terms."""

    data: float = Setting(1.0, gt=0, description="mean squared error of what networks make")
    latent: float = Setting(0.1, ge=0, description="mean square of latent codes")
    weights: float = Setting(100.0, ge=0, description="mean square of the weights that a hypernetwork makes")


class PriorBatchSettings(Settings):
    """What a step sees."""

    signals: int = Setting(32, ge=1, description="signals of a step")
    context_least: int = Setting(10, ge=1, description="fewest known samples of a signal")
    context_most: int = Setting(200, ge=1, description="most known samples of a signal")
    targets: int | None = Setting(512, ge=1, description="samples of each signal at which it is judged; all if not given")

    @model_validator(mode="after")
    def _in_order(self) -> PriorBatchSettings:
        if self.context_least > self.context_most:
            raise ValueError("context_least must not be above context_most")
        return self


class PriorDecodeSettings(Settings):
    """The sheet of completed signals."""

    signals: int = Setting(12, ge=1, le=200, description="of those that were held back")
    contexts: tuple[int, ...] = Setting((10, 100, 1000), description="known pixels, a pair of rows each")
    half: bool = Setting(True, description="also images whose left half alone is known")
    pixels: int = Setting(3, ge=1, le=16, description="pixels of the sheet to one of an image")


class PriorEvaluateSettings(Settings):
    """Judging the prior on signals that were held back."""

    contexts: tuple[int, ...] = Setting((10, 100, 1000), description="known pixels at which it is judged")
    half: bool = Setting(True, description="also images whose left half alone is known")
    signals: int = Setting(1000, ge=1, description="at most so many, spread evenly")
