"""WIRE: wavelets as activations (Saragadam et al. 2023), the real part."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..activations import Activation
from .baseline import Baseline, draw_uniform


class Wire(Baseline):
    """cos(omega z) exp(-(scale z)^2): the real part of the wavelet of eq. 3."""

    kind = "wire"

    def make_activation(self) -> Activation:
        return gabor(self.omega, self.scale)

    def initialise(self, layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        draw_uniform(layer, generator)


def gabor(omega: float, scale: float) -> Activation:
    """cos(omega z) exp(-(scale z)^2) with its derivatives."""

    def jet(z: Tensor, order: int) -> list[Tensor]:
        a = scale * scale
        g, c = torch.exp(-a * z * z), torch.cos(omega * z)
        out = [c * g]
        if order > 0:
            s = torch.sin(omega * z)
            out.append((-omega * s - 2 * a * z * c) * g)
        if order > 1:
            out.append(((4 * a * a * z * z - 2 * a - omega * omega) * c + 4 * a * omega * z * s) * g)
        return out

    return jet
