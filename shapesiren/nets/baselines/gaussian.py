"""Gaussians as activations (Ramasinghe and Lucey 2022, "Beyond Periodicity")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..activations import Activation
from .baseline import Baseline, draw_uniform


class Gaussian(Baseline):
    """exp(-(scale z)^2): eq. 5 with scale^2 = 1 / (2 sigma^2)."""

    kind = "gaussian"

    def make_activation(self) -> Activation:
        return gaussian(self.scale)

    def initialise(self, layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        draw_uniform(layer, generator)


def gaussian(scale: float) -> Activation:
    """exp(-(scale z)^2) with its derivatives."""

    def jet(z: Tensor, order: int) -> list[Tensor]:
        a = scale * scale
        g = torch.exp(-a * z * z)
        out = [g]
        if order > 0:
            out.append(-2 * a * z * g)
        if order > 1:
            out.append((4 * a * a * z * z - 2 * a) * g)
        return out

    return jet
