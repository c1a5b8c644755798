"""A fitted sound at any rate."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from .audio import sample_times
from .facts import DecodedSound
from .headers import SoundHeader
from .settings import SoundDecodeSettings

SAMPLES_AT_ONCE = 1 << 20  # samples evaluated at once


def decode_sound(fitted: Field, settings: SoundDecodeSettings) -> tuple[NDArray[np.float64], DecodedSound]:
    """Samples (n, channels) in full scale, and facts.

    Raises
    ------
    InputError : a range outside the sound
    """
    begun = time.perf_counter()
    header = SoundHeader.of(fitted.header)
    end = header.bounds[1][0]
    start = settings.start
    stop = end if settings.seconds is None else start + settings.seconds
    if not 0 <= start < stop <= end * (1 + 1e-9):
        raise InputError(f"from {start:g} s to {stop:g} s is not inside the sound ({end:.6g} s)", where="decode.start")
    rate = settings.rate or header.rate
    count = max(1, round((stop - start) * rate))
    samples = at_times(fitted, sample_times(count, rate, start))
    took = round(time.perf_counter() - begun, 3)
    return samples, DecodedSound(samples=count, rate=rate, start=start, seconds=took)


def at_times(fitted: Field, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitudes (n, channels) at times (n, 1) in seconds."""
    return np.concatenate([fitted(times[i : i + SAMPLES_AT_ONCE]) for i in range(0, len(times), SAMPLES_AT_ONCE)])
