"""Stage ``evaluate`` of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..media.headers import VideoHeader
from ..media.settings import VideoEvaluateSettings
from ..media.video import read_frames
from ..media.video_resample import frame_at, frame_times
from .compression import compression
from .facts import VideoMetrics


def evaluate_video(
    fitted: Field, arrays: dict[str, NDArray[Any]], reference: Path | None, settings: VideoEvaluateSettings
) -> VideoMetrics:
    """``psnr`` over the compared frames, ``frames`` and their ``frame_psnr``, ``worst``, ``best``, ``compression``."""
    count, height, width, _ = VideoHeader.of(fitted.header).shape
    chosen = np.unique(np.linspace(0, count - 1, min(count, settings.frames)).round().astype(int))
    times = frame_times(arrays)
    truth = {int(i): arrays["frames"][i] / 255.0 for i in chosen}
    if reference is not None:
        truth = {i: f / 255.0 for i, f in enumerate(read_frames(reference)[1]) if i in truth}
        if len(truth) < len(chosen) or next(iter(truth.values())).shape != (height, width, 3):
            raise InputError("the reference has other frames than the fitted video", where=reference)

    def errors(field: Field, frames: list[int]) -> list[float]:
        found = (np.clip(frame_at(field, times[i], height, width), 0, 1) - truth[i] for i in frames)
        return [float(np.square(error).mean()) for error in found]

    def decibels(mse: float) -> float:
        return float(-10 * np.log10(max(mse, 1e-300)))

    every = sorted(truth)
    by_frame = errors(fitted, every)
    some = every[:: max(1, len(every) // 8)]
    return VideoMetrics(
        psnr=decibels(float(np.mean(by_frame))),
        worst=decibels(max(by_frame)),
        best=decibels(min(by_frame)),
        frames=every,
        frame_psnr=[decibels(e) for e in by_frame],
        compression=compression(fitted, settings.weights, lambda f: decibels(float(np.mean(errors(f, some))))),
    )
