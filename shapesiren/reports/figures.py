"""Pictures of fitted signals beside their originals (matplotlib, no display)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..field import Field
from ..media.audio import sample_times
from ..media.audio_resample import at_times
from ..media.headers import ImageHeader, SoundHeader, VideoHeader
from ..media.image import gradient, laplacian
from ..media.image_resample import sample
from ..media.video_resample import frame_at, frame_times
from ..metrics.image import derivatives
from .figure_file import pyplot, write_figure

Arrays = dict[str, NDArray[Any]]
Values = NDArray[np.float64]
Panel = tuple[str, NDArray[Any], dict[str, Any]]  # title, image, how it is drawn


def image_figure(fitted: Field, arrays: Arrays) -> Any:
    """Intensities, gradient magnitude and Laplacian: the field's own above, the filters' on the original below."""
    header = ImageHeader.of(fitted.header)
    height, width, _ = header.shape
    unit, middle = header.values.scale, header.values.offset
    truth = arrays["values"].astype(np.float64) * unit + middle
    ours = sample(fitted, height, width, (0, 0, width, height))
    first, second = derivatives(fitted)
    rows = [("the field", ours, first, second), ("the image and its filters", truth, gradient(truth), laplacian(truth))]
    return panels_figure(derivative_panels([(n, (v - middle) / unit / 2 + 0.5, g, b) for n, v, g, b in rows]))


def derivative_panels(rows: list[tuple[str, Values, Values, Values]]) -> list[list[Panel]]:
    """(name, intensities in [0, 1], gradients, Laplacians) -> rows of pictures; the last row sets the scale for all."""
    slope = float(np.percentile(_length(rows[-1][2]), 99)) or 1.0
    bend = float(np.percentile(np.abs(rows[-1][3].mean(2)), 99)) or 1.0
    return [
        [
            (name, np.clip(values, 0, 1), {}),
            ("gradient magnitude", _length(g)[..., None], {"vmin": 0, "vmax": slope}),
            ("Laplacian", bent.mean(2)[..., None], {"cmap": "RdBu_r", "vmin": -bend, "vmax": bend}),
        ]
        for name, values, g, bent in rows
    ]


def composite_figure(fitted: Field, arrays: Arrays) -> Any:
    height, width, _ = ImageHeader.of(fitted.header).shape
    ours = np.clip(sample(fitted, height, width, (0, 0, width, height)), 0, 1)
    inputs: list[Panel] = [
        (name, arrays[key] / 2 + 0.5, {}) for name, key in (("background", "values"), ("foreground", "foreground"))
    ]
    return panels_figure([[*inputs, ("composite", ours, {})]])


def video_figure(fitted: Field, arrays: Arrays) -> Any:
    count, height, width, _ = VideoHeader.of(fitted.header).shape
    chosen = np.unique(np.linspace(0, count - 1, min(5, count)).round().astype(int))
    times = frame_times(arrays)
    ours: list[Panel] = [(f"field, frame {i}", np.clip(frame_at(fitted, times[i], height, width), 0, 1), {}) for i in chosen]
    theirs: list[Panel] = [(f"video, frame {i}", arrays["frames"][i] / 255.0, {}) for i in chosen]
    return panels_figure([ours, theirs])


def sound_figure(fitted: Field, arrays: Arrays) -> Any:
    """Waveforms with the error, and spectrograms; the first channel."""
    plt = pyplot()
    header = SoundHeader.of(fitted.header)
    count, rate = header.shape[0], header.rate
    times = sample_times(count, rate)
    truth = arrays["values"][:, 0].astype(np.float64) * header.values.scale
    ours = at_times(fitted, times)[:, 0]
    figure, axes = plt.subplots(3, 1, figsize=(10, 8), layout="constrained")
    axes[0].plot(times[:, 0], truth, lw=0.4, color="0.6", label="sound")
    axes[0].plot(times[:, 0], ours, lw=0.3, color="tab:blue", label="field")
    axes[0].plot(times[:, 0], ours - truth, lw=0.3, color="tab:red", label="difference")
    axes[0].legend(loc="upper right")
    axes[0].set(ylabel="amplitude", xlim=(0, times[-1, 0]))
    size = min(1024, 1 << int(np.log2(max(2, count // 4))))
    top = None
    for axis, name, values in ((axes[1], "sound", truth), (axes[2], "field", ours)):
        quiet = values + 1e-9 * np.random.default_rng(0).standard_normal(len(values))  # silence has no logarithm
        spectrum, *_, drawn = axis.specgram(quiet, NFFT=size, noverlap=size // 2, Fs=rate, cmap="magma")
        top = 10 * np.log10(spectrum.max()) if top is None else top
        drawn.set_clim(top - 90, top)
        axis.set(ylabel=f"{name}, Hz")
    axes[2].set(xlabel="seconds")
    return figure


def _length(g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitude (h, w) of the gradient (h, w, c, 2) of the mean over channels."""
    return np.asarray(np.linalg.norm(g.mean(2), axis=-1))


def draw_panels(rows: list[list[Panel]], path: Path) -> None:
    """Write rows of panels as one picture."""
    write_figure(panels_figure(rows), path)


def panels_figure(rows: list[list[Panel]], extent: tuple[float, float, float, float] | None = None) -> Any:
    """A matplotlib figure of rows of panels.

    ``extent`` (left, right, bottom, top) in the user's coordinates gives them axes, and each a bar of what its colours mean.
    """
    plt = pyplot()
    height, width = rows[0][0][1].shape[:2]
    size = 3.2 * width / max(width, height), 3.2 * height / max(width, height) + 0.3
    if extent is not None:
        size = size[0] + 0.9, size[1] + 0.3
    shape = (size[0] * len(rows[0]), size[1] * len(rows))
    figure, axes = plt.subplots(len(rows), len(rows[0]), figsize=shape, layout="constrained", squeeze=False)
    for line, panels in zip(axes, rows, strict=True):
        for axis, (title, image, how) in zip(line, panels, strict=True):
            if image.shape[2] in (1, 2):
                drawn = axis.imshow(image[..., 0], extent=extent, **({"cmap": "gray", "vmin": 0, "vmax": 1} | how))
            else:
                drawn = axis.imshow(image, extent=extent)
            axis.set_title(title, fontsize=9)
            if extent is None:
                axis.axis("off")
                continue
            axis.tick_params(labelsize=7)
            axis.set_xlabel("x", fontsize=8)
            axis.set_ylabel("y", fontsize=8)
            # values beyond its ends are drawn in the colours of its ends
            figure.colorbar(drawn, ax=axis, shrink=0.8, extend="both" if how.get("vmin", 0) < 0 else "max").ax.tick_params(
                labelsize=7
            )
    return figure
