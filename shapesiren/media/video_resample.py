"""A fitted video at any size and rate, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from .facts import DecodedVideo
from .headers import VideoHeader
from .image import grid
from .settings import VideoDecodeSettings


def decode_frames(fitted: Field, settings: VideoDecodeSettings) -> tuple[Iterator[NDArray[np.uint8]], DecodedVideo]:
    """Frames (h, w, 3) uint8, made when they are asked for, and facts.

    Raises
    ------
    InputError : a range outside the video
    """
    header = VideoHeader.of(fitted.header)
    _, height, width, _ = header.shape
    end = header.seconds
    start = settings.start
    stop = end if settings.seconds is None else start + settings.seconds
    if not 0 <= start < stop <= end * (1 + 1e-9):
        raise InputError(f"from {start:g} s to {stop:g} s is not inside the video ({end:.6g} s)", where="decode.start")
    rate = settings.rate or header.rate
    if settings.size is not None:
        columns, rows = (int(n) for n in settings.size.split("x"))
    else:
        columns, rows = max(1, round(width * settings.scale)), max(1, round(height * settings.scale))
    if not 1 <= columns * rows <= 1 << 26:
        raise InputError(f"frames of {columns} x {rows} pixels", where="decode.size")
    # a last frame that is shown for half a step is written, whichever way the product was rounded
    made = max(1, math.floor((stop - start) * rate + 0.5 + 1e-6))
    times = (start + (np.arange(made) + 0.5) / rate) * header.rate  # in frames of the original
    facts = DecodedVideo(frames=made, width=columns, height=rows, rate=rate, start=start)
    return (to_bytes(frame_at(fitted, t, rows, columns)) for t in times), facts


def frame_at(fitted: Field, time: float, rows: int, columns: int, step: int = 1) -> NDArray[np.float64]:
    """Intensities (ceil(rows / step), ceil(columns / step), 3) at every ``step``-th pixel of a frame of rows x columns, at a
    time counted in frames; the first one's middle is .5."""
    header = VideoHeader.of(fitted.header)
    _, height, width, _ = header.shape
    pixels = grid(rows, columns, 0, 0, width, height).reshape(rows, columns, 2)[::step, ::step]
    places = pixels.reshape(-1, 2)
    at = np.full((len(places), 1), time * header.pace)
    return fitted(np.concatenate([places, at], 1)).reshape(*pixels.shape[:2], 3)


def frame_times(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """The time (n,) of each ingested frame, as `frame_at` wants it."""
    return np.asarray(arrays["times"] if "times" in arrays else np.arange(len(arrays["frames"])) + 0.5, np.float64)


def to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
