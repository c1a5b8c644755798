"""FINER: a sine whose frequency grows with its input (Liu et al. 2024)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..activations import Activation
from .baseline import Baseline


class Finer(Baseline):
    """sin(omega (abs(z) + 1) z), eq. 5, with SIREN's weights.

    Biases of the first layer over a wide range, up to ``first_bias``, choose its frequencies (section 3.3).
    """

    kind = "finer"

    def make_activation(self) -> Activation:
        return finer(self.omega)

    def initialise(self, layer: nn.Linear, index: int, generator: torch.Generator | None) -> None:
        n = layer.in_features
        bound = 1 / n if index == 0 else math.sqrt(6 / n) / self.omega
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        reach = self.first_bias if index == 0 else 1 / math.sqrt(n)
        nn.init.uniform_(layer.bias, -reach, reach, generator=generator)


def finer(omega: float) -> Activation:
    """sin(omega (abs(z) + 1) z) with its derivatives."""

    def jet(z: Tensor, order: int) -> list[Tensor]:
        size = z.abs()
        u = omega * (size + 1) * z
        s = torch.sin(u)
        out = [s]
        if order > 0:
            slope, c = omega * (2 * size + 1), torch.cos(u)
            out.append(slope * c)
        if order > 1:
            out.append(2 * omega * torch.sign(z) * c - slope * slope * s)
        return out

    return jet
