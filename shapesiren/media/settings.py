"""Settings of images, composites, sounds and videos: how they are read, written back and judged."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field as Setting

from ..config import Settings

Supervision = Literal["intensity", "gradient", "laplacian"]


class ImageIngestSettings(Settings):
    """From file to arrays."""

    later: ClassVar[tuple[str, ...]] = ("context",)

    supervise: Supervision = Setting("intensity", description="what is fitted: values, or their derivatives alone")
    filter: Literal["scharr", "sobel", "central"] = Setting("scharr", description="takes the gradient; sobel is the paper's")
    grey: bool = Setting(False, description="of a colour image, fit its luminance")
    max_size: int | None = Setting(None, ge=4, description="shrink the image until its longest side has so many pixels")
    mask: str | None = Setting(None, description="an image that is black where nothing is known: inpainting")
    keep: float = Setting(1.0, gt=0, le=1, description="random share of the pixels that are known")
    context: int | None = Setting(None, ge=1, description="so many random pixels are known")


class CompositeIngestSettings(Settings):
    """From files to arrays. The first image is the background, the second one what is put into it."""

    mode: Literal["mix", "clone"] = Setting("mix", description="mix both everywhere, or clone the second one inside a mask")
    alpha: float = Setting(0.5, ge=0, le=1, description="share of the second image's gradients in a mix")
    mask: str | None = Setting(None, description="an image, white where the second one is cloned")
    filter: Literal["scharr", "sobel", "central"] = Setting("scharr", description="takes the gradients")
    max_size: int | None = Setting(None, ge=4, description="shrink the images until their longest side has so many pixels")


class SoundIngestSettings(Settings):
    """From file to arrays."""

    mono: bool = Setting(False, description="the mean of the channels")
    window: float = Setting(12.0, gt=0.01, description="seconds that one network holds; a longer sound gets several")
    reach: float | None = Setting(
        None, gt=0, description="a window is [-reach, reach] to its network; 100 to 300,000 samples if not given"
    )


class VideoIngestSettings(Settings):
    """From file to frames."""

    max_size: int | None = Setting(None, ge=4, description="shrink frames until their longest side has so many pixels")
    max_frames: int | None = Setting(None, ge=2, description="of a longer video the first so many")
    rate: float | None = Setting(None, gt=0, description="frames a second; the file's if not given, 25 of a folder")
    pace: float = Setting(1.0, gt=0, description="pixels to which one frame's time is as long: less for slow pictures")


class ImageDecodeSettings(Settings):
    """From field to image."""

    scale: float = Setting(1.0, gt=0, le=64, description="pixels of the result to one of the original")
    size: str | None = Setting(None, pattern=r"^\d+x\d+$", description="WIDTHxHEIGHT instead")
    crop: tuple[float, float, float, float] | None = Setting(None, description="x, y, width, height, in pixels of the original")


class SoundDecodeSettings(Settings):
    """From field to sound."""

    rate: int | None = Setting(None, ge=100, le=768_000, description="samples a second; the file's if not given")
    start: float = Setting(0.0, ge=0, description="seconds into the sound")
    seconds: float | None = Setting(None, gt=0, description="to the end if not given")


class VideoDecodeSettings(Settings):
    """From field to video."""

    scale: float = Setting(1.0, gt=0, le=16, description="pixels of the result to one of the original")
    size: str | None = Setting(None, pattern=r"^\d+x\d+$", description="WIDTHxHEIGHT instead")
    rate: float | None = Setting(None, gt=0, le=1000, description="frames a second; the original's if not given")
    start: float = Setting(0.0, ge=0, description="seconds into the video")
    seconds: float | None = Setting(None, gt=0, description="to the end if not given")


class SignalEvaluateSettings(Settings):
    """Judging the result."""

    weights: tuple[int, ...] = Setting((32, 16, 8), description="bits of a weight, for the compression table")


class VideoEvaluateSettings(SignalEvaluateSettings):
    """Judging the result."""

    frames: int = Setting(64, ge=1, description="at most so many, spread evenly, are compared")
