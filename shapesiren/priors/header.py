"""What a prior needs beside its weights to be used."""

from __future__ import annotations

from ..errors import InputError
from ..header import Header


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

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """``shape``. Raises InputError if it is no prior of images."""
        if self.signal != "image" or self.shape is None:
            hint = "shapesiren fit COLLECTION --task prior, of images, makes one"
            raise InputError(f"this is a prior of {self.signal}s, not of images", hint=hint)
        return self.shape
