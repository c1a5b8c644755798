"""Pictures of a prior's latent space: samples, ways from one image to another, nearest training images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from ..media.image import check_image_output, write_image
from ..media.image_ingest import ingest_image
from ..media.settings import ImageIngestSettings
from .completions import tiled
from .examples import pixel_points
from .prior import Prior


def samples_sheet(of: Path, output: Path, count: int, pixels: int, seed: int, device: torch.device) -> None:
    """``count`` samples, as near to a square of pictures as may be."""
    check_image_output(output)
    prior = Prior.load(of, device)
    drawn = prior.images(prior.sample(count, seed))
    columns = math.ceil(math.sqrt(count))
    blank = np.ones((columns * math.ceil(count / columns) - count, *drawn.shape[1:]))
    rows = np.split(np.concatenate([drawn, blank]), math.ceil(count / columns))
    write_image(output, tiled(rows, pixels), 8)


def interpolation_sheet(of: Path, first: Path, last: Path, output: Path, count: int, pixels: int, device: torch.device) -> None:
    """``count`` pictures in a row, from one image to another."""
    check_image_output(output)
    prior = Prior.load(of, device)
    a, b = (code_of_image(prior, path) for path in (first, last))
    write_image(output, tiled([prior.images(prior.interpolate(a, b, count))], pixels), 8)


def nearest_signals(
    of: Path, image: Path, count: int, device: torch.device
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Indices (k,) of the nearest training images, their distances (k,), and pictures (k + 1, h, w, c) in [0, 1]: the
    completed image, then they."""
    prior = Prior.load(of, device)
    code = code_of_image(prior, image)
    which, far = prior.nearest(code, count)
    train = prior.training_signals()[which].astype(np.float64) / 255
    return which, far, np.concatenate([prior.images(code[None]), train])


def nearest_sheet(
    of: Path, image: Path, output: Path, count: int, pixels: int, device: torch.device
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The completed image and beside it the nearest training images; their indices and distances, (k,) each."""
    check_image_output(output)
    which, far, pictures = nearest_signals(of, image, count, device)
    write_image(output, tiled([pictures], pixels), 8)
    return which, far


def code_of_image(prior: Prior, path: Path) -> torch.Tensor:
    """The latent code (latent,) of an image file of any size. Raises InputError if it is none."""
    if not path.is_file():
        raise InputError("no such file", where=path)
    channels = prior.header.image_shape[2]
    arrays, _, _ = ingest_image(path, ImageIngestSettings(), 0, lambda _: None, channels)
    values = arrays["values"]
    height, width = values.shape[:2]
    known = arrays.get("data", np.ones((height, width), bool)).ravel()
    return prior.encode(pixel_points(height, width)[known], values.reshape(-1, channels)[known])
