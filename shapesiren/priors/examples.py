"""What priors are trained on: many signals, of each of which a step sees a part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..media.image import grid
from .base import Batch, Context
from .settings import PriorBatchSettings


class Examples(ABC):
    """Many signals of one kind. A subclass for each kind of signal."""

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def batch(self, which: Tensor, settings: PriorBatchSettings, generator: torch.Generator) -> Batch:
        """Contexts drawn anew, and what they are judged by, of the signals with these indices (b,)."""

    @abstractmethod
    def whole(self, which: Tensor) -> Context:
        """All that is known of these signals."""


class ImageExamples(Examples):
    """Images of one size.

    levels : (n, h, w, c) uint8
    """

    def __init__(self, levels: NDArray[np.uint8], device: torch.device) -> None:
        self.levels, self.device = levels, device
        _, height, width, _ = levels.shape
        self.points = torch.from_numpy(pixel_points(height, width)).to(device)

    def __len__(self) -> int:
        return len(self.levels)

    def values(self, which: Tensor) -> Tensor:
        """(b, h * w, c) in [-1, 1]."""
        levels = np.asarray(self.levels[which.cpu().numpy()])
        flat = torch.from_numpy(np.ascontiguousarray(levels)).reshape(len(levels), -1, levels.shape[3])
        return flat.to(self.device).float() / 127.5 - 1

    def batch(self, which: Tensor, settings: PriorBatchSettings, generator: torch.Generator) -> Batch:
        values = self.values(which)
        pixels = len(self.points)
        most = min(settings.context_most, pixels)
        context = random_context(self.points, values, min(settings.context_least, most), most, generator)
        if settings.targets is None or settings.targets >= pixels:
            return Batch(context, self.points.expand(len(which), -1, -1), values)
        # the same pixels of all: what is not known to one image is drawn anew in every step
        judged = torch.randperm(pixels, generator=generator)[: settings.targets].to(self.device)
        return Batch(context, self.points[judged].expand(len(which), -1, -1), values[:, judged])

    def whole(self, which: Tensor) -> Context:
        return Context.of(self.points.expand(len(which), -1, -1), self.values(which))


def pixel_points(height: int, width: int) -> NDArray[np.float32]:
    """Box coordinates (h * w, 2) of pixel centres; the longer side is [-1, 1]."""
    half = max(height, width) / 2
    centre = np.array([width / 2, height / 2])
    return ((grid(height, width, 0, 0, width, height) - centre) / half).astype(np.float32)


def random_context(points: Tensor, values: Tensor, least: int, most: int, generator: torch.Generator) -> Context:
    """Of each signal between ``least`` and ``most`` samples, drawn without replacement.

    points : (n, d), those of all signals; values : (b, n, c)
    """
    count, samples = values.shape[:2]
    picked = torch.rand((count, samples), generator=generator).topk(most, 1).indices.to(values.device)
    known = torch.randint(least, most + 1, (count, 1), generator=generator)
    present = (torch.arange(most) < known).to(values.device)
    return Context(points[picked], values.gather(1, picked[..., None].expand(-1, -1, values.shape[2])), present)


@torch.no_grad()
def codes_of(net: Any, examples: Examples, most: int = 2048, at_once: int = 64) -> Tensor:
    """Latent codes (k, latent) of signals of which all is known; of ``most`` spread evenly, where there are more."""
    which = torch.linspace(0, len(examples) - 1, min(most, len(examples))).round().long()
    return torch.cat([net.encode(examples.whole(part)) for part in which.split(at_once)])
