"""What was found of a collection, and how well a prior completes signals that it has not seen."""

from __future__ import annotations

from pydantic import Field

from ..facts import Facts


class CollectionFacts(Facts):
    """signals : in all; trained, held : of those; width, height : pixels; channels; notes : for people"""

    signals: int
    trained: int
    held: int
    width: int
    height: int
    channels: int
    notes: list[str] = []

    def lines(self) -> list[str]:
        what = "grey" if self.channels == 1 else "colour"
        return [
            f"{self.signals:,} {what} images of {self.width} x {self.height} pixels: {self.trained:,} to train, "
            f"{self.held:,} held back",
            *self.notes,
        ]


class CompletionsFacts(Facts):
    """width, height : pixels of the sheet; signals : on it; rows : what each pair of rows knows"""

    width: int
    height: int
    signals: int
    rows: list[str]

    def lines(self) -> list[str]:
        return [f"{self.signals} images that were held back, known and completed: {', '.join(self.rows)}"]


class CompletionRow(Facts):
    """context : what was known; mse, psnr : of all pixels, intensities in [0, 1]"""

    context: str
    known: int
    mse: float
    psnr: float


class CompletionMetrics(Facts):
    """rows : for each context; signals : that it was judged by; kind : of prior; milliseconds : to complete one"""

    kind: str
    signals: int
    rows: list[CompletionRow] = Field(default_factory=list)
    milliseconds: float

    def lines(self) -> list[str]:
        told = [f"{row.context}: MSE {row.mse:.4f}, PSNR {row.psnr:.2f} dB" for row in self.rows]
        return [f"{self.signals:,} images that were held back, {self.milliseconds:.1f} ms each to complete", *told]
