"""Sounds: files <-> arrays of samples."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..header import ValueScale
from ..runtime.files import write_atomically
from ..similarity import Similarity
from .facts import SoundFacts
from .headers import SoundHeader
from .settings import SoundIngestSettings
from .wave import mended_wave

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")
LOSSLESS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".aiff": "AIFF", ".aif": "AIFF"}
SUBTYPES = {"PCM_U8": "PCM_U8", "PCM_S8": "PCM_U8", "PCM_24": "PCM_24", "PCM_32": "PCM_24", "FLOAT": "FLOAT", "DOUBLE": "FLOAT"}
MIN_SAMPLES = 16  # samples


@dataclass(frozen=True)
class Sound:
    """Samples (n, channels) float32 in full scale, [-1, 1]; rate in samples a second; the file's own encoding; notes for the
    user."""

    samples: NDArray[np.float32]
    rate: int
    encoding: str = "PCM_16"
    notes: tuple[str, ...] = ()


def read_sound(path: Path) -> Sound:
    """Read WAV, FLAC, OGG, MP3 or AIFF. Raises InputError: no sound, damaged, too short, values that are not finite."""
    import soundfile

    mended = mended_wave(path)
    try:
        with soundfile.SoundFile(str(path) if mended is None else io.BytesIO(mended)) as file:
            samples = file.read(dtype="float32", always_2d=True)
            rate, encoding, promised = file.samplerate, file.subtype, file.frames
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as e:
        reason = " ".join(str(e).replace(str(path), "it").split())[:120]
        raise InputError(f"damaged, or no sound ({reason})", where=path) from None
    if len(samples) == 0:
        raise InputError("the sound has no samples", where=path)
    if len(samples) < min(promised, 1 << 62) - 1:
        raise InputError(f"truncated: {len(samples):,} of {promised:,} samples", where=path)
    if len(samples) < MIN_SAMPLES:
        raise InputError(f"{len(samples)} samples are too few", where=path, hint=f"at least {MIN_SAMPLES}")
    if not np.isfinite(samples).all():
        raise InputError("the sound holds values that are not finite", where=path)
    notes = () if mended is None else ("the sizes in its header are wrong: all samples that follow it are read",)
    return Sound(samples, rate, encoding, notes)


def write_sound(path: Path, samples: NDArray[np.floating], rate: int, encoding: str = "PCM_16") -> None:
    """Write (n, channels) samples in full scale, by extension; integer formats are clipped, not wrapped."""
    import soundfile

    check_sound_output(path)
    kind = LOSSLESS[path.suffix.lower()]
    subtype = SUBTYPES.get(encoding, "PCM_16")
    if kind == "OGG":
        subtype = "VORBIS"
    elif kind == "FLAC" and subtype not in ("PCM_24", "PCM_16"):
        subtype = "PCM_24" if subtype == "FLOAT" else "PCM_16"
    elif kind == "AIFF" and subtype == "PCM_U8":
        subtype = "PCM_S8"
    data = samples if subtype == "FLOAT" else np.clip(samples, -1, 1 - 2.0**-23)
    out = io.BytesIO()
    soundfile.write(out, np.asarray(data, np.float32), rate, format=kind, subtype=subtype)
    write_atomically(path, out.getvalue())


def check_sound_output(path: Path) -> None:
    """Raise InputError early if no sound can be written there."""
    if path.suffix.lower() not in LOSSLESS:
        raise InputError(
            f"cannot write a sound as {path.suffix or 'a file without extension'!r}",
            where=path,
            hint=f"one of {' '.join(LOSSLESS)}",
        )
    if not path.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint="make the folder first")


def ingest_sound(source: Any, settings: SoundIngestSettings) -> tuple[dict[str, NDArray[Any]], SoundHeader, SoundFacts]:
    """Arrays, header and facts of a sound.

    Parameters
    ----------
    source : a file, or (samples, rate)

    Returns
    -------
    arrays : ``values`` (n, channels) float32, the sound over its own peak
    header : the frame maps seconds to [-reach, reach]; ``windows`` says how it is cut
    facts : what was found
    """
    if isinstance(source, list):
        raise InputError("one sound at a time", where=source[1])
    sound = read_sound(source) if isinstance(source, Path) else Sound(np.atleast_2d(source[0].T).T, int(source[1]))
    samples, notes = sound.samples, list(sound.notes)
    if settings.mono and samples.shape[1] > 1:
        samples = samples.mean(1, keepdims=True)
        notes.append("its channels became one")
    peak = float(np.abs(samples).max())
    if peak == 0:
        raise InputError("the sound is silent: there is nothing to fit", where=source if isinstance(source, Path) else "array")
    count, channels = samples.shape
    seconds = count / sound.rate
    windows = max(1, int(np.ceil(seconds / settings.window)))
    each = count / windows
    # the first layer's fastest unit makes omega_first * reach / pi periods in a window: as many for every sample as the
    # paper's 955 for its 308,207 samples of Bach
    reach = settings.reach if settings.reach is not None else float(np.clip(100 * each / 300_000, 1, 300))
    header = SoundHeader(
        frame=Similarity((seconds / 2,), seconds / 2 / (reach * windows)),
        bounds=((0.0,), (seconds,)),
        shape=(count, channels),
        rate=sound.rate,
        values=ValueScale(offset=0.0, scale=peak),
        encoding=sound.encoding,
        windows=windows,
        reach=reach,
        file_bytes=source.stat().st_size if isinstance(source, Path) else 2 * samples.size,
    )
    facts = SoundFacts(
        samples=count,
        channels=channels,
        rate=sound.rate,
        seconds=seconds,
        windows=windows,
        reach=reach,
        peak=peak,
        notes=notes,
    )
    return {"values": (samples / np.float32(peak)).astype(np.float32)}, header, facts


def sample_times(count: int, rate: float, start: float = 0.0) -> NDArray[np.float64]:
    """Times (n, 1) in seconds of ``count`` samples at ``rate``, each in the middle of its interval."""
    return np.asarray(start + (np.arange(count) + 0.5) / rate, np.float64)[:, None]
