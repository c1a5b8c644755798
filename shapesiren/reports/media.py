"""The reports of images, composites, sounds and videos."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..media.audio import sample_times
from ..media.audio_resample import at_times
from ..media.headers import ImageHeader, SoundHeader, VideoHeader
from ..media.image_resample import sample
from ..media.video_resample import frame_at, frame_times, to_bytes
from ..metrics.image import psnr
from ..tasks.base import FinishedRun
from . import page, plots
from .figure_file import encoded

MAX_PICTURE_WIDTH = 1400  # pixels of a picture in the page
SOUND_SECONDS, VIDEO_SECONDS = 20.0, 8.0
SOUND_NUMBERS, VIDEO_PIXELS = 1 << 21, 1 << 24  # samples of all channels, pixels of all frames: seconds, and a few megabytes
LARGEST_FRAME = 480
THUMBNAIL_SIZE = 240  # pixels of a thumbnail


def image_sections(run: FinishedRun) -> list[page.Section]:
    """Before and after, and the derivatives."""
    scale = ImageHeader.of(run.field.header).values
    unit, middle = scale.scale, scale.offset
    truth = run.arrays["values"].astype(np.float64)
    ours = (whole(run) - middle) / unit
    blocks = [page.slider(png(truth / 2 + 0.5), png(ours / 2 + 0.5), ("original", "field"))]
    known = run.arrays.get("known")
    if known is not None and not known.all():
        given = np.where(known.reshape(truth.shape[:2])[..., None], truth / 2 + 0.5, 0.5)
        blocks.append(page.folded("What was given", page.image(png(given), "the known pixels", "unknown pixels in grey")))
    return [
        page.Section("Original and field", [*blocks, *size_note(truth.shape)]),
        pictures(run, "Values, gradients, Laplacians"),
        *compression(run, "dB PSNR"),
    ]


def composite_sections(run: FinishedRun) -> list[page.Section]:
    back, front = (run.arrays[k].astype(np.float64) / 2 + 0.5 for k in ("values", "foreground"))
    ours = whole(run)
    blocks = [
        page.slider(png(back), png(ours), ("background", "composite")),
        page.image(png(front), "foreground", "foreground"),
    ]
    return [page.Section("Background, foreground, composite", [*blocks, *size_note(back.shape)])]


def whole(run: FinishedRun) -> NDArray[np.float64]:
    height, width, _ = ImageHeader.of(run.field.header).shape
    return sample(run.field, height, width, (0, 0, width, height))


def size_note(shape: tuple[int, ...]) -> list[Markup]:
    if max(shape[:2]) <= MAX_PICTURE_WIDTH:
        return []
    return [page.text(f"Shown at {MAX_PICTURE_WIDTH} pixels; the image has {shape[1]} x {shape[0]}.", quiet=True)]


def png(values: NDArray[np.floating]) -> bytes:
    """(h, w, c) in [0, 1], at most `MAX_PICTURE_WIDTH` pixels wide; a JPEG where that is much smaller."""
    from PIL import Image

    levels = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    picture = Image.fromarray(levels[..., 0] if levels.shape[2] in (1, 2) else levels[..., :3])
    picture.thumbnail((MAX_PICTURE_WIDTH, MAX_PICTURE_WIDTH))
    out = io.BytesIO()
    if picture.width * picture.height > 1 << 19:
        picture.save(out, "JPEG", quality=93)
    else:
        picture.save(out, "PNG")
    return out.getvalue()


def pictures(run: FinishedRun, title: str) -> page.Section:
    """The task's own figure."""
    drawn = page.image(encoded(run.task.figure(run.field, run.arrays), "png"), title)
    return page.Section(title, [drawn])


def compression(run: FinishedRun, unit: str) -> list[page.Section]:
    """Bytes and quality, in ``unit``, with fewer bits for each weight."""
    rows = run.facts("evaluate").get("compression", [])
    if not rows:
        return []
    cells = [[f"{r['bits']} bit", r["bytes"], round(r["share_of_file"], 3), round(r["quality"], 2)] for r in rows]
    return [page.Section("Size", [page.table(cells, ["weights", "bytes", "of the file", unit])])]


def image_thumbnail(run: FinishedRun) -> bytes:
    """The decoded image as a small JPEG."""
    from PIL import Image

    picture = Image.open(run.output).convert("RGB")
    picture.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def audio_sections(run: FinishedRun) -> list[page.Section]:
    """Players and spectrograms."""
    header = SoundHeader.of(run.field.header)
    (count, channels), rate = header.shape, header.rate
    shown = min(count, int(SOUND_SECONDS * rate), SOUND_NUMBERS // channels)
    truth = run.arrays["values"][:shown].astype(np.float64) * header.values.scale
    ours = at_times(run.field, sample_times(count, rate)[:shown])
    blocks = [page.player(wav(truth, rate), "original"), page.player(wav(ours, rate), "field")]
    if shown < count:
        blocks.append(page.text(f"The first {shown / rate:.3g} of {count / rate:.3g} seconds.", quiet=True))
    return [page.Section("Listen", blocks), pictures(run, "Waveform and spectrogram"), *compression(run, "dB SNR")]


def wav(samples: NDArray[np.float64], rate: int) -> bytes:
    """(n, channels) in full scale as FLAC of 16 bits: no loss, half the size."""
    import soundfile

    out = io.BytesIO()
    levels = (np.clip(samples[:, :2], -1, 1) * 32767).round().astype(np.int16)
    soundfile.write(out, levels, rate, format="FLAC" if rate <= 192_000 else "WAV", subtype="PCM_16")
    return out.getvalue()


def video_sections(run: FinishedRun) -> list[page.Section]:
    """Both videos, and the quality of each frame. Large frames are shrunk: every ``step``-th pixel of both."""
    header = VideoHeader.of(run.field.header)
    count, height, width, _ = header.shape
    rate = count / header.seconds
    step = max(1, math.ceil(max(height, width) / LARGEST_FRAME))
    rows, columns = -(-height // step), -(-width // step)
    shown = min(count, max(1, int(VIDEO_SECONDS * rate)), max(1, VIDEO_PIXELS // (rows * columns)))
    theirs = [run.arrays["frames"][i, ::step, ::step] for i in range(shown)]
    times = frame_times(run.arrays)
    ours = [to_bytes(frame_at(run.field, times[i], height, width, step)) for i in range(shown)]
    both = [page.player(mp4(theirs, rate), "original"), page.player(mp4(ours, rate), "field")]
    quality = [psnr(a / 255, b / 255, 1.0) for a, b in zip(ours, theirs, strict=True)]
    blocks = [page.gallery(both, large=True)]
    if shown > 1:
        blocks.append(plots.curves({"psnr": quality}, ((times[:shown] - 0.5) / header.rate).tolist(), "seconds", "PSNR, dB"))
    if shown < count:
        blocks.append(page.text(f"The first {shown} of {count} frames.", quiet=True))
    if step > 1:
        blocks.append(page.text(f"Shown at {columns} x {rows} pixels; the video has {width} x {height}.", quiet=True))
    return [page.Section("Play", blocks), pictures(run, "Frames"), *compression(run, "dB PSNR")]


def mp4(frames: list[NDArray[np.uint8]], rate: float) -> bytes:
    """H.264, small frames enlarged without blur so that they can be judged."""
    import tempfile
    from pathlib import Path

    from ..media.video import write_frames

    grow = max(1, min(4, 480 // max(frames[0].shape[:2])))
    large: list[Any] = [f.repeat(grow, 0).repeat(grow, 1) for f in frames]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.mp4"
        write_frames(path, large, rate)
        return path.read_bytes()
