"""Stage ``ingest`` of a composite: two images -> gradients to be fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..header import ValueScale
from ..similarity import Similarity
from .facts import CompositeFacts
from .headers import ImageHeader
from .image import gradient, read_image
from .image_ingest import shrink
from .settings import CompositeIngestSettings


def ingest_composite(
    source: Any, settings: CompositeIngestSettings
) -> tuple[dict[str, NDArray[Any]], ImageHeader, CompositeFacts]:
    """Arrays, header and facts of two images.

    Parameters
    ----------
    source : background and foreground, files of equal size

    Returns
    -------
    arrays : ``gradient`` (h, w, c, 2) to be fitted, in box units; ``inside`` (h, w) bool, where it is; ``values`` (h, w, c) of
        the background and ``foreground``, about [-1, 1]
    """
    if not isinstance(source, (list, tuple)) or len(source) != 2:
        raise InputError("a composite takes two images", hint="shapesiren fit BACKGROUND FOREGROUND --task composite")
    pictures = [read_image(path) for path in source]
    for path, known in ((p, i.known) for p, i in zip(source, pictures, strict=True)):
        if known is not None:
            raise InputError(f"{(~known).sum():,} of its pixels hold no data", where=path, hint="fill them first")
    images = [picture.values for picture in pictures]
    channels = max(3 if i.shape[2] >= 3 else 1 for i in images)
    images = [_channels(i, channels) for i in images]
    if settings.max_size is not None:
        images = [shrink(i, settings.max_size) if max(i.shape[:2]) > settings.max_size else i for i in images]
    if images[0].shape != images[1].shape:
        (h, w), (h2, w2) = images[0].shape[:2], images[1].shape[:2]
        raise InputError(f"it has {w2} x {h2} pixels, the background {w} x {h}", where=source[1], hint="crop or resize one")
    height, width, _ = images[0].shape
    back, front = (2 * i - 1 for i in images)
    inside = _inside(settings, height, width)
    half = max(height, width) / 2
    slopes = [gradient(i, settings.filter) * half for i in (back, front)]
    cloned = settings.mode == "clone"
    target = slopes[1] if cloned else (1 - settings.alpha) * slopes[0] + settings.alpha * slopes[1]
    mixed = (1 - settings.alpha) * images[0].mean((0, 1)) + settings.alpha * images[1].mean((0, 1))
    header = ImageHeader(
        frame=Similarity((width / 2, height / 2), half),
        bounds=((0.0, 0.0), (width, height)),
        shape=(height, width, channels),
        values=ValueScale(offset=0.5, scale=0.5),
        depth=8,
        file_bytes=sum(Path(p).stat().st_size for p in source),
        **({} if cloned else {"mean": tuple(mixed.tolist())}),
    )
    arrays: dict[str, NDArray[Any]] = {
        "gradient": target.astype(np.float32),
        "inside": inside,
        "values": back.astype(np.float32),
        "foreground": front.astype(np.float32),
    }
    return arrays, header, CompositeFacts(width=width, height=height, mode=settings.mode, share=float(inside.mean()))


def _channels(values: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Without alpha, grey made colour where the other image is."""
    values = values[..., : 3 if values.shape[2] >= 3 else 1]
    return np.repeat(values, channels, 2) if values.shape[2] < channels else values


def _inside(settings: CompositeIngestSettings, height: int, width: int) -> NDArray[np.bool_]:
    if settings.mode == "mix":
        return np.ones((height, width), bool)
    if settings.mask is None:
        raise InputError("cloning needs a mask", where="ingest.mask", hint="--mask FILE, white where the foreground goes")
    path = Path(settings.mask)
    if not path.is_file():
        raise InputError("no such file", where=path, hint="--mask names an image, white where the foreground goes")
    mask = read_image(path).values.max(2)
    if settings.max_size is not None and max(mask.shape) > settings.max_size:
        mask = shrink(mask[..., None], settings.max_size)[..., 0]
    if mask.shape != (height, width):
        raise InputError(f"the mask has {mask.shape[1]} x {mask.shape[0]} pixels, the images {width} x {height}", where=path)
    inside: NDArray[np.bool_] = mask > 0.5
    if inside.all() or not inside.any():
        raise InputError("the mask is all white or all black", where=path, hint="white where the foreground goes")
    return inside
