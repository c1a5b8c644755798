"""Videos: files and folders of frames <-> frames, one at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

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

Frame = NDArray[np.uint8]


def frames_in(folder: Path) -> list[Path]:
    """The images of a folder, in the order of their names."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))


def read_frames(path: Path) -> tuple[float, Iterator[Frame]]:
    """Frames a second, and the frames, each (h, w, 3) uint8, decoded one by one.

    Raises
    ------
    InputError : no video, damaged, truncated
    """
    if path.is_dir():
        return FOLDER_RATE, (np.round(_rgb(read_image(p).values) * 255).astype(np.uint8) for p in frames_in(path))
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

    def decoded() -> Iterator[Frame]:
        with container:
            try:
                for frame in container.decode(stream):
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            except (OSError, ValueError, EOFError) as e:
                raise InputError(f"damaged or truncated ({_reason(e)})", where=path) from None

    return rate, decoded()


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
        rate, frames = read_frames(source)
        size = sum(p.stat().st_size for p in frames_in(source)) if source.is_dir() else source.stat().st_size
    else:
        rate, frames, size = FOLDER_RATE, iter(np.asarray(source, np.uint8)), np.asarray(source).size
    if settings.rate is not None:
        rate = settings.rate
    where = source if isinstance(source, Path) else "array"
    keep = tempfile.TemporaryFile()  # noqa: SIM115 - the frames stay mapped from it
    shape: tuple[int, ...] | None = None
    count, notes = 0, []
    for frame in frames:
        if settings.max_frames is not None and count >= settings.max_frames:
            notes.append(f"its first {count:,} frames")
            break
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
    half = max(width, height) / 2
    header = VideoHeader(
        # x and y in pixels, then time in steps as long as `pace` pixels: one frame, unless told otherwise
        frame=Similarity((width / 2, height / 2, count * settings.pace / 2), half),
        bounds=((0.0, 0.0, 0.0), (width, height, count * settings.pace)),
        shape=(count, height, width, 3),
        rate=rate,
        pace=settings.pace,
        values=ValueScale(offset=0.5, scale=0.5),
        file_bytes=size,
    )
    facts = VideoFacts(frames=count, width=width, height=height, rate=rate, seconds=count / rate, notes=notes)
    return {"frames": values}, header, facts


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
