"""Positional encoding before a ReLU network (Mildenhall et al. 2020, eq. 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .relu import Relu


class PositionalEncoding(Relu):
    """Sin and cos of ``2^k pi x_j`` for k below ``octaves`` and each coordinate j, then ReLU layers."""

    kind = "relu-pe"

    def encoding(self, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Weight (2 octaves d, d), bias (2 octaves d,); cos z = sin(z + pi/2)."""
        weight = torch.cat([2.0**k * math.pi * torch.eye(self.in_features) for k in range(self.octaves)])
        return torch.cat([weight, weight]), torch.cat([torch.zeros(len(weight)), torch.full((len(weight),), math.pi / 2)])
