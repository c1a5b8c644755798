"""What a prior needs beside its weights to be used."""

from __future__ import annotations

from ..header import Header, ValueScale


class PriorHeader(Header):
    """signal : what it was trained on: image, shape
    trained, held : signals that it was trained on, and others that were kept to judge it
    shape : (height, width, channels) of the images, the frame is between their pixels and the box; None of other signals
    figures : by which it was judged, where somebody entered them
    """

    signal: str = "image"
    trained: int
    held: int
    shape: tuple[int, int, int] | None = None
    figures: dict[str, float] = {}


class ImagePriorHeader(PriorHeader):
    """A prior of images: its values are intensities, ``offset + scale * output``."""

    shape: tuple[int, int, int]
    values: ValueScale
