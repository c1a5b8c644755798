"""What ingest found in an image, a sound or a video, and what decode wrote."""

from __future__ import annotations

from ..facts import Facts


class ImageFacts(Facts):
    """width, height : pixels; mode : "grey", "RGB" ...; depth : bits of a sample; known : share of the pixels that are
    supervise : what is fitted; notes : what was done to it, for people
    """

    width: int
    height: int
    mode: str
    depth: int
    known: float
    supervise: str
    notes: list[str]

    def lines(self) -> list[str]:
        known = f", {self.known:.1%} of the pixels known" if self.known < 1 else ""
        first = f"{self.width} x {self.height} pixels, {self.mode}, {self.depth} bit{known}; fits its {self.supervise}"
        return [first, *self.notes]


class CompositeFacts(Facts):
    """width, height : pixels; mode : "mix" or "clone"; share : of the pixels that are fitted to gradients"""

    width: int
    height: int
    mode: str
    share: float

    def lines(self) -> list[str]:
        return [f"{self.width} x {self.height} pixels, {self.mode}: {self.share:.1%} by gradients"]


class SoundFacts(Facts):
    """samples, channels; rate : samples a second; seconds : of the whole; peak : largest amplitude, of full scale
    windows : networks that it is cut into; reach : a window is [-reach, reach] to its network; notes : for people
    """

    samples: int
    channels: int
    rate: int
    seconds: float
    windows: int
    reach: float
    peak: float
    notes: list[str]

    def lines(self) -> list[str]:
        cut = f", {self.windows} windows" if self.windows > 1 else ""
        return [
            f"{self.seconds:.3g} s, {self.samples:,} samples at {self.rate:,} Hz, "
            f"{self.channels} channel{'s' if self.channels > 1 else ''}{cut}",
            f"a window of {self.samples / self.windows:,.0f} samples is [-{self.reach:.3g}, {self.reach:.3g}] to its network: "
            f"the more samples, the faster its first sines",
            *self.notes,
        ]


class VideoFacts(Facts):
    """frames; width, height : pixels; rate : frames a second; seconds : of the whole; notes : for people"""

    frames: int
    width: int
    height: int
    rate: float
    seconds: float
    notes: list[str]

    def lines(self) -> list[str]:
        return [f"{self.frames:,} frames of {self.width} x {self.height}, {self.rate:.4g} a second", *self.notes]


class DecodedImage(Facts):
    """width, height : pixels; crop : x, y, width, height in pixels of the original; seconds : that it took
    note : what the file could not hold
    """

    width: int
    height: int
    crop: tuple[float, float, float, float]
    seconds: float
    note: str | None = None

    def lines(self) -> list[str]:
        return [f"{self.width} x {self.height} pixels, {self.seconds:.1f} s", *([self.note] if self.note else [])]


class DecodedSound(Facts):
    """samples; rate : samples a second; start : seconds into the sound; seconds : that it took"""

    samples: int
    rate: int
    start: float
    seconds: float

    def lines(self) -> list[str]:
        return [f"{self.samples:,} samples at {self.rate:,} Hz, {self.seconds:.1f} s"]


class DecodedVideo(Facts):
    """frames; width, height : pixels; rate : frames a second; start : seconds into the video"""

    frames: int
    width: int
    height: int
    rate: float
    start: float

    def lines(self) -> list[str]:
        return [f"{self.frames:,} frames of {self.width} x {self.height}, {self.rate:.4g} a second"]
