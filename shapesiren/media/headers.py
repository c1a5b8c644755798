"""What fields of images, sounds and videos need to be written back."""

from __future__ import annotations

from ..header import Header, ValueScale
from .settings import Supervision


class MediaHeader(Header):
    """bounds : corners of the signal in its own coordinates (pixels, seconds, frames)
    values : what outputs stand for: intensities, amplitudes in full scale
    file_bytes : size of the file, or what it would take up uncompressed
    """

    bounds: tuple[tuple[float, ...], tuple[float, ...]]
    values: ValueScale
    file_bytes: int


class ImageHeader(MediaHeader):
    """shape : (height, width, channels) of the image that was fitted
    depth : bits of a sample in its file; 32 for fractions of any range
    supervise : what was fitted
    mean : of each channel, where the fit does not hold the constant: of fits to derivatives
    """

    shape: tuple[int, int, int]
    depth: int
    supervise: Supervision = "intensity"
    mean: tuple[float, ...] | None = None


class SoundHeader(MediaHeader):
    """shape : (samples, channels); rate : samples a second; encoding : of the file's samples, in libsndfile's words
    windows : how many networks the sound is cut into; reach : a window is [-reach, reach] to its network
    """

    shape: tuple[int, int]
    rate: int
    encoding: str
    windows: int
    reach: float


class VideoHeader(MediaHeader):
    """shape : (frames, height, width, 3); rate : frames a second, in which its time is counted; pace : pixels to which one
    frame's time is as long"""

    shape: tuple[int, int, int, int]
    rate: float
    pace: float

    @property
    def seconds(self) -> float:
        """How long it is: not ``frames / rate``, where frames are shown for unequal times."""
        return self.bounds[1][2] / self.pace / self.rate
