"""Stage ``evaluate`` of an image: values and derivatives against the original, and a classical solver beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..field import Field
from ..media.headers import ImageHeader
from ..media.image import band_limited, gradient, grid, laplacian, read_image
from ..media.image_resample import sample
from ..media.poisson_solvers import clone, from_gradient, from_laplacian
from ..media.settings import ImageIngestSettings, SignalEvaluateSettings
from ..nets.evaluate import values_gradients_laplacians
from .compression import compression
from .facts import ClassicalSolver, CompositeMetrics, ImageMetrics

Array = NDArray[np.float64]
JUDGED_PIXELS = 1024  # pixels a side, of what derivatives and quantised weights are judged by


def psnr(found: Array, truth: Array, peak: float | None = None) -> float:
    """Peak signal to noise ratio in decibels; the peak is the truth's range if not given."""
    error = float(np.square(np.asarray(found, np.float64) - truth).mean())
    peak = float(np.ptp(truth)) if peak is None else peak
    return float(10 * np.log10(max(peak, 1e-300) ** 2 / max(error, 1e-300)))


def derivatives(fitted: Field, part: tuple[int, int, int, int] | None = None) -> tuple[Array, Array]:
    """Gradient (h, w, c, 2) per pixel and Laplacian (h, w, c) per pixel squared, of the field, at the centres of the pixels of
    a ``part``: x0, y0, x1, y1; all of them if None."""
    header = ImageHeader.of(fitted.header)
    height, width, channels = header.shape
    x0, y0, x1, y1 = part or (0, 0, width, height)
    height, width = y1 - y0, x1 - x0
    points = fitted.frame.to_box(grid(height, width, x0, y0, x1, y1))
    _, first, second = values_gradients_laplacians(fitted.net, points)
    unit, step = header.values.scale, fitted.frame.scale
    return (
        first.reshape(height, width, channels, 2).astype(np.float64) * unit / step,
        second.reshape(height, width, channels).astype(np.float64) * unit / step**2,
    )


def judged_part(height: int, width: int) -> tuple[int, int, int, int]:
    """The part of an image whose derivatives are judged: x0, y0, x1, y1; the middle of a large one, for memory's sake."""
    w, h = min(width, JUDGED_PIXELS), min(height, JUDGED_PIXELS)
    x0, y0 = (width - w) // 2, (height - h) // 2
    return x0, y0, x0 + w, y0 + h


def evaluate_image(
    fitted: Field,
    arrays: dict[str, NDArray[Any]],
    reference: Path | None,
    settings: SignalEvaluateSettings,
    ingest: ImageIngestSettings,
) -> ImageMetrics:
    """Metrics of a fitted image.

    Parameters
    ----------
    arrays : the ingested image; stands in for the reference when there is none
    reference : an image of the same size

    Returns
    -------
    ``psnr``, ``mse``, ``ssim`` of the intensities, where the file has data; ``gradient_psnr`` and ``laplacian_psnr`` of the
    field's derivatives against the Sobel and Laplace filters on the original, relative to the range of those;
    ``gradient_exact`` and ``laplacian_exact`` against `media.image.band_limited`, because filters blur: what they make of a
    512² ``camera`` is itself only 25.8 and 30.0 dB from that, and a field of no detail at all scores 27.7 and 26.4 dB against
    them; ``classical`` where derivatives were fitted; ``compression``
    """
    from skimage.metrics import structural_similarity

    header = ImageHeader.of(fitted.header)
    height, width, channels = header.shape
    unit, middle = header.values.scale, header.values.offset
    own = arrays["values"].astype(np.float64) * unit + middle
    truth, data = own, arrays.get("data", np.ones((height, width), bool))
    if reference is not None:
        picture = read_image(reference)
        truth = np.asarray(picture.values, np.float64)
        data = data if picture.known is None or picture.known.shape != data.shape else data & picture.known
    if truth.shape != own.shape:
        raise InputError(f"the reference has shape {truth.shape}, the fitted image {own.shape}", where=reference)
    peak = 1.0 if header.depth < 32 else 2 * unit
    low, high = (0.0, 1.0) if header.depth < 32 else (middle - unit, middle + unit)

    def decoded(field: Field) -> Array:
        return np.clip(sample(field, height, width, (0, 0, width, height)), low, high)

    def quality(field: Field) -> float:
        found = np.clip(sample(field, y1 - y0, x1 - x0, part), low, high)
        return psnr(found[judged], seen[judged], peak)

    found = decoded(fitted)
    truth = np.where(data[..., None], truth, found)  # where the file has no data, there is nothing to be judged by
    window = min(7, (min(height, width) - 1) // 2 * 2 + 1)
    part = judged_part(height, width)
    x0, y0, x1, y1 = part
    seen, judged = truth[y0:y1, x0:x1], data[y0:y1, x0:x1]
    judged = judged if judged.any() else ~judged
    first, second = derivatives(fitted, part)
    exact = band_limited(seen)
    out: dict[str, Any] = {
        "psnr": psnr(found[data], truth[data], peak),
        "mse": float(np.square(found - truth)[data].mean()),
        "ssim": float(structural_similarity(truth, found, win_size=window, data_range=peak, channel_axis=2)),
        "gradient_psnr": psnr(first, gradient(seen)),
        "laplacian_psnr": psnr(second, laplacian(seen)),
        "gradient_exact": psnr(first, exact[0]),
        "laplacian_exact": psnr(second, exact[1]),
    }
    if header.mean is not None:
        out["aligned"] = header.mean
        solver = from_gradient if header.supervise == "gradient" else from_laplacian
        target = gradient(own, ingest.filter) if header.supervise == "gradient" else laplacian(own)
        solved = solver(target) + np.asarray(header.mean)
        out["classical"] = ClassicalSolver(psnr=psnr(np.clip(solved, low, high), truth, peak), solver=solver.__name__)
    if "known" in arrays and reference is None and (unknown := ~arrays["known"] & data).any():
        out["unknown_psnr"] = psnr(found[unknown], truth[unknown], peak)
    out["compression"] = compression(fitted, settings.weights, quality)
    return ImageMetrics(**out)


def evaluate_composite(fitted: Field, arrays: dict[str, NDArray[Any]]) -> CompositeMetrics:
    """``gradient_psnr`` where gradients were fitted, ``background_psnr`` where intensities were; ``classical_psnr``: how near
    the classical solver's answer to the same problem is (`classical.from_gradient`, `classical.clone`)."""
    header = ImageHeader.of(fitted.header)
    height, width, _ = header.shape
    inside = arrays["inside"]
    target = arrays["gradient"].astype(np.float64) / 2 / fitted.frame.scale
    back, front = (arrays[k].astype(np.float64) / 2 + 0.5 for k in ("values", "foreground"))
    found = sample(fitted, height, width, (0, 0, width, height))
    out: dict[str, Any] = {"gradient_psnr": psnr(derivatives(fitted)[0][inside], target[inside])}
    if inside.all():
        solved = from_gradient(target) + np.asarray(header.mean)
    else:
        solved = clone(back, (np.diff(front, axis=1), np.diff(front, axis=0)), inside)
        out["background_psnr"] = psnr(found[~inside], back[~inside], 1.0)
    return CompositeMetrics(**out, classical_psnr=psnr(np.clip(found, 0, 1), np.clip(solved, 0, 1), 1.0))
