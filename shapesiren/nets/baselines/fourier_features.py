"""Random Fourier features before a ReLU network (Tancik et al. 2020, section 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .relu import Relu


class FourierFeatures(Relu):
    """Sin and cos of ``2 pi b.x`` for ``width / 2`` random b ~ N(0, sigma^2), then ReLU layers."""

    kind = "rff"

    def encoding(self, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Weight (width, d), bias (width,), half of them cosines: cos z = sin(z + pi/2)."""
        half = torch.randn((self.width // 2, self.in_features), generator=generator) * (2 * math.pi * self.sigma)
        return torch.cat([half, half]), torch.cat([torch.zeros(len(half)), torch.full((len(half),), math.pi / 2)])
