"""Stage ``evaluate`` of a sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..media.audio import read_sound, sample_times
from ..media.audio_resample import at_times
from ..media.headers import SoundHeader
from ..media.settings import SignalEvaluateSettings
from .compression import compression
from .facts import SoundMetrics

Array = NDArray[np.float64]
WINDOW = 2048  # samples of a spectrum
FLOOR = 1e-5  # of the largest magnitude: what lies 100 dB below it is silence


def snr(found: Array, truth: Array) -> float:
    """Signal to noise ratio in decibels."""
    noise = float(np.square(found - truth).mean())
    return float(10 * np.log10(max(float(np.square(truth).mean()), 1e-300) / max(noise, 1e-300)))


def spectral_distance(found: Array, truth: Array) -> float:
    """Log-spectral distance in decibels: root mean square over frequencies of the two log spectra's difference, mean over time
    and channels (Gray and Markel 1976)."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    size = min(WINDOW, 1 << int(np.log2(len(truth))))
    transform = ShortTimeFFT(hann(size), size // 4, fs=1.0)
    a, b = (np.abs(transform.stft(v.T)) for v in (found, truth))
    floor = FLOOR * b.max()
    difference = 20 * (np.log10(np.maximum(a, floor)) - np.log10(np.maximum(b, floor)))
    return float(np.sqrt(np.square(difference).mean(-2)).mean())


def evaluate_sound(
    fitted: Field, arrays: dict[str, NDArray[Any]], reference: Path | None, settings: SignalEvaluateSettings
) -> SoundMetrics:
    """``mse`` in full scale, ``mse_of_peak`` with the sound's peak as 1 (the paper's), ``snr``, ``spectral_distance``,
    ``compression``."""
    header = SoundHeader.of(fitted.header)
    count, channels = header.shape
    peak = header.values.scale
    truth = arrays["values"].astype(np.float64) * peak
    if reference is not None:
        truth = read_sound(reference).samples.astype(np.float64)
        if truth.shape != (count, channels):
            raise InputError(
                f"the reference has {truth.shape[0]:,} samples of {truth.shape[1]} channels, the fitted sound "
                f"{count:,} of {channels}",
                where=reference,
            )
    times = sample_times(count, header.rate)
    found = at_times(fitted, times)
    mse = float(np.square(found - truth).mean())
    return SoundMetrics(
        mse=mse,
        mse_of_peak=mse / peak**2,
        snr=snr(found, truth),
        spectral_distance=spectral_distance(found, truth),
        compression=compression(fitted, settings.weights, lambda field: snr(at_times(field, times), truth)),
    )
