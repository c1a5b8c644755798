"""Stage ``ingest`` of an image: from a file to what a fit needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..header import ValueScale
from ..similarity import Similarity
from .facts import ImageFacts
from .headers import ImageHeader
from .image import MODES, Picture, gradient, laplacian, picture_of, read_image
from .settings import ImageIngestSettings

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def ingest_image(
    source: Any, settings: ImageIngestSettings, seed: int, say: Callable[[str], None], channels: int | None = None
) -> tuple[dict[str, NDArray[Any]], ImageHeader, ImageFacts]:
    """Arrays, header and facts of an image.

    Parameters
    ----------
    source : a file, or an (h, w), (h, w, c) array of intensities in [0, 1]
    channels : that a prior knows, 1 or 3: the image becomes one of these, and what is transparent is not known

    Returns
    -------
    arrays : ``values`` (h, w, c) float32 as the network is to give them, about [-1, 1]; ``known`` (h, w) bool where not all
        are, ``data`` (h, w) bool of those that the file holds, where it does not hold all; ``gradient`` (h, w, c, 2) or
        ``laplacian`` (h, w, c) in box units where those are fitted
    header, facts : what decoding needs; what was found
    """
    if isinstance(source, (list, tuple)):
        raise InputError("one image at a time", where=source[1], hint="--task composite blends two")
    picture = _of_array(np.asarray(source)) if not isinstance(source, Path) else read_image(source)
    if channels is not None:
        picture = _for_a_prior(picture, channels, _where(source))
    notes = list(picture.notes)
    values, data = picture.values, picture.known
    if settings.grey and values.shape[2] >= 3:
        values = (values[..., :3] @ LUMINANCE)[..., None]
        notes.append("its luminance alone")
    if settings.max_size is not None and max(values.shape[:2]) > settings.max_size:
        values = shrink(values, settings.max_size)
        if data is not None:  # a pixel is, if half of what it is made of is, or as much as there is
            share = shrink(data[..., None].astype(np.float32), settings.max_size)[..., 0]
            data = share >= min(0.5, float(share.max()))
        notes.append(f"shrunk from {picture.values.shape[1]} x {picture.values.shape[0]}")
    height, width, depth = values.shape
    offset, scale = (0.5, 0.5) if picture.depth < 32 else _range(values if data is None else values[data])
    scaled = ((values - offset) / scale).astype(np.float32)
    arrays: dict[str, NDArray[Any]] = {"values": scaled}
    known = _known(settings, height, width, seed, data)
    if known is not None:
        arrays["known"] = known
    if data is not None:
        arrays["data"] = data
    half = max(width, height) / 2
    if settings.supervise == "gradient":
        arrays["gradient"] = (gradient(scaled, settings.filter) * half).astype(np.float32)
    elif settings.supervise == "laplacian":
        arrays["laplacian"] = (laplacian(scaled) * half**2).astype(np.float32)
    mean = None if settings.supervise == "intensity" else tuple(values.mean((0, 1), dtype=np.float64).tolist())
    header = ImageHeader(
        frame=Similarity((width / 2, height / 2), half),
        bounds=((0.0, 0.0), (width, height)),
        shape=(height, width, depth),
        values=ValueScale(offset=offset, scale=scale),
        depth=picture.depth,
        supervise=settings.supervise,
        file_bytes=source.stat().st_size if isinstance(source, Path) else values.size * picture.depth // 8,
        **({} if mean is None else {"mean": mean}),
    )
    facts = ImageFacts(
        width=width,
        height=height,
        mode=MODES[depth],
        depth=picture.depth,
        known=float(known.mean()) if known is not None else 1.0,
        supervise=settings.supervise,
        notes=notes,
    )
    if float(np.ptp(values if data is None else values[data])) == 0:
        raise InputError("every pixel has the same value: there is nothing to fit", where=_where(source))
    return arrays, header, facts


def _for_a_prior(picture: Picture, channels: int, where: object) -> Picture:
    """With as many channels as a prior knows; pixels that are more than half transparent hold no data."""
    values, known, notes = picture.values, picture.known, list(picture.notes)
    if values.shape[2] in (2, 4):
        clear = values[..., -1] < 0.5 * float(values[..., -1].max() or 1)
        if clear.all():
            raise InputError("every pixel is transparent: nothing is known", where=where)
        values = values[..., :-1]
        if clear.any():
            known = ~clear if known is None else known & ~clear
            notes.append(f"{clear.sum():,} of {clear.size:,} pixels are transparent: not known")
    if values.shape[2] > channels:
        values = (values @ LUMINANCE)[..., None]
        notes.append("its luminance alone: the prior knows no colours")
    return replace(picture, values=np.repeat(values, channels // values.shape[2], 2), known=known, notes=tuple(notes))


def _where(source: Any) -> Any:
    return source if isinstance(source, Path) else "array"


def _of_array(values: NDArray[Any]) -> Picture:
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[2] not in MODES or min(values.shape[:2]) < 4:
        raise InputError(f"an array of shape {values.shape} is no image", hint="(h, w) or (h, w, c), c up to 4")
    return picture_of(values, "array")


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low + high) / 2, max((high - low) / 2, 1e-38)


def shrink(values: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """Resample to ``longest`` pixels on the longest side, smoothed beforehand as the factor asks."""
    from skimage.transform import resize

    height, width = values.shape[:2]
    factor = longest / max(height, width)
    shape = (max(4, round(height * factor)), max(4, round(width * factor)))
    return np.asarray(resize(values, shape, anti_aliasing=True), np.float32)


def _known(
    settings: ImageIngestSettings, height: int, width: int, seed: int, data: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Which pixels are known, of those that hold ``data``; None if all are."""
    known = np.ones((height, width), bool) if data is None else data.copy()
    if settings.mask is not None:
        path = Path(settings.mask)
        if not path.is_file():
            raise InputError("no such file", where=path, hint="ingest.mask names an image, black where nothing is known")
        mask = read_image(path).values
        mask = mask[..., : 1 if mask.shape[2] < 3 else 3].mean(-1)
        if mask.shape != known.shape:
            raise InputError(f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the image {width} x {height}", where=path)
        known &= mask > 0.5 * mask.max()
    if settings.keep < 1:
        known &= np.random.default_rng(seed).random(known.shape) < settings.keep
    if settings.context is not None:
        if settings.context > known.sum():
            raise InputError(f"{settings.context:,} pixels are more than the {known.sum():,} known", where="ingest.context")
        drawn = np.random.default_rng(seed).choice(np.flatnonzero(known), settings.context, replace=False)
        known = np.isin(np.arange(known.size), drawn).reshape(known.shape)
    if not known.any():
        raise InputError("no pixel is known", where=settings.mask or "ingest.keep", hint="white marks what is known")
    if settings.supervise != "intensity" and not known.all():
        what = (
            "inpainting needs values"
            if data is None or data.all()
            else "derivatives cannot be fitted where pixels hold no data"
        )
        raise InputError(what, where="ingest.supervise", hint="--set ingest.supervise=intensity")
    return None if known.all() else known
