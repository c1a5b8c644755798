"""Videos: files and folders of frames <-> frames, one at a time."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..header import ValueScale
from ..similarity import Similarity
from .facts import VideoFacts
from .headers import VideoHeader
from .image import SUFFIXES as IMAGE_SUFFIXES
from .image import read_image
from .settings import VideoIngestSettings

SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".gif")
CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".gif": "gif"}
FOLDER_RATE = 25.0  # frames a second of a folder, which does not say
EVEN_SHARE = 0.1  # of a frame, that the times of frames which count as even may be off by
ALIKE = 0.7  # of the median length of frames, from which the shortest tenth are as long but for jitter
MOST_RATE = 120.0  # frames a second, where they are not even

Frame = NDArray[np.uint8]


class Timed(NamedTuple):
    """A frame; when it is shown and how long, in seconds, as the file says, NaN where it does not."""

    frame: Frame
    start: float
    length: float


class Footage(NamedTuple):
    """rate : frames a second, on average; tick : seconds in which times are counted; frames : decoded one by one"""

    rate: float
    tick: float
    frames: Iterator[Timed]


def frames_in(folder: Path) -> list[Path]:
    """The images of a folder, in the order of their names, numbers by their value: frame2 before frame10."""
    images = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    return sorted(images, key=lambda p: (_natural(p.name.lower()), p.name))


def _natural(name: str) -> list[tuple[str, int]]:
    """Words and the numbers behind them."""
    return [(word, int(number or -1)) for word, number in re.findall(r"([^0-9]*)([0-9]*)", name)]


def read_frames(path: Path) -> tuple[float, Iterator[Frame]]:
    """Frames a second, and the frames, each (h, w, 3) uint8, decoded one by one. Raises InputError as `read_footage`."""
    footage = read_footage(path)
    return footage.rate, (timed.frame for timed in footage.frames)


def read_footage(path: Path) -> Footage:
    """The frames of a file, or of a folder of images, turned as the file says, with the times at which they are shown.

    Raises
    ------
    InputError : no video, damaged, truncated
    """
    if path.is_dir():
        images = (np.round(_rgb(read_image(p).values) * 255).astype(np.uint8) for p in frames_in(path))
        return Footage(FOLDER_RATE, 0.0, (Timed(frame, np.nan, np.nan) for frame in images))
    import av

    try:
        container = av.open(str(path))
    except (OSError, ValueError, EOFError) as e:  # PyAV's errors are kinds of these
        raise InputError(f"damaged, or no video ({_reason(e)})", where=path) from None
    if not container.streams.video:
        container.close()
        raise InputError("there is no video in it", where=path)
    stream = container.streams.video[0]
    rate = float(stream.average_rate or stream.guessed_rate or FOLDER_RATE)
    tick = float(stream.time_base or 0)

    def decoded() -> Iterator[Timed]:
        with container:
            try:
                for frame in container.decode(stream):
                    values = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                    quarters = round(getattr(frame, "rotation", 0) / 90)  # as telephones write them; PyAV 14 and later
                    start = np.nan if frame.pts is None else frame.pts * tick
                    yield Timed(np.rot90(values, quarters), start, (frame.duration or np.nan) * tick)
            except (OSError, ValueError, EOFError) as e:
                raise InputError(f"damaged or truncated ({_reason(e)})", where=path) from None

    return Footage(rate, tick, decoded())


def _reason(e: Exception) -> str:
    return " ".join(str(getattr(e, "strerror", None) or e).split())[:100]


def _rgb(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.repeat(values[..., :1], 3, 2) if values.shape[2] < 3 else values[..., :3]


def ingest_video(source: Any, settings: VideoIngestSettings) -> tuple[dict[str, NDArray[Any]], VideoHeader, VideoFacts]:
    """Arrays, header and facts of a video. The frames lie in a file that is mapped, not in memory.

    Parameters
    ----------
    source : a file, a folder of frames, or an (n, h, w, 3) uint8 array
    """
    if isinstance(source, list):
        raise InputError("one video at a time", where=source[1], hint="a folder of frames is one")
    if isinstance(source, Path):
        footage = read_footage(source)
        size = sum(p.stat().st_size for p in frames_in(source)) if source.is_dir() else source.stat().st_size
    else:
        footage = Footage(FOLDER_RATE, 0.0, (Timed(f, np.nan, np.nan) for f in np.asarray(source, np.uint8)))
        size = np.asarray(source).size
    where = source if isinstance(source, Path) else "array"
    keep = tempfile.TemporaryFile()  # noqa: SIM115 - the frames stay mapped from it
    shape: tuple[int, ...] | None = None
    starts: list[float] = []
    count, end, notes = 0, np.nan, []
    for frame, start, length in footage.frames:
        if settings.max_frames is not None and count >= settings.max_frames:
            notes.append(f"its first {count:,} frames")
            end = start
            break
        starts.append(start)
        end = start + length
        small = _shrunk(frame, settings.max_size)
        if shape is None:
            shape = small.shape
            if small.shape != frame.shape:
                notes.append(f"shrunk from {frame.shape[1]} x {frame.shape[0]}")
        elif small.shape != shape:
            raise InputError(
                f"frame {count} has {small.shape[1]} x {small.shape[0]} pixels, the first {shape[1]} x {shape[0]}", where=where
            )
        keep.write(np.ascontiguousarray(small).tobytes())
        count += 1
    if shape is None:
        raise InputError("a video with no frames", where=where)
    if count < 2:
        raise InputError("a single frame is no video", where=where, hint="fit it as an image")
    if min(shape[:2]) < 4:
        raise InputError(f"{shape[1]} x {shape[0]} pixels are too few", where=where, hint="at least 4 a side")
    keep.flush()
    values = np.memmap(keep, np.uint8, "r", shape=(count, *shape))
    height, width = shape[:2]
    arrays: dict[str, NDArray[Any]] = {"frames": values}
    clock = None if settings.rate is not None else clock_of(np.array(starts), end, footage)
    if clock is None:
        rate, steps = settings.rate or footage.rate, float(count)
    else:
        rate, steps = clock.rate, clock.steps
    if clock is not None and not clock.even:
        arrays["times"] = clock.times
        notes.append(
            f"its frames are shown for {clock.shortest:.3g} to {clock.longest:.3g} s: each is fitted at its own time, "
            f"{rate:.4g} a second are written (ingest.rate takes them as even)"
        )
    half = max(width, height) / 2
    header = VideoHeader(
        # x and y in pixels, then time in steps as long as `pace` pixels: one frame, unless told otherwise
        frame=Similarity((width / 2, height / 2, steps * settings.pace / 2), half),
        bounds=((0.0, 0.0, 0.0), (width, height, steps * settings.pace)),
        shape=(count, height, width, 3),
        rate=rate,
        pace=settings.pace,
        values=ValueScale(offset=0.5, scale=0.5),
        file_bytes=size,
    )
    facts = VideoFacts(frames=count, width=width, height=height, rate=rate, seconds=steps / rate, notes=notes)
    return arrays, header, facts


class Clock(NamedTuple):
    """When frames are shown.

    rate : steps a second; times : (n,) of each frame, in steps, the first one at .5; steps : the whole
    shortest, longest : that a frame is shown, in seconds; even : whether all are shown equally long
    """

    rate: float
    times: NDArray[np.float64]
    steps: float
    shortest: float
    longest: float
    even: bool = False


def clock_of(starts: NDArray[np.float64], end: float, footage: Footage) -> Clock | None:
    """The clock of frames shown from ``starts`` (n,) on, the last one until ``end``, in seconds; None if nothing is known.

    Even frames, as far as times in ticks can be, have a step each. Else a step is what the median one is shown, or where the
    shortest tenth of them are much shorter, what these are: the motion that they hold is what has to be written.
    """
    n, lengths = len(starts), np.diff(starts)
    if n < 3 or not np.isfinite(starts).all() or not (lengths > 0).all():
        return None
    mean = float(lengths.mean())
    off = np.abs(starts - starts[0] - mean * np.arange(n))
    if off.max() <= max(footage.tick, EVEN_SHARE * mean):
        # the file's rate is exact, but it is the mean of all frames, of which these may be a part
        rate = footage.rate if abs(mean * footage.rate - 1) < EVEN_SHARE else 1 / mean
        return Clock(rate, np.arange(0.5, n), float(n), mean, mean, even=True)
    short, step = np.quantile(lengths, [0.1, 0.5]).tolist()
    rate = max(1 / mean, min(1 / (step if short > ALIKE * step else short), MOST_RATE))
    lengths = np.append(lengths, end - starts[-1] if end > starts[-1] else np.median(lengths))
    steps = float(lengths.sum()) * rate
    return Clock(rate, (starts - starts[0]) * rate + 0.5, steps, float(lengths.min()), float(lengths.max()))


def _shrunk(frame: Frame, longest: int | None) -> Frame:
    if longest is None or max(frame.shape[:2]) <= longest:
        return frame
    from PIL import Image

    factor = longest / max(frame.shape[:2])
    size = (max(4, round(frame.shape[1] * factor)), max(4, round(frame.shape[0] * factor)))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))


def write_frames(path: Path, frames: Iterable[Frame], rate: float) -> None:
    """Write (h, w, 3) uint8 frames, by extension; the file appears when it is whole."""
    import av

    check_video_output(path)
    codec = CODECS[path.suffix.lower()]
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        with av.open(str(temporary), "w") as container:
            stream: Any = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
            odd = (0, 0)
            for i, frame in enumerate(frames):
                if i == 0:
                    odd = (0, 0) if codec == "gif" else (frame.shape[0] % 2, frame.shape[1] % 2)
                    stream.height, stream.width = frame.shape[0] + odd[0], frame.shape[1] + odd[1]
                    stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
                    if codec != "gif":
                        stream.options = {"crf": "12"} | ({"b": "0"} if codec == "libvpx-vp9" else {})
                if any(odd):  # the codecs want even sizes
                    frame = np.pad(frame, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
                for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_video_output(path: Path) -> None:
    """Raise InputError early if no video can be written there."""
    if path.suffix.lower() not in CODECS:
        raise InputError(
            f"cannot write a video as {path.suffix or 'a file without extension'!r}",
            where=path,
            hint=f"one of {' '.join(CODECS)}",
        )
    if not path.absolute().parent.is_dir():
        raise InputError("its folder does not exist", where=path, hint="make the folder first")
